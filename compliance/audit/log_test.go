package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a log over a database file, with everything needed to open it again.
type house struct {
	db  *migrations.DB
	log *audit.Log
	dir string
	now atomic.Int64
}

func (h *house) tick() time.Time { return time.UnixMilli(h.now.Add(1)) }

var errRefused = errors.New("refused by the test")

func openHouse(tb testing.TB, dir string) *house {
	tb.Helper()
	h := &house{dir: dir}
	h.now.Store(time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC).UnixMilli())
	db, err := migrations.Open(tb.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	h.db = db
	h.log, err = audit.New(tb.Context(), h.config())
	require.NoError(tb, err)
	return h
}

func (h *house) config() audit.Config {
	return audit.Config{
		Write: h.db.Write, Read: h.db.Read, Dir: filepath.Join(h.dir, "keys"), Origin: "callctl/test",
		Now: h.tick,
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

// transact appends n entries in one transaction, which fails on demand.
func (h *house) transact(tb testing.TB, n int, fail bool) error {
	tb.Helper()
	return h.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		for i := range n {
			if _, err := tx.Append(ctx, audit.Record{Kind: "call.attempted", Subject: fmt.Sprintf("s%d", i%2)}); err != nil {
				return err
			}
		}
		if fail {
			return errRefused
		}
		return nil
	})
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
			panic("inside") //nolint:forbidigo // a bug of the caller is what is tested
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

func TestUpdateWithinUpdateIsRefused(t *testing.T) {
	h := openHouse(t, t.TempDir())
	err := h.log.Update(t.Context(), func(ctx context.Context, _ *audit.Tx) error {
		return h.log.Update(ctx, func(context.Context, *audit.Tx) error { return nil })
	})
	require.ErrorIs(t, err, audit.ErrNested)
	h.fill(t, 1)
	require.NoError(t, h.log.Update(t.Context(), func(_ context.Context, tx *audit.Tx) error {
		tx.OnCommit(func() { h.fill(t, 1) }) // the writer is free again
		return nil
	}))
	require.Equal(t, int64(2), h.log.Size())
}

func TestRefusedRecordsLeaveTheTransactionUsable(t *testing.T) {
	h := openHouse(t, t.TempDir())
	require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		for _, r := range []audit.Record{
			{Kind: ""},
			{Kind: "Call attempted"},
			{Kind: "call.attempted", Subject: "+6591234567"},
			{Kind: "call.attempted", Subject: "-"},
			{Kind: "call.attempted", Payload: func() {}},
			{Kind: "call.attempted", Payload: make([]byte, 4<<20)},
		} {
			_, err := tx.Append(ctx, r)
			require.ErrorIs(t, err, audit.ErrRecord)
		}
		_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted"})
		return err
	}))
	require.Equal(t, int64(1), h.log.Size())
}

// An append that half happened may not be committed, even when its caller looks
// away.
func TestFailedAppendFailsTheUpdate(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.fill(t, 2)
	err := h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO audit_entries (idx, at_ms, kind, subject, subject_seq, leaf) VALUES (2, 0, '', '', 0, '')")
		require.NoError(t, err)
		_, err = tx.Append(ctx, audit.Record{Kind: "call.attempted"})
		require.Error(t, err)
		return nil
	})
	require.Error(t, err)
	require.Equal(t, int64(2), h.log.Size())
	h.fill(t, 3)
	_, err = audit.VerifyDatabase(t.Context(), h.db.Read, audit.Verification{Dir: h.config().Dir})
	require.NoError(t, err)
}

func TestCancellationBoundsTheWaitNotTheTransaction(t *testing.T) {
	h := openHouse(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, h.log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		cancel()
		_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted"})
		return err
	}))
	require.Equal(t, int64(1), h.log.Size())
	called := false
	err := h.log.Update(ctx, func(context.Context, *audit.Tx) error { called = true; return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, called)
}

func TestEntriesSelects(t *testing.T) {
	h := openHouse(t, t.TempDir())
	for i := range 30 {
		h.append(t, audit.Record{Kind: []string{"call.attempted", "call.settled"}[i%2], Subject: fmt.Sprintf("s%d", i%3), Payload: i})
	}
	for _, c := range []struct {
		q    audit.Query
		want []int64
	}{
		{audit.Query{After: 27}, []int64{28, 29}},
		{audit.Query{After: -1, Limit: 2}, []int64{0, 1}},
		{audit.Query{After: 20, Subject: "s1"}, []int64{22, 25, 28}},
		{audit.Query{After: 25, Kind: "call.settled"}, []int64{27, 29}},
		{audit.Query{After: 3, Subject: "s0", Kind: "call.settled", Limit: 2}, []int64{9, 15}},
		{audit.Query{After: 29}, nil},
	} {
		entries, err := h.log.Entries(t.Context(), c.q)
		require.NoError(t, err)
		var got []int64
		for _, e := range entries {
			got = append(got, e.Index)
			require.JSONEq(t, strconv.FormatInt(e.Index, 10), string(e.Payload))
			require.Equal(t, e.Index/3+1, e.SubjectSeq)
		}
		require.Equal(t, c.want, got)
	}
}

func TestConcurrentUpdatesAreOneSequence(t *testing.T) {
	h := openHouse(t, t.TempDir())
	const writers, each = 8, 20
	var group errgroup.Group
	var waited atomic.Int64
	group.Go(func() error {
		for after := int64(-1); after < writers*each-1; after++ {
			if err := h.log.Wait(t.Context(), after); err != nil {
				return err
			}
			entries, err := h.log.Entries(t.Context(), audit.Query{After: after, Limit: 1})
			if err != nil || len(entries) != 1 || entries[0].Index != after+1 {
				return fmt.Errorf("after %d: %d entries: %w", after, len(entries), errors.Join(err, errRefused))
			}
			waited.Add(1)
		}
		return nil
	})
	for range writers {
		group.Go(func() error {
			for range each {
				if err := h.transact(t, 1, false); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, int64(writers*each), waited.Load())
	v, err := audit.VerifyDatabase(t.Context(), h.db.Read, audit.Verification{Dir: h.config().Dir})
	require.NoError(t, err)
	require.Equal(t, int64(writers*each), v.Entries)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	h := openHouse(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.log.Wait(ctx, -1), context.DeadlineExceeded)
}

// A payload is in the database only in sealed form, and the keys are private.
func TestNothingPersonalLiesOpen(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.append(t, audit.Record{Kind: "message.received", Subject: "s1", Payload: map[string]string{"from": "+6591234567", "text": "stop calls"}})
	_, err := h.log.Checkpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, h.db.Close())
	require.NoError(t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(b), "6591234567", path)
		require.NotContains(t, string(b), "stop calls", path)
		st, err := d.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), st.Mode().Perm(), path)
		return nil
	}))
}
