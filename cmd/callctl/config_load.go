package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// LoadConfig reads the configuration file, lays the environment over it, reads
// every secret from its file and checks the whole. Paths come back resolved
// against the file's folder. Any fault is a *[ConfigError] with all findings.
func LoadConfig(path string, env []string) (Config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return Config{}, &ConfigError{File: path, Findings: []Finding{{
			Message: "cannot be read: " + reasonOf(err),
			Hint:    "start from callctl.example.yaml",
		}}}
	}
	return parseConfig(path, src, env)
}

func parseConfig(path string, src []byte, env []string) (Config, error) {
	cfg, err := decodeConfig(path, src)
	if err != nil {
		return Config{}, err
	}
	c := newChecker(path, src)
	overlayEnv(&cfg, env, c)
	for i := range cfg.Accounts {
		cfg.Accounts[i].setDefaults()
	}
	for i := range cfg.Trunks {
		if len(cfg.Trunks[i].Codecs) == 0 {
			cfg.Trunks[i].Codecs = defaultCodecs()
		}
	}
	dir := filepath.Dir(path)
	c.secrets(&cfg, dir)
	cfg.Rules.resolve(dir)
	c.config(&cfg)
	cfg.DataDir = resolvePath(dir, cfg.DataDir)
	if err := c.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// decodeConfig decodes strictly: an unknown or repeated key is an error.
func decodeConfig(path string, src []byte) (Config, error) {
	cfg := defaultConfig()
	dec := yaml.NewDecoder(bytes.NewReader(src), yaml.Strict())
	if err := dec.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, syntaxError(path, src, err)
	}
	var more any
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return Config{}, &ConfigError{File: path, Findings: []Finding{{
			Message: "holds more than one YAML document",
			Hint:    "remove the line with three hyphens and what follows it",
		}}}
	}
	return cfg, nil
}

// syntaxError keeps the parser's position and excerpt, with secrets blanked out
// of the quoted lines.
func syntaxError(path string, src []byte, err error) *ConfigError {
	f := Finding{Message: err.Error(), Hint: "`callctl config print --commented` shows every key"}
	if at, ok := errors.AsType[yaml.Error](err); ok {
		f.Message = at.GetMessage()
		if t := at.GetToken(); t != nil && t.Position != nil {
			f.Line, f.Column = t.Position.Line, t.Position.Column
		}
		f.Excerpt = excerpt(src, f.Line)
	}
	return &ConfigError{File: path, Findings: []Finding{f}}
}

// inlineSecret finds a secret key with its value on the same line.
var inlineSecret = regexp.MustCompile(`\b(token|key|app_secret|verify_token|authorization|password)("?\s*:\s*)("[^"]*"|'[^']*'|[^,}#\n]+)`)

// excerpt quotes the lines around a fault. A secret may be spread over lines, so
// nothing is quoted when one is written as a block.
func excerpt(src []byte, line int) string {
	if line < 1 || regexp.MustCompile(`(token|key|app_secret|verify_token|authorization|password)"?\s*:\s*[|>]`).Match(src) {
		return ""
	}
	lines := strings.Split(inlineSecret.ReplaceAllString(string(src), "${1}${2}"+redacted), "\n")
	var b strings.Builder
	for n := max(1, line-2); n <= min(len(lines), line+1); n++ {
		mark := " "
		if n == line {
			mark = ">"
		}
		fmt.Fprintf(&b, "%s %3d | %s\n", mark, n, strings.TrimRight(lines[n-1], "\r"))
	}
	return b.String()
}

// reasonOf is an error's last words: without the path, which the reader knows.
func reasonOf(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}
