package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/callctl/callctl/permissions"
)

// configPacksCmd is `callctl config packs`.
type configPacksCmd struct {
	Pack   string `arg:"" help:"Print this pack whole, as name or name@version; all are listed without it." optional:""`
	Config string `env:"CALLCTL_CONFIG" help:"Configuration file, for the company's own packs." placeholder:"FILE" short:"c" type:"path"`
}

var errNoPack = errors.New("there is no such rule pack")

func packColumns() []column {
	return []column{
		{"name", "name"},
		{"version", "version"},
		{"from", "validFrom"},
		{"until", "validTo"},
		{"base", "base"},
		{"shipped", "shipped"},
	}
}

// Run lists the rule packs with their dates, or prints one whole: the keys of its
// base included, as decisions use them.
func (c configPacksCmd) Run(_ context.Context, t *terminal) error {
	var own []json.RawMessage
	if c.Config != "" {
		cfg, err := LoadConfig(c.Config, t.Env)
		if err != nil {
			return err
		}
		if own, err = readDocuments(cfg.Rules.Packs); err != nil {
			return err
		}
	}
	packs, err := permissions.Packs(own...)
	if err != nil {
		return fmt.Errorf("rule packs: %w", err)
	}
	if c.Pack != "" {
		return c.print(t, packs)
	}
	rows := make([]json.RawMessage, 0, len(packs))
	for _, p := range packs {
		row, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("rule pack %s: %w", p.Name, err)
		}
		rows = append(rows, row)
	}
	return t.list(rows, packColumns())
}

// print writes the versions that the argument names, one document after another.
func (c configPacksCmd) print(t *terminal, packs []permissions.PackSummary) error {
	name, version, _ := strings.Cut(c.Pack, "@")
	found := false
	for _, p := range packs {
		if p.Name != name || version != "" && p.Version != version {
			continue
		}
		found = true
		if err := t.write(append(p.Document, '\n')); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: %s", errNoPack, c.Pack)
	}
	return nil
}
