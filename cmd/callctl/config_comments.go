package main

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// keySources are the files whose doc comments are the manual of the keys. They
// travel in the binary, so that the manual is always the one of this code.
//
//go:embed config.go config_account.go config_trunk.go config_rules.go
var keySources embed.FS

// comments maps "Type" and "Type.Field" to its doc comment in one line, with the
// field's Go name replaced by the key.
type comments map[string]string

// readComments reads the manual out of the embedded source.
func readComments() (comments, error) {
	files, err := keySources.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("embedded sources: %w", err)
	}
	docs := comments{}
	for _, f := range files {
		src, err := keySources.ReadFile(f.Name())
		if err != nil {
			return nil, fmt.Errorf("embedded sources: %w", err)
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), src, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("embedded sources: %w", err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
				docs.add(decl)
			}
			return true
		})
	}
	return docs, nil
}

func (d comments) add(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		d[named.Name.Name] = oneLine(decl.Doc)
		fields, ok := named.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				key := yamlKey(reflect.StructField{Tag: tagOf(f)})
				text := strings.TrimPrefix(oneLine(f.Doc), name.Name+" ")
				d[named.Name.Name+"."+name.Name] = key + " " + text
			}
		}
	}
}

func tagOf(f *ast.Field) reflect.StructTag {
	if f.Tag == nil {
		return ""
	}
	return reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
}

func oneLine(doc *ast.CommentGroup) string {
	return strings.Join(strings.Fields(doc.Text()), " ")
}

// field is the comment of a struct's field.
func (d comments) field(t reflect.Type, f reflect.StructField) string {
	return d[t.Name()+"."+f.Name]
}
