package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// RulesConfig names the company's own rules, beside those that ship with callctl.
type RulesConfig struct {
	// Packs are files with rule packs of the company, YAML or JSON, one pack a file:
	// each names the pack that it begins from and the keys that it changes. An
	// account uses one by its name. docs/rule-packs.md says what a pack can hold.
	Packs []string `yaml:"packs,omitempty"`
	// Words are files with opt-out words of the company, YAML or JSON, beside those
	// that ship.
	Words []string `yaml:"words,omitempty"`
	// Locations say where numbers are, against their prefix: sanctions follow the
	// person, a prefix only hints at where they are.
	Locations []LocationConfig `yaml:"locations,omitempty"`
}

// LocationConfig says where one number is.
type LocationConfig struct {
	// Name names the line.
	Name string `yaml:"name"`
	// Number is the number, E.164 with its plus, in quotes.
	Number geo.E164 `yaml:"number"`
	// Region is where it is: a country (ISO 3166-1, such as UA) or a territory (ISO
	// 3166-2, such as UA-43).
	Region string `yaml:"region"`
	// Source says who knows it and how; decisions cite it.
	Source string `yaml:"source"`
}

// overrides are the locations as the geographic rules take them.
func (r *RulesConfig) overrides() []geo.Override {
	out := make([]geo.Override, 0, len(r.Locations))
	for _, l := range r.Locations {
		out = append(out, geo.Override{Number: l.Number, Region: l.Region, Source: l.Source})
	}
	return out
}

// resolve makes the paths absolute to dir, the folder of the configuration file.
func (r *RulesConfig) resolve(dir string) {
	for _, list := range [][]string{r.Packs, r.Words} {
		for i := range list {
			list[i] = resolvePath(dir, list[i])
		}
	}
}

var (
	errNoDocument    = errors.New("is empty")
	errManyDocuments = errors.New("holds more than one document: one pack a file")
)

// readDocument reads a YAML or JSON file as JSON.
func readDocument(path string) (json.RawMessage, error) {
	src, err := os.ReadFile(path) //nolint:gosec // the operator's own configuration names the file
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %s", reasonOf(err)) //nolint:err113 // a finding for a person, not a case for code
	}
	if filepath.Ext(path) == ".json" {
		return src, nil
	}
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		return nil, fmt.Errorf("is not YAML: %w", err)
	}
	if len(file.Docs) > 1 {
		return nil, errManyDocuments
	}
	doc, err := yaml.YAMLToJSON(src)
	if err != nil {
		return nil, fmt.Errorf("is not YAML: %w", err)
	}
	if len(doc) == 0 || string(doc) == "null\n" {
		return nil, errNoDocument
	}
	return doc, nil
}

// readDocuments reads the files of one kind of rule.
func readDocuments(paths []string) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, 0, len(paths))
	for _, path := range paths {
		doc, err := readDocument(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, doc)
	}
	return out, nil
}

// rules checks the company's own rules and that every account names a pack that
// exists.
func (c *checker) rules(cfg *Config) {
	packs, packsGood := c.documents("rules.packs", "docs/rule-packs.md shows one", cfg.Rules.Packs)
	words, wordsGood := c.documents("rules.words", hintWords, cfg.Rules.Words)
	seen := map[string]bool{}
	for i := range cfg.Rules.Locations {
		c.location("rules.locations["+strconv.Itoa(i)+"]", &cfg.Rules.Locations[i], seen)
	}
	if _, err := geo.Load(cfg.Rules.overrides()...); err != nil && len(c.findings) == 0 {
		c.addf("rules.locations", "docs/rule-packs.md says what a location is", "%s", err)
	}
	if wordsGood {
		if _, err := permissions.LoadWords(words...); err != nil {
			c.addf("rules.words", hintWords, "%s", err)
		}
	}
	if packsGood {
		c.packs(cfg, packs)
	}
}

const hintWords = "docs/permissions.md shows a document of words"

// documents reads the files of one kind of rule; good is false when one cannot be
// read, which is a finding of its own.
func (c *checker) documents(at, hint string, paths []string) (docs []json.RawMessage, good bool) {
	good = true
	for i, path := range paths {
		doc, err := readDocument(path)
		if err != nil {
			c.addf(at+"["+strconv.Itoa(i)+"]", hint, "%s", err)
			good = false
		}
		docs = append(docs, doc)
	}
	return docs, good
}

func (c *checker) location(at string, l *LocationConfig, seen map[string]bool) {
	c.name(at+".name", l.Name, seen)
	number, err := geo.Parse(string(l.Number))
	if err != nil {
		c.addf(at+".number", "E.164 in quotes, such as \"+380621234567\"", "is not a phone number")
	} else {
		l.Number = number
	}
	c.required(at+".region", l.Region)
	c.required(at+".source", l.Source)
}

// packs lets the ledger read the packs, so that a fault is found before the
// daemon starts, and checks the accounts' choice.
func (c *checker) packs(cfg *Config, docs []json.RawMessage) {
	names, err := permissions.PackNames(docs...)
	if err != nil {
		c.addf("rules.packs", "docs/rule-packs.md says what a pack can hold", "%s", err)
		return
	}
	for i := range cfg.Accounts {
		c.oneOf("accounts["+strconv.Itoa(i)+"].rules", cfg.Accounts[i].Rules, names...)
	}
}
