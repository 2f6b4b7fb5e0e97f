package audit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a log over a database file, with everything needed to open it again.
type house struct {
	db  *migrations.DB
	log *audit.Log
	dir string
	now time.Time
}

var errRefused = errors.New("refused by the test")

func openHouse(tb testing.TB, dir string) *house {
	tb.Helper()
	h := &house{dir: dir, now: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)}
	db, err := migrations.Open(context.Background(), filepath.Join(dir, "callctl.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	h.db = db
	h.log, err = audit.New(context.Background(), h.config())
	require.NoError(tb, err)
	return h
}

func (h *house) config() audit.Config {
	return audit.Config{
		Write: h.db.Write, Read: h.db.Read, Dir: filepath.Join(h.dir, "keys"), Origin: "callctl/test",
		Now: func() time.Time { h.now = h.now.Add(time.Millisecond); return h.now },
	}
}

func (h *house) append(tb testing.TB, records ...audit.Record) {
	tb.Helper()
	for _, r := range records {
		require.NoError(tb, h.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.Append(ctx, r)
			return err
		}))
	}
}

func (h *house) fill(tb testing.TB, n int) {
	tb.Helper()
	for i := range n {
		r := audit.Record{Kind: "permission.granted", Subject: fmt.Sprintf("s%d", i%3), Payload: map[string]any{"n": i}}
		if i%5 == 0 {
			r.Subject = ""
		}
		h.append(tb, r)
	}
}

func TestUpdateCommitsStateAndEntriesTogether(t *testing.T) {
	h := openHouse(t, t.TempDir())
	var order []string
	err := h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		first, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: "s1", Payload: map[string]string{"callId": "c1"}})
		require.NoError(t, err)
		second, err := tx.Append(ctx, audit.Record{Kind: "call.settled", Subject: "s1", Payload: nil})
		require.NoError(t, err)
		require.Equal(t, int64(0), first)
		require.Equal(t, int64(1), second)
		tx.OnCommit(func() { order = append(order, "first") })
		tx.OnCommit(func() { order = append(order, "second") })
		require.Equal(t, tx.Now(), tx.Now().Truncate(time.Millisecond))
		require.Empty(t, order)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second"}, order)

	entries, err := h.log.Entries(t.Context(), audit.Query{After: -1})
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.JSONEq(t, `{"callId":"c1"}`, string(entries[0].Payload))
	require.Equal(t, int64(1), entries[0].SubjectSeq)
	require.Equal(t, int64(2), entries[1].SubjectSeq)
	leaf, err := audit.ParseLeaf(entries[1].Leaf)
	require.NoError(t, err)
	require.Equal(t, int64(0), leaf.Prev)
	require.NoError(t, leaf.VerifyPayload(entries[1].Salt, entries[1].Payload))
	require.Equal(t, leaf.Hash(), entries[1].LeafHash)
}

func TestUpdateLeavesNothingBehindOnFailure(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.fill(t, 3)
	hook := func() { t.Error("a hook ran without a commit") }
	err := h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: "gone"})
		require.NoError(t, err)
		tx.OnCommit(hook)
		return errRefused
	})
	require.ErrorIs(t, err, errRefused)
	require.Panics(t, func() {
		_ = h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: "gone"})
			require.NoError(t, err)
			tx.OnCommit(hook)
			panic("inside")
		})
	})
	require.Equal(t, int64(3), h.log.Size())
	h.append(t, audit.Record{Kind: "call.attempted", Subject: "gone"})
	entries, err := h.log.Entries(t.Context(), audit.Query{After: -1, Subject: "gone"})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, int64(3), entries[0].Index)
	require.Equal(t, int64(1), entries[0].SubjectSeq)
}
