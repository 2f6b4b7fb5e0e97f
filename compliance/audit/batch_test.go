package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
)

// act is what one Update of a plan does after it has written.
type act int

const (
	succeeds act = iota
	fails
	panics
	isCancelled // while it waits or at work
	swallows    // an error of the database, and goes on
	breaksRule  // fails by a constraint
)

// deed is one Update of a plan.
type deed struct {
	Act     act
	Entries int
	Ahead   bool
}

// told is what the callers of a plan's Updates were told.
type told struct {
	sync.Mutex
	stored  map[string]bool // acknowledged
	refused map[string]bool
	hooks   map[string]int
}

// Of Updates that share transactions, whatever each of them does, those that were
// acknowledged are there with all they wrote, and of the others nothing is.
func TestSharedTransactionsKeepWhatWasAcknowledgedAndNothingElse(t *testing.T) {
	h := openHouse(t, t.TempDir())
	_, err := h.db.Write.ExecContext(t.Context(), "CREATE TABLE marks (id TEXT PRIMARY KEY, entry INTEGER NOT NULL)")
	require.NoError(t, err)
	round, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		all := &told{stored: map[string]bool{}, refused: map[string]bool{}, hooks: map[string]int{}}
		first := h.log.Size()
		plan := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) deed {
			return deed{
				Act:     act(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4, 5}).Draw(rt, "act")),
				Entries: rapid.IntRange(0, 3).Draw(rt, "entries"),
				Ahead:   rapid.Bool().Draw(rt, "ahead"),
			}
		}), 1, 4), 1, 12).Draw(rt, "plan")
		var wg sync.WaitGroup
		for w, deeds := range plan {
			wg.Go(func() {
				for i, d := range deeds {
					h.do(t, all, fmt.Sprintf("r%d-w%d-%d", round, w, i), d)
				}
			})
		}
		wg.Wait()
		h.holds(rt, all, round, first)
		refused += len(all.refused)
	})
	audittest.Check(t, h.db.Read, h.config().Dir)
	require.Positive(t, refused)
}

// do runs one Update and notes what its caller was told.
func (h *house) do(t *testing.T, all *told, id string, d deed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if d.Ahead {
		ctx = audit.Ahead(ctx)
	}
	if d.Act == isCancelled {
		time.AfterFunc(time.Duration(d.Entries)*200*time.Microsecond, cancel)
	}
	acknowledged := false
	defer func() {
		if recover() != nil && d.Act != panics {
			t.Errorf("%s panicked", id)
		}
		all.Lock()
		defer all.Unlock()
		if acknowledged {
			all.stored[id] = true
		} else {
			all.refused[id] = true
		}
	}()
	err := h.log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		tx.OnCommit(func() {
			all.Lock()
			defer all.Unlock()
			all.hooks[id]++
		})
		return write(ctx, tx, id, d)
	})
	acknowledged = err == nil
	if may := d.Act == succeeds || d.Act == swallows || d.Act == isCancelled; !may && err == nil || d.Act <= succeeds && err != nil {
		t.Errorf("%s (%d): %v", id, d.Act, err)
	}
}

func write(ctx context.Context, tx *audit.Tx, id string, d deed) error {
	for i := range d.Entries + 1 {
		if _, err := tx.ExecContext(ctx, "INSERT INTO marks (id, entry) VALUES (?, ?)", fmt.Sprintf("%s/%d", id, i), i); err != nil {
			return err
		}
		r := audit.Record{Kind: "mark.made", Subject: fmt.Sprintf("s%d", i), Payload: fmt.Sprintf("%s/%d", id, i)}
		if _, err := tx.Append(ctx, r); err != nil {
			return err
		}
	}
	again := func() error {
		_, err := tx.ExecContext(ctx, "INSERT INTO marks (id, entry) VALUES (?, 0)", id+"/0")
		return err
	}
	switch d.Act {
	case fails:
		return errRefused
	case panics:
		panic(id) //nolint:forbidigo // a bug of the caller is what is tested
	case breaksRule:
		return again()
	case swallows:
		if again() == nil {
			return errRefused
		}
	case succeeds, isCancelled:
	}
	return nil
}

// holds compares what a round has stored, from entry first on, with what was told.
func (h *house) holds(t require.TestingT, all *told, round int, first int64) {
	ctx := context.Background()
	rows, err := h.db.Read.QueryContext(ctx, "SELECT id FROM marks WHERE id LIKE ?", fmt.Sprintf("r%d-%%", round))
	require.NoError(t, err)
	defer rows.Close()
	marks := map[string]bool{}
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		marks[id] = true
	}
	require.NoError(t, rows.Err())
	entries, err := h.log.Entries(ctx, audit.Query{After: first - 1, Limit: 1 << 20})
	require.NoError(t, err)
	require.Len(t, entries, len(marks), "state and entries are committed together")
	before, of := time.Time{}, map[string]bool{}
	for i, e := range entries {
		require.Equal(t, first+int64(i), e.Index)
		require.False(t, e.Time.Before(before), "time goes back at %d", i)
		before = e.Time
		var mark string
		require.NoError(t, json.Unmarshal(e.Payload, &mark))
		require.True(t, marks[mark], mark)
		of[mark[:len(mark)-2]] = true
	}
	require.Equal(t, all.stored, of)
	for id := range all.stored {
		require.Equal(t, 1, all.hooks[id], id)
	}
	require.Len(t, all.hooks, len(all.stored), "a hook ran without a commit")
}

// together runs updates that share one transaction: they come while the writer is
// held, in order.
func together(t *testing.T, h *house, updates ...func(ctx context.Context, tx *audit.Tx) error) []error {
	t.Helper()
	h.log.ShareFor(time.Minute) // also on a slow machine
	held, release := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(updates))
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = h.log.Update(t.Context(), func(context.Context, *audit.Tx) error {
			close(held)
			<-release
			return errRefused // it began the transaction that is not theirs
		})
	})
	<-held
	for i, u := range updates {
		wg.Go(func() { errs[i] = h.log.Update(t.Context(), u) })
		require.Eventually(t, func() bool { return h.log.Waiting() == i+1 }, 5*time.Second, 50*time.Microsecond)
	}
	close(release)
	wg.Wait()
	return errs
}

// blob fills the database: an overflow chain of many pages in one row.
func blob(size int) func(ctx context.Context, tx *audit.Tx) error {
	return func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO audit_checkpoints (size, at_ms, note) VALUES (-1, 0, zeroblob(?))", size)
		return err
	}
}

func mark(ctx context.Context, tx *audit.Tx) error {
	_, err := tx.Append(ctx, audit.Record{Kind: "mark.made", Subject: "s1"})
	return err
}

// A full disk in the middle of a shared transaction: SQLite gives the whole of it
// up, so nobody may be told that his part is stored. There may be room later.
func TestFullDiskFailsAllThatShareTheTransaction(t *testing.T) {
	for name, big := range map[string]func(ctx context.Context, tx *audit.Tx) error{
		"reported":  blob(1 << 20),
		"swallowed": func(ctx context.Context, tx *audit.Tx) error { _ = blob(1<<20)(ctx, tx); return mark(ctx, tx) },
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t, t.TempDir())
			h.fill(t, 3)
			var pages int
			require.NoError(t, h.db.Write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
			h.limit(t, pages+60)
			for i, err := range together(t, h, mark, mark, big, mark) {
				if i == 3 && err == nil {
					continue // it came after, in a transaction of its own
				}
				var full interface{ Code() int }
				require.ErrorAs(t, err, &full, "writer %d", i)
				require.Equal(t, 13, full.Code()&0xff, "writer %d: SQLITE_FULL", i)
			}
			size := h.log.Size()
			require.LessOrEqual(t, size, int64(4))
			h.limit(t, 1<<30)
			require.NoError(t, h.log.Update(t.Context(), mark), "there is room again")
			require.Equal(t, size+1, h.log.Size())
			audittest.Check(t, h.db.Read, h.config().Dir)
		})
	}
}

// limit sets how many pages the database may have.
func (h *house) limit(t *testing.T, pages int) {
	t.Helper()
	_, err := h.db.Write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
}

// Whatever else ends the transaction under its writers fails all of them.
func TestLostTransactionFailsAllThatShareIt(t *testing.T) {
	h := openHouse(t, t.TempDir())
	for i, err := range together(t, h, mark, func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.ExecContext(ctx, "ROLLBACK")
		return err
	}) {
		require.Error(t, err, "writer %d", i)
	}
	require.NoError(t, h.log.Update(t.Context(), mark))
	require.Equal(t, int64(1), h.log.Size())
}

// The tree of a shared transaction that contradicts what is stored fails it whole.
func TestTreeConflictFailsTheTransaction(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.fill(t, 2)
	for i, err := range together(t, h, mark, func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO audit_hashes (pos, hash) VALUES (3, zeroblob(32))")
		return err
	}, mark) {
		require.Error(t, err, "writer %d", i)
	}
	require.Equal(t, int64(2), h.log.Size())
	h.fill(t, 3)
	audittest.Check(t, h.db.Read, h.config().Dir)
}

// Writers share a commit: many at once take far fewer than one each, and in the
// order in which they came.
func TestWritersComeInTheirOrder(t *testing.T) {
	h := openHouse(t, t.TempDir())
	const n = 40
	updates := make([]func(ctx context.Context, tx *audit.Tx) error, n)
	place := make([]int64, n)
	for i := range updates {
		updates[i] = func(ctx context.Context, tx *audit.Tx) (err error) {
			place[i], err = tx.Append(ctx, audit.Record{Kind: "mark.made"})
			return err
		}
	}
	for i, err := range together(t, h, updates...) {
		require.NoError(t, err)
		require.Equal(t, int64(i), place[i])
	}
}

// A clock that is set back does not let time go back within a transaction.
func TestTimeStandsWhenTheClockIsSetBack(t *testing.T) {
	h := openHouse(t, t.TempDir())
	var times []time.Time
	note := func(ctx context.Context, tx *audit.Tx) error {
		times = append(times, tx.Now())
		h.now.Add(-time.Minute.Milliseconds())
		return mark(ctx, tx)
	}
	for _, err := range together(t, h, note, note, note) {
		require.NoError(t, err)
	}
	require.Equal(t, []time.Time{times[0], times[0], times[0]}, times)
	audittest.Check(t, h.db.Read, h.config().Dir)
}

func TestEndedTransactionTakesNothing(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.fill(t, 5)
	var kept *audit.Tx
	require.NoError(t, h.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		kept = tx
		rows, err := tx.QueryContext(ctx, "SELECT idx FROM audit_entries")
		require.NoError(t, err)
		require.True(t, rows.Next())
		return nil
	}))
	_, err := kept.ExecContext(t.Context(), "DELETE FROM audit_entries")
	require.Error(t, err)
	_, err = kept.QueryContext(t.Context(), "SELECT 1")
	require.Error(t, err)
	require.Error(t, kept.QueryRowContext(t.Context(), "SELECT 1").Scan(new(int)))
	_, err = kept.Append(t.Context(), audit.Record{Kind: "mark.made"})
	require.Error(t, err)
	h.fill(t, 1)
	require.Equal(t, int64(6), h.log.Size())
}

// A writer that is cancelled at work does not interrupt a statement: the
// transaction is also that of others.
func TestStatementsOutliveTheirContext(t *testing.T) {
	h := openHouse(t, t.TempDir())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, h.log.Update(t.Context(), func(_ context.Context, tx *audit.Tx) error {
		var n int
		require.NoError(t, tx.QueryRowContext(ended, "SELECT COUNT(*) FROM audit_entries").Scan(&n))
		_, err := tx.Append(ended, audit.Record{Kind: "mark.made"})
		return err
	}))
}

func TestSnapshotIsOneView(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.fill(t, 2)
	require.NoError(t, audit.Snapshot(t.Context(), h.db.Read, func(ctx context.Context, q audit.Querier) error {
		for range 2 {
			var n int
			require.NoError(t, q.QueryRowContext(ctx, "SELECT COUNT(*) FROM audit_entries").Scan(&n))
			require.Equal(t, 2, n)
			h.append(t, audit.Record{Kind: "mark.made"})
		}
		return nil
	}))
	require.ErrorIs(t, audit.Snapshot(t.Context(), h.db.Read, func(context.Context, audit.Querier) error { return errRefused }), errRefused)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, audit.Snapshot(ended, h.db.Read, func(context.Context, audit.Querier) error { return nil }), context.Canceled)
}

// Held is told of a transaction once, whoever shares it, with the time from its
// begin to the end of its commit, and of one that fails too.
func TestHeldIsToldOfEachTransaction(t *testing.T) {
	h := openHouse(t, t.TempDir())
	c := h.config()
	var held []time.Duration
	c.Held = func(d time.Duration) { held = append(held, d) }
	var err error
	h.log, err = audit.New(t.Context(), c)
	require.NoError(t, err)
	const work = 20 * time.Millisecond
	slow := func(ctx context.Context, tx *audit.Tx) error {
		time.Sleep(work)
		_, err := tx.Append(ctx, audit.Record{Kind: "call.attempted"})
		return err
	}
	for _, err := range together(t, h, slow, slow) {
		require.NoError(t, err)
	}
	require.Len(t, held, 2, "the one that kept the writer from them, and theirs")
	require.GreaterOrEqual(t, held[1], 2*work)
	require.ErrorIs(t, h.log.Update(t.Context(), func(context.Context, *audit.Tx) error { return errRefused }), errRefused)
	require.Len(t, held, 3)
}
