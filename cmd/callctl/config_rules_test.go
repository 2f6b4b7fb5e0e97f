package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
)

const rulesSection = `
rules:
  packs: [ acme.yaml, acme-2027.json ]
  words: [ words.json ]
  locations:
    - { name: kramatorsk, number: "+380626412345", region: UA, source: "our contract of 2026-03-01" }
`

// companyRules are the files that rulesSection names.
func companyRules() map[string]string {
	return map[string]string{
		"acme.yaml": "name: acme\nversion: \"2026-01-01\"\nvalid_from: \"2026-01-01\"\nbase: meta\n" +
			"grant: { max_age: 72h }\nhours: null\nsources: { grant.max_age: our policy, hours: our policy }\n",
		"acme-2027.json": `{"name": "acme", "version": "2027-01-01", "valid_from": "2027-01-01", "base": "meta",
			"grant": {"max_age": "48h"}, "sources": {"grant.max_age": "our policy"}}`,
		"words.json": "{}",
	}
}

func writeRules(t *testing.T, text string, files map[string]string) string {
	t.Helper()
	path := write(t, text)
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(content), 0o600))
	}
	return path
}

func TestCompanyRules(t *testing.T) {
	files := companyRules()
	shipped := string(mustRead(t, filepath.Join("..", "..", "permissions", "words", "optout.json")))
	files["words.json"] = strings.Replace(shipped, `"name": "optout"`, `"name": "acme"`, 1)
	text := strings.Replace(goodConfig, "provider: meta", "provider: meta\n    rules: acme\n    brand: acme", 1) + rulesSection
	path := writeRules(t, text, files)
	cfg, err := LoadConfig(path, nil)
	require.NoError(t, err)
	require.Equal(t, "acme", cfg.Accounts[0].Rules)
	require.Equal(t, filepath.Join(filepath.Dir(path), "acme.yaml"), cfg.Rules.Packs[0], "relative to the file")
	require.Equal(t, []geo.Override{{Number: "+380626412345", Region: "UA", Source: "our contract of 2026-03-01"}}, cfg.Rules.overrides())
}

func TestCompanyRulesFaults(t *testing.T) {
	for name, c := range map[string]struct {
		old, with string // in the configuration
		file      string // altered
		text      string
		want      []string
	}{
		"pack gone":      {"acme.yaml", "gone.yaml", "", "", []string{"rules.packs[0]: cannot be read: no such file"}},
		"pack no YAML":   {"", "", "acme.yaml", "[", []string{"rules.packs[0]: is not YAML"}},
		"pack empty":     {"", "", "acme.yaml", "", []string{"rules.packs[0]: is empty"}},
		"two in one":     {"", "", "acme.yaml", "name: a\n---\nname: b\n", []string{"rules.packs[0]: holds more than one document"}},
		"pack no base":   {"", "", "acme.yaml", "name: acme\nversion: \"1\"\nvalid_from: \"2026-01-01\"\n", []string{"rules.packs: "}},
		"unknown key":    {"", "", "acme.yaml", "name: acme\nversion: \"1\"\nvalid_from: \"2026-01-01\"\nbase: meta\nhour: null\n", []string{"rules.packs: ", "hour"}},
		"one that ships": {"", "", "acme.yaml", "name: meta\nversion: \"1\"\nvalid_from: \"2026-01-01\"\nbase: meta\n", []string{"rules.packs: ", "meta"}},
		"words gone":     {"words.json", "gone.json", "", "", []string{"rules.words[0]: cannot be read"}},
		"words":          {"", "", "words.json", `{"words": 1}`, []string{"rules.words: "}},
		"number":         {"+380626412345", "+12", "", "", []string{"rules.locations[0].number: is not a phone number"}},
		"region":         {"region: UA,", "region: Ukraine,", "", "", []string{"rules.locations: "}},
		"no source":      {`"our contract of 2026-03-01"`, `""`, "", "", []string{"rules.locations[0].source: is missing"}},
		"pack not there": {"packs: [ acme.yaml, acme-2027.json ]", "packs: []", "", "", []string{`accounts[0].rules: "acme" is not known`, "8x8-strict, meta, meta-sandbox"}},
		"brand":          {"brand: acme", "brand: Acme Ltd", "", "", []string{"accounts[0].brand"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := companyRules()
			files["words.json"] = string(mustRead(t, filepath.Join("..", "..", "permissions", "words", "optout.json")))
			if c.file != "" {
				files[c.file] = c.text
			}
			text := strings.Replace(goodConfig, "provider: meta", "provider: meta\n    rules: acme\n    brand: acme", 1) + rulesSection
			if c.old != "" {
				require.Contains(t, text, c.old)
				text = strings.ReplaceAll(text, c.old, c.with)
			}
			_, err := LoadConfig(writeRules(t, text, files), nil)
			var wrong *ConfigError
			require.ErrorAs(t, err, &wrong)
			for _, want := range c.want {
				require.Contains(t, err.Error(), want)
			}
		})
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}
