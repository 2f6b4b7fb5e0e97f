package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

// auditVerifyCmd is `callctl audit verify`.
type auditVerifyCmd struct {
	Database   string   `arg:"" help:"Database file." type:"path"`
	Keys       string   `help:"Folder of the log's keys and anchor; the folder audit beside the database when that is there." placeholder:"DIR" type:"path"`
	Key        string   `help:"Verifier key of the log, got from where it can be trusted; instead of the one in the folder of keys."`
	Checkpoint []string `help:"File with a signed checkpoint that left the machine; repeat. They show what a rewritten database hides." placeholder:"FILE" type:"path"`
}

// databaseVerified is what `audit verify` prints.
type databaseVerified struct {
	audit.Verified

	Root string `json:"root"`
}

// Run re-reads every entry; what does not hold is named, and the command exits 1.
func (c auditVerifyCmd) Run(ctx context.Context, t *terminal) error {
	v := audit.Verification{VerifierKey: c.Key, Dir: c.keys()}
	if v.Dir == "" && v.VerifierKey == "" {
		return withHint(usagef("the log's key is not known"), "give the folder of its keys with --keys, or the verifier key with --key")
	}
	for _, name := range c.Checkpoint {
		b, err := os.ReadFile(name)
		if err != nil {
			return usagef("%s: %s", name, reasonOf(err))
		}
		v.Checkpoints = append(v.Checkpoints, b)
	}
	if _, err := os.Stat(c.Database); err != nil {
		return usagef("%s: %s", c.Database, reasonOf(err))
	}
	db, err := migrations.OpenReadOnly(ctx, c.Database)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Database, err)
	}
	defer db.Close()
	found, err := audit.VerifyDatabase(ctx, db.Read, v)
	if errors.Is(err, audit.ErrTampered) {
		return withHint(fmt.Errorf("%s: does not hold: %w", c.Database, err), "keep this file as it is: it is evidence itself")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Database, err)
	}
	out := databaseVerified{Verified: found, Root: base64.StdEncoding.EncodeToString(found.Root[:])}
	return t.object(out, []column{
		{"entries", "entries"},
		{"payloads opened", "payloads"},
		{"erased", "erased"},
		{"people", "subjects"},
		{"checkpoints", "checkpoints"},
		{"anchored entries", "anchored"},
		{"root", "root"},
	})
}

// keys is the folder of keys that was named, or the one beside the database.
func (c auditVerifyCmd) keys() string {
	if c.Keys != "" {
		return c.Keys
	}
	beside := filepath.Join(filepath.Dir(c.Database), "audit")
	if stat, err := os.Stat(beside); err == nil && stat.IsDir() {
		return beside
	}
	return ""
}
