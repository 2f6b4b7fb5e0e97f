package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

type dncImportCmd struct {
	File   string `arg:"" help:"CSV file with a header: user, and where there are reason, since, scope; - for standard input." type:"existingfile"`
	Reason string `help:"Why, for the lines that give no reason of their own; it stands in the audit." required:""`
	DryRun bool   `help:"Check every line and apply none."`
	NoWait bool   `help:"Do not wait until a long list is applied."`
}

func importColumns() []column {
	return []column{
		{"import", "id"},
		{"state", "state"},
		{"dry run", "dryRun"},
		{"rows", "rows"},
		{"added", "added"},
		{"already on the list", "already"},
		{"repeated", "repeated"},
		{"faults", "faults"},
		{"SHA-256", "sha256"},
	}
}

func faultColumns() []column {
	return []column{{"line", "line"}, {"column", "column"}, {"reason", "reason"}, {"hint", "hint"}}
}

// importReport is what became of a list, as the API describes it.
type importReport struct {
	ID     string            `json:"id"`
	State  string            `json:"state"`
	Errors []json.RawMessage `json:"errors"`
}

// Run takes the list in. With a line that cannot be read nothing is applied, every
// fault is shown and the command exits 1.
func (c dncImportCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	list, err := c.read()
	if err != nil {
		return usagef("the list: %s", reasonOf(err))
	}
	query := url.Values{"reason": {c.Reason}}
	if c.DryRun {
		query.Set("dryRun", "true")
	}
	raw, err := api.call(ctx, http.MethodPost, "/v1/dnc/imports", query, content{kind: "text/csv", body: list})
	if refused, ok := errors.AsType[*refusal](err); ok && refused.Import != nil {
		if err := showImport(t, refused.Import); err != nil {
			return err
		}
		t.note("refused: %s: %s", printable(refused.Reason), printable(refused.Detail))
		return errQuiet
	}
	if err != nil {
		return err
	}
	if !c.NoWait {
		if raw, err = api.awaitImport(ctx, raw); err != nil {
			return err
		}
	}
	return showImport(t, raw)
}

func (c dncImportCmd) read() ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(os.Stdin) //nolint:wrapcheck // the caller says what it is
	}
	return os.ReadFile(c.File)
}

// awaitImport asks again until the list is applied.
func (c *client) awaitImport(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
	for {
		var r importReport
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("the answer is no import: %w", err)
		}
		if r.State != "applying" {
			return raw, nil
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
		var err error
		if raw, err = c.call(ctx, http.MethodGet, "/v1/dnc/imports/"+segment(r.ID), nil, nil); err != nil {
			return nil, err
		}
	}
}

// showImport prints a report and, as a table, its faults.
func showImport(t *terminal, raw json.RawMessage) error {
	if err := t.object(raw, importColumns()); err != nil || t.Format != formatTable {
		return err
	}
	var r importReport
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("the answer is no import: %w", err)
	}
	return t.section("", r.Errors, faultColumns())
}
