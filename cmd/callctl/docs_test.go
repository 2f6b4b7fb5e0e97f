package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated pages instead of comparing them")

// TestDocs holds the pages that are made from the code to it.
func TestDocs(t *testing.T) {
	pages := map[string]func() (string, error){
		"callctl.example.yaml": func() (string, error) {
			docs, err := readComments()
			if err != nil {
				return "", err
			}
			cfg := exampleConfig()
			text, err := printConfig(&cfg, docs)
			return exampleHead + text, err
		},
		"docs/configuration.md": configManual,
		"docs/cli.md":           commandsManual,
	}
	for name, write := range pages {
		t.Run(name, func(t *testing.T) {
			want, err := write()
			require.NoError(t, err)
			path := filepath.Join("..", "..", filepath.FromSlash(name))
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
				return
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, string(got)), "run make docs")
		})
	}
}

// TestDocsEveryKeyIsExplained fails for a key whose field has no comment, and
// for a comment that does not begin with the field's name.
func TestDocsEveryKeyIsExplained(t *testing.T) {
	docs, err := readComments()
	require.NoError(t, err)
	var check func(v any)
	check = func(v any) {
		node, ok := v.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := node["properties"].(map[string]any); ok {
			for key, one := range properties {
				described, _ := one.(map[string]any)
				require.NotEmpty(t, described["description"], key)
			}
		}
		for _, below := range node {
			check(below)
		}
	}
	raw, err := configSchema()
	require.NoError(t, err)
	var schema any
	require.NoError(t, json.Unmarshal(raw, &schema))
	check(schema)
	for name, text := range docs {
		require.NotEmpty(t, text, name)
	}
}
