package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

const manualHead = `# Configuration

This page is made from the doc comments of the code (` + "`make docs`" + `); a test fails when it is not.
[callctl.example.yaml](../callctl.example.yaml) has every key in place.

The file is YAML and read strictly: an unknown or repeated key is an error with its line and column.
` + "`callctl config check --config FILE`" + ` names everything that is wrong with it at once,
` + "`config print`" + ` shows what is in force with secrets redacted, ` + "`config schema`" + ` is for editors.

Every key may also be given by the environment, which wins over the file: ` + "`CALLCTL_`" + ` and the path in
capitals, with the name of an element in the place of its number; lists of words are separated by commas.
A secret given by the environment takes the place of the file's secret and of its ` + "`*_file`" + `.
Elements of lists must exist in the file.

`

// configManual is docs/configuration.md.
func configManual() (string, error) {
	docs, err := readComments()
	if err != nil {
		return "", err
	}
	cfg := defaultConfig()
	var b strings.Builder
	b.WriteString(manualHead)
	t := reflect.TypeFor[Config]()
	manualOf(&b, docs, t, reflect.ValueOf(cfg), place{env: envPrefix}, 2)
	return b.String(), nil
}

// manualOf writes the section of one struct: its keys in the order of the code,
// then the sections below it. defaults may be invalid.
func manualOf(b *strings.Builder, docs comments, t reflect.Type, defaults reflect.Value, at place, level int) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Struct || isStructs(f.Type) {
			continue
		}
		fmt.Fprintf(b, "- `%s`", at.key(yamlKey(f)))
		if !isElementName(at, f) {
			fmt.Fprintf(b, " · `%s`", at.env+envWord(yamlKey(f)))
		}
		if text := defaultText(defaults, i); text != "" {
			fmt.Fprintf(b, " · default `%s`", text)
		}
		fmt.Fprintf(b, "  \n  %s\n", markdown(docs.field(t, f)))
	}
	for i := range t.NumField() {
		f := t.Field(i)
		var below reflect.Value
		if defaults.IsValid() {
			below = defaults.Field(i)
		}
		next := place{path: at.key(yamlKey(f)), env: at.env + envWord(yamlKey(f)) + "_"}
		inner := f.Type
		switch {
		case isStructs(f.Type):
			next.path, next.env, inner = next.path+"[]", next.env+"NAME_", f.Type.Elem()
			below = reflect.Value{}
		case f.Type.Kind() != reflect.Struct:
			continue
		}
		fmt.Fprintf(b, "\n%s %s\n\n%s\n\n", strings.Repeat("#", level), next.path, markdown(docs.field(t, f)))
		manualOf(b, docs, inner, below, next, level+1)
	}
}

// markdown keeps angle brackets from being read as HTML.
func markdown(text string) string { return strings.ReplaceAll(text, "<", `\<`) }

func defaultText(defaults reflect.Value, i int) string {
	if !defaults.IsValid() || defaults.Field(i).IsZero() {
		return ""
	}
	if d, ok := reflect.TypeAssert[time.Duration](defaults.Field(i)); ok {
		return d.String()
	}
	text, err := scalarText(defaults.Field(i))
	if err != nil {
		return ""
	}
	return text
}
