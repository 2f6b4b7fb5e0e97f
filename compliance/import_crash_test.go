package compliance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/compliance/audit/audittest"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
)

// fragile is a ledger that fails from the n-th listing on.
type fragile struct {
	ImportLedger

	left int
}

var errFragile = errors.New("the disk is full")

func (f *fragile) ImportTx(ctx context.Context, tx *audit.Tx, x permissions.Listing) (bool, error) {
	if f.left--; f.left < 0 {
		return false, errFragile
	}
	return f.ImportLedger.ImportTx(ctx, tx, x)
}

// run runs an importer until the test ends or stop is called.
func run(tb testing.TB, i *Importer) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	tb.Cleanup(stop)
	return stop
}

func (d *importDesk) requireApplied(tb testing.TB, id string, added int) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		r, err := d.importer.Get(tb.Context(), id)
		return err == nil && r.State == ImportApplied
	}, 30*time.Second, 5*time.Millisecond)
	r, err := d.importer.Get(tb.Context(), id)
	require.NoError(tb, err)
	require.Equal(tb, added, r.Added)
	require.Zero(tb, r.Already)
	require.Len(tb, d.listed(tb), added)
	require.Len(tb, d.entries(tb, "dnc.added"), added, "each once")
	require.Len(tb, d.entries(tb, kindImportStarted), 1)
	require.Len(tb, d.entries(tb, kindImportApplied), 1)
	require.Zero(tb, d.count(tb, "SELECT COUNT(*) FROM import_chunks"))
}

// Whatever stops an import on its way, it is continued where it was.
func TestInterruptedImportIsFinished(t *testing.T) {
	const n = fewRows + 7
	d := newImportDesk(t)
	for _, applied := range []int{0, 1, applyMost, fewRows - 1, fewRows, fewRows + 1} {
		d = newImportDesk(t)
		broken := d.newImporter(t, &fragile{ImportLedger: d.ledger, left: applied})
		_, err := broken.Import(t.Context(), strings.NewReader(numbers(n)), ImportOptions{Actor: "ops", Reason: "x"})
		require.ErrorIs(t, err, errFragile)
		r, err := d.importer.Get(t.Context(), "I1")
		require.NoError(t, err)
		require.Equal(t, ImportApplying, r.State, "it was accepted")
		require.Empty(t, d.entries(t, kindImportApplied))

		run(t, d.newImporter(t, d.ledger)) // the next process
		d.requireApplied(t, "I1", n)
	}
	audittest.Check(t, d.db.Read, filepath.Join(d.dir, "audit"))
}

// Who hangs up while a list is applied does not stop it.
func TestImportOutlivesItsRequest(t *testing.T) {
	const n = fewRows + 100
	d := newImportDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	hangUp := &hook{ImportLedger: d.ledger, at: 50, f: cancel}
	i := d.newImporter(t, hangUp)
	r, err := i.Import(ctx, strings.NewReader(numbers(n)), ImportOptions{Actor: "ops", Reason: "x"})
	require.NoError(t, err)
	require.Equal(t, ImportApplying, r.State)
	run(t, i)
	d.requireApplied(t, "I1", n)
}

// hook is a ledger that calls f at one of its listings.
type hook struct {
	ImportLedger

	at int
	f  func()
}

func (h *hook) ImportTx(ctx context.Context, tx *audit.Tx, x permissions.Listing) (bool, error) {
	if h.at--; h.at == 0 {
		h.f()
	}
	return h.ImportLedger.ImportTx(ctx, tx, x)
}

// A list that an earlier process was still reading is forgotten; one that this
// process reads is not.
func TestUnacceptedImportIsForgotten(t *testing.T) {
	d := newImportDesk(t)
	s := &staging{importer: d.newImporter(t, d.ledger), report: &ImportReport{}, rows: []row{{Line: 2, User: alice, Channels: "calls"}}}
	require.NoError(t, d.log.Update(t.Context(), s.store)) // and then the process is gone
	require.Equal(t, 1, d.count(t, "SELECT COUNT(*) FROM import_chunks"))
	_, err := d.importer.Get(t.Context(), s.id)
	require.ErrorIs(t, err, ErrNoImport)

	reading, going := io.Pipe()
	done := make(chan ImportReport, 1)
	go func() {
		r, err := d.importer.Import(t.Context(), reading, ImportOptions{Actor: "ops", Reason: "x"})
		if err != nil {
			r.State = err.Error()
		}
		done <- r
	}()
	_, err = io.WriteString(going, numbers(2*fewRows))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return d.count(t, "SELECT COUNT(*) FROM imports") == 2
	}, 10*time.Second, time.Millisecond)
	run(t, d.importer)
	require.Eventually(t, func() bool {
		return d.count(t, "SELECT COUNT(*) FROM imports WHERE id = ?", s.id) == 0
	}, 10*time.Second, time.Millisecond)
	_, err = io.WriteString(going, "+6597654321\n")
	require.NoError(t, err)
	require.NoError(t, going.Close())
	r := <-done
	require.Equal(t, ImportApplied, r.State)
	d.requireApplied(t, r.ID, 2*fewRows+1)
}

// While a list waits its numbers are sealed, and a chunk that is not the log's
// own is not applied.
func TestWaitingRowsAreSealed(t *testing.T) {
	d := newImportDesk(t)
	broken := d.newImporter(t, &fragile{ImportLedger: d.ledger})
	_, err := broken.Import(t.Context(), strings.NewReader("user\n+6591234567\n"), ImportOptions{Actor: "ops", Reason: "x"})
	require.ErrorIs(t, err, errFragile)
	var sealed []byte
	require.NoError(t, d.db.Read.QueryRowContext(t.Context(), "SELECT sealed FROM import_chunks").Scan(&sealed))
	require.NotContains(t, string(sealed), "91234567")
	for _, name := range []string{"callctl.db", "callctl.db-wal"} {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		require.NoError(t, err)
		require.NotContains(t, string(content), "91234567", name)
	}
	_, err = d.db.Write.ExecContext(t.Context(), "UPDATE import_chunks SET sealed = ?", append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1))
	require.NoError(t, err)
	require.ErrorIs(t, d.importer.apply(t.Context(), "I1"), errSealedRows)
	run(t, d.importer)() // the daemon goes on
	r, err := d.importer.Get(t.Context(), "I1")
	require.NoError(t, err)
	require.Equal(t, ImportApplying, r.State)
	require.Empty(t, d.listed(t))
}

// A list that cannot be applied does not hold up the next.
func TestHopelessImportDoesNotStopTheOthers(t *testing.T) {
	d := newImportDesk(t)
	refuses := &picky{ImportLedger: d.ledger, user: alice}
	i := d.newImporter(t, refuses)
	_, err := i.Import(t.Context(), strings.NewReader("user\n+6597654321\n+6591234567\n"), ImportOptions{Actor: "ops", Reason: "x"})
	require.ErrorIs(t, err, permissions.ErrEvent)
	run(t, i)
	r, err := i.Import(t.Context(), strings.NewReader("user\n+6590000001\n"), ImportOptions{Actor: "ops", Reason: "x"})
	require.NoError(t, err)
	require.Equal(t, ImportApplied, r.State)
	require.Contains(t, d.listed(t), permissions.User("+6590000001"))
	require.NotContains(t, d.listed(t), bob, "the transaction of the row that is refused is undone")
}

// picky is a ledger that refuses a user.
type picky struct {
	ImportLedger

	user permissions.User
}

func (p *picky) ImportTx(ctx context.Context, tx *audit.Tx, x permissions.Listing) (bool, error) {
	if x.User == p.user {
		return false, permissions.ErrEvent
	}
	return p.ImportLedger.ImportTx(ctx, tx, x)
}

const (
	childDir  = "CALLCTL_IMPORT_TEST_DIR"
	childRows = 2000
)

// TestImportChild is the process that TestKilledImport kills.
func TestImportChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("not a child")
	}
	d := &importDesk{house: openHouse(t, dir, time.Now)}
	d.ledger = d.newLedger(t, nil)
	d.importer = d.newImporter(t, d.ledger)
	d.importer.cfg.Now = time.Now // short transactions: many places to die at
	d.importer.cfg.NewID = rand.Text
	if d.count(t, "SELECT COUNT(*) FROM imports WHERE state <> 'staging'") == 0 {
		_, err := d.importer.Import(t.Context(), strings.NewReader(numbers(childRows)), ImportOptions{Actor: "ops", Reason: "x"})
		require.NoError(t, err)
	}
	run(t, d.importer)
	require.Eventually(t, func() bool {
		return d.count(t, "SELECT COUNT(*) FROM imports WHERE state <> 'applied'") == 0
	}, time.Minute, time.Millisecond)
}

// Killed again and again, at any point, an import ends as if it never had been.
func TestKilledImport(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	dir := t.TempDir()
	kills, halfway := 0, 0
	for wait := 100 * time.Millisecond; ; wait += 15 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), wait) // the kill is a SIGKILL
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestImportChild$", "-test.timeout=2m")
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.CombinedOutput()
		killed := ctx.Err() != nil
		cancel()
		if err == nil {
			break
		}
		require.True(t, killed, "%s", out)
		if kills++; isHalfway(t, dir) {
			halfway++
		}
		require.Less(t, wait, 30*time.Second)
	}
	t.Logf("killed %d times, %d of them while rows were applied", kills, halfway)
	require.Positive(t, halfway)
	d := &importDesk{house: openHouse(t, dir, time.Now)}
	d.ledger = d.newLedger(t, nil)
	d.importer = d.newImporter(t, d.ledger)
	require.Equal(t, 1, d.count(t, "SELECT COUNT(*) FROM imports"))
	var id string
	require.NoError(t, d.db.Read.QueryRowContext(t.Context(), "SELECT id FROM imports").Scan(&id))
	d.requireApplied(t, id, childRows)
	audittest.Check(t, d.db.Read, filepath.Join(dir, "audit"))
}

// isHalfway says whether an import has rows that are applied and rows that are not.
func isHalfway(tb testing.TB, dir string) bool {
	tb.Helper()
	db, err := migrations.OpenReadOnly(tb.Context(), filepath.Join(dir, "callctl.db"))
	if err != nil {
		return false // killed before there was one
	}
	defer func() { require.NoError(tb, db.Close()) }()
	var n int
	err = db.Read.QueryRowContext(tb.Context(), "SELECT COUNT(*) FROM imports WHERE state = 'applying' AND added > 0").Scan(&n)
	return err == nil && n > 0 // killed before there was the table
}

// An opt-out does not wait for a list: the writer is held for short times only.
func TestImportMakesRoom(t *testing.T) {
	d := newImportDesk(t)
	d.importer.cfg.Now = time.Now
	done := make(chan error, 1)
	go func() {
		_, err := d.importer.Import(t.Context(), strings.NewReader(numbers(1000)), ImportOptions{Actor: "ops", Reason: "x"})
		done <- err
	}()
	served := 0
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			require.Greater(t, served, 5, "others had their turns")
			return
		default:
		}
		require.NoError(t, d.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.Append(ctx, audit.Record{Kind: "test.turn", Payload: served})
			return err
		}))
		served++
	}
}

func FuzzImportList(f *testing.F) {
	for _, s := range []string{
		numbers(3), "user;reason\n+6591234567;x\n", "\ufeffuser\tscope\r\n6591234567\tall\r\n", "user,reason\n\"+6591234567\",\"a\"\"b\"\n",
		"user\n\"", "user,user\n", "PK\x03\x04", "\xff\xfe", "user\n6.5E+09\n", "user,since\n+6591234567,2024-02-30\n", "user\nUS.1\n", "\n\n",
	} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, file []byte) {
		report := ImportReport{}
		l, ok, err := openList(bytes.NewReader(file), bounds{100, 1 << 20}, now, true, &report)
		require.NoError(t, err, "memory has no faults of its own")
		require.Equal(t, !ok, report.Faults > 0)
		lines := bytes.Count(file, []byte("\n")) + 1
		good := 0
		for last := 0; ok; {
			r, sound, err := l.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if !sound {
				continue
			}
			good++
			require.True(t, r.User.Valid())
			require.Greater(t, r.Line, last)
			require.NotEmpty(t, r.Channels)
			require.LessOrEqual(t, len(r.Reason), maxCell)
			require.False(t, r.Since.After(now.Add(time.Hour)))
			last = r.Line
		}
		require.LessOrEqual(t, good, report.Rows)
		require.LessOrEqual(t, len(report.Errors), 100)
		for _, e := range report.Errors {
			require.NotEmpty(t, e.Reason)
			require.NotEmpty(t, e.Hint)
			require.LessOrEqual(t, e.Line, lines)
			require.Positive(t, e.Line)
		}
	})
}
