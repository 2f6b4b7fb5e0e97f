package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/callctl/callctl/compliance"
)

// verifyCmd is `callctl verify`.
type verifyCmd struct {
	Pack string `arg:"" help:"Evidence pack, a zip." type:"path"`
	Key  string `help:"Verifier key of the log, got from somewhere else than the pack; without it the pack's own is used, which shows that the pack is whole but not whose it is."`
}

// Run verifies the pack; what does not hold is named, and the command exits 1.
func (c verifyCmd) Run(_ context.Context, t *terminal) error {
	f, err := os.Open(c.Pack)
	if err != nil {
		return usagef("%s: %s", c.Pack, reasonOf(err))
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return usagef("%s: %s", c.Pack, reasonOf(err))
	}
	result, err := compliance.Verify(f, stat.Size(), c.Key)
	fault, altered := errors.AsType[*compliance.VerifyError](err)
	switch {
	case altered:
		return withHint(fmt.Errorf("%s: %w", c.Pack, &packError{fault}), "the pack is not what the log signed: ask for it again from the one who keeps the log")
	case err != nil:
		return fmt.Errorf("%s: %w", c.Pack, err)
	}
	if t.Format == formatTable {
		return t.write([]byte("verified: " + c.Pack + "\n" + strings.Join(result.Summary, "\n") + "\n"))
	}
	return t.object(result, []column{
		{"entries", "entries"},
		{"tree size", "treeSize"},
		{"origin", "origin"},
		{"key", "keyHash"},
		{"signed at", "signedAt"},
		{"first", "firstTime"},
		{"last", "lastTime"},
	})
}

// packError says where a pack does not hold.
type packError struct{ fault *compliance.VerifyError }

// Error implements error.
func (e *packError) Error() string {
	where := ""
	if e.fault.File != "" {
		where += ": " + printable(e.fault.File)
	}
	if e.fault.Entry >= 0 {
		where += fmt.Sprintf(": entry %d", e.fault.Entry)
	}
	return "does not hold" + where + ": " + printable(e.fault.Why)
}

// Unwrap gives the fault itself.
func (e *packError) Unwrap() error { return e.fault }
