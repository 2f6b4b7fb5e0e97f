package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Finding is one fault of a configuration.
type Finding struct {
	Path    string // key, such as accounts[0].api.base_url; empty for the whole file
	Line    int    // 0 when the key is not in the file
	Column  int
	Message string
	Hint    string
	Excerpt string // quoted lines, for faults of syntax
}

// ConfigError is a configuration that cannot be used, with everything that is
// wrong with it.
type ConfigError struct {
	File     string
	Findings []Finding
}

// Error implements error, one finding a line with its hint.
func (e *ConfigError) Error() string {
	var b strings.Builder
	for i, f := range e.Findings {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
		if f.Path != "" {
			b.WriteString(f.Path + ": ")
		}
		b.WriteString(f.Message)
		if f.Excerpt != "" {
			b.WriteString("\n" + strings.TrimRight(f.Excerpt, "\n"))
		}
		if f.Hint != "" {
			b.WriteString("\n  hint: " + f.Hint)
		}
	}
	return b.String()
}

// checker gathers findings, so that one run names them all.
type checker struct {
	file     string
	tree     *ast.File // nil when the file does not parse
	findings []Finding
	used     []string // variables that set a key
	unused   []string // CALLCTL_ variables that match none
}

func newChecker(file string, src []byte) *checker {
	tree, err := parser.ParseBytes(src, 0)
	if err != nil {
		tree = nil
	}
	return &checker{file: file, tree: tree}
}

func (c *checker) err() error {
	if len(c.findings) == 0 {
		return nil
	}
	return &ConfigError{File: c.file, Findings: c.findings}
}

// addf adds a finding about the key at path.
func (c *checker) addf(path, hint, format string, args ...any) {
	f := Finding{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
	f.Line, f.Column = c.position(path)
	c.findings = append(c.findings, f)
}

var lastStep = regexp.MustCompile(`(\.[^.\[\]]+|\[\d+\]|^[^.\[\]]+)$`)

// position finds the key in the file, or what is nearest above it.
func (c *checker) position(path string) (line, column int) {
	for c.tree != nil && path != "" {
		if p, err := yaml.PathString("$." + path); err == nil {
			if node, err := p.FilterFile(c.tree); err == nil && node != nil && node.GetToken() != nil {
				at := node.GetToken().Position
				return at.Line, at.Column
			}
		}
		path = lastStep.ReplaceAllString(path, "")
	}
	return 0, 0
}

// secrets reads every *_file and refuses a secret that is given twice.
func (c *checker) secrets(cfg *Config, dir string) {
	for _, f := range secretFields(cfg) {
		name := f.file.String()
		switch {
		case name == "":
		case f.value.Len() > 0:
			c.addf(f.path, "keep the _file", "is given both here and as %s_file", f.path)
		default:
			s, err := readSecret(dir, name)
			if err != nil {
				hint := "write the secret into " + name + ", readable by the daemon only"
				if errors.Is(err, errEmptySecret) {
					c.addf(f.path+"_file", hint, "%s is empty", name)
				} else {
					c.addf(f.path+"_file", hint, "%s cannot be read: %s", name, reasonOf(errors.Unwrap(err)))
				}
				continue
			}
			f.value.SetString(string(s))
		}
	}
}
