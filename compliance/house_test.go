package compliance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice   = permissions.User("+6591234567")
	bob     = permissions.User("+6597654321")
	account = "acme"
)

// subjects is a ledger that knows who is who.
type subjects map[permissions.User]string

func (s subjects) Subject(_ context.Context, u permissions.User) (string, bool, error) {
	id, ok := s[u]
	return id, ok, nil
}

// house is an exporter over a real database file.
type house struct {
	dir      string
	db       *migrations.DB
	log      *audit.Log
	exporter *Exporter

	mu  sync.Mutex
	now time.Time
	ids int
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{dir: tb.TempDir(), now: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)}
	h.open(tb, h.tick, &countingRand{})
	h.exporter = h.newExporter(tb)
	return h
}

// openHouse is a house in a directory that may hold one, with a real clock.
func openHouse(tb testing.TB, dir string, now func() time.Time) *house {
	tb.Helper()
	h := &house{dir: dir, now: now()}
	h.open(tb, now, nil)
	return h
}

func (h *house) open(tb testing.TB, now func() time.Time, rand io.Reader) {
	tb.Helper()
	var err error
	h.db, err = migrations.Open(tb.Context(), filepath.Join(h.dir, "callctl.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = h.db.Close() })
	h.log, err = audit.New(tb.Context(), audit.Config{
		Write: h.db.Write, Read: h.db.Read, Dir: filepath.Join(h.dir, "audit"), Origin: "callctl/test", Now: now, Rand: rand,
	})
	require.NoError(tb, err)
}

func (h *house) newExporter(tb testing.TB) *Exporter {
	tb.Helper()
	x, err := NewExporter(Config{
		Log: h.log, Read: h.db.Read, Ledger: subjects{alice: "s-alice", bob: "s-bob", "+6500000000": "s-nobody"},
		Dir: filepath.Join(h.dir, "exports"), Now: h.tick,
		NewID: func() string { h.ids++; return fmt.Sprintf("X%d", h.ids) },
	})
	require.NoError(tb, err)
	return x
}

func (h *house) tick() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(time.Second)
	return h.now
}

func (h *house) append(tb testing.TB, kind, subject string, payload any) {
	tb.Helper()
	require.NoError(tb, h.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.Append(ctx, audit.Record{Kind: kind, Subject: subject, Payload: payload})
		return err
	}))
}

// story is alice's: asked, granted, called, opted out, refused; bob's in between.
func (h *house) story(tb testing.TB) {
	tb.Helper()
	type m = map[string]any
	h.append(tb, "log.started", "", m{"version": "test"})
	h.append(tb, "permission.requested", "s-alice", m{"id": "r1", "template": "ask/en"})
	h.append(tb, "permission.granted", "s-bob", m{"id": "g0", "auth": "bearer"})
	h.append(tb, kindGranted, "s-alice", m{"id": "meta/wamid.1", "auth": "hmac", "expires": "2026-11-29T18:00:00Z"})
	h.append(tb, "decision.allowed", "s-alice", m{"action": "start_call", "allow": true, "reason": "allowed", "callId": "c1"})
	h.append(tb, kindAttempted, "s-alice", m{"callId": "c1"})
	h.append(tb, kindRevoked, "s-alice", m{"id": "meta/wamid.2", "auth": "hmac"})
	h.append(tb, kindDNCAdded, "s-alice", m{"id": "meta/wamid.2"})
	h.append(tb, "decision.refused", "s-alice", m{"action": "start_call", "allow": false, "reason": "do_not_call"})
}

// export makes alice's pack and returns its bytes.
func (h *house) export(tb testing.TB) (Export, []byte) {
	tb.Helper()
	e, err := h.exporter.Export(tb.Context(), alice, "ops")
	require.NoError(tb, err)
	r, err := h.exporter.Content(tb.Context(), e.ID)
	require.NoError(tb, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(tb, err)
	return e, b
}

func verify(b []byte, key string) (VerifyResult, error) {
	return Verify(bytes.NewReader(b), int64(len(b)), key)
}

// countingRand is a source of bytes that are the same in every run; never zero,
// so that a forgotten salt shows.
type countingRand struct{ n byte }

func (r *countingRand) Read(p []byte) (int, error) {
	for i := range p {
		r.n++
		p[i] = r.n | 1
	}
	return len(p), nil
}
