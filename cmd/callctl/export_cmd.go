package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// exportCmd is `callctl export`.
type exportCmd struct {
	User string `help:"The user: E.164 or BSUID." required:""`
	File string `help:"Where to write the pack; evidence-<id>.zip when left out." placeholder:"FILE" short:"f" type:"path"`
}

// export is an evidence pack, as the API describes it.
type export struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	File   string `json:"file,omitempty"` // ours: where it was written
}

var (
	errExportFailed  = errors.New("the daemon could not make the pack")
	errExportAltered = errors.New("the pack arrived with another SHA-256 than was announced")
)

// Run asks for a pack, waits for it and downloads it.
func (c exportCmd) Run(ctx context.Context, t *terminal, f *daemonFlags) error {
	api, err := f.client()
	if err != nil {
		return err
	}
	raw, err := api.call(ctx, http.MethodPost, "/v1/exports", nil, map[string]string{"user": c.User})
	if err != nil {
		return err
	}
	e, err := api.awaitExport(ctx, raw)
	if err != nil {
		return err
	}
	e.File = c.File
	if e.File == "" {
		e.File = "evidence-" + filepath.Base(e.ID) + ".zip"
	}
	if err := api.download(ctx, e); err != nil {
		return err
	}
	return t.object(e, []column{{"pack", "file"}, {"bytes", "size"}, {"SHA-256", "sha256"}, {"export", "id"}})
}

// awaitExport asks again until the export is no longer running.
func (c *client) awaitExport(ctx context.Context, raw json.RawMessage) (export, error) {
	for {
		var e export
		if err := json.Unmarshal(raw, &e); err != nil {
			return e, fmt.Errorf("the answer is no export: %w", err)
		}
		switch e.State {
		case "done":
			return e, nil
		case "failed":
			return e, fmt.Errorf("%w: %s", errExportFailed, printable(e.Error))
		}
		select {
		case <-ctx.Done():
			return e, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
		var err error
		if raw, err = c.call(ctx, http.MethodGet, "/v1/exports/"+segment(e.ID), nil, nil); err != nil {
			return e, err
		}
	}
}

// download writes the pack beside its place and moves it there once it is whole
// and is what was announced. Packs hold personal data: the file is ours alone.
func (c *client) download(ctx context.Context, e export) error {
	res, err := c.do(ctx, http.MethodGet, "/v1/exports/"+segment(e.ID)+"/content", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	part, err := os.CreateTemp(filepath.Dir(e.File), ".callctl-*.part") // mode 0600
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	defer os.Remove(part.Name())
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(part, sum), res.Body)
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	if e.SHA256 != "" && e.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return errExportAltered
	}
	if err := os.Rename(part.Name(), e.File); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return nil
}
