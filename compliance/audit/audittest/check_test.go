package audittest_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
	"github.com/callctl/callctl/migrations"
)

// failing is a test that does not stop when it fails.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Fatalf(string, ...any) { f.failed = true }

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	defer db.Close()
	log, err := audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: dir, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.Append(ctx, audit.Record{Kind: "log.started"})
		return err
	}))
	require.Equal(t, int64(1), audittest.Check(t, db.Read, dir).Entries)
	_, err = db.Write.ExecContext(t.Context(), "UPDATE audit_entries SET kind = 'log.stopped'")
	require.NoError(t, err)
	tb := &failing{TB: t}
	audittest.Check(tb, db.Read, dir)
	require.True(t, tb.failed)
}
