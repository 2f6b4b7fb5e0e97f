package callback_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
)

const (
	business = geo.E164("+6531234567")
	ann      = permissions.User("+6591234567")
)

// house is a scheduler over a real database, in the bubble's time.
type house struct {
	*callback.Scheduler
	t      *testing.T
	ledger *permissions.Ledger
	log    *audit.Log
	db     *migrations.DB
	ids    atomic.Int64
	max    int
	stop   func()
	cancel func()

	mu    sync.Mutex
	dials []callback.Dial
	// named happens whenever an id is made, which is within a transaction.
	named func()
	// before happens before the gate is asked.
	before func(ctx context.Context) error
	// dial is what happens to a call; nil connects at once.
	dial func(ctx context.Context, d callback.Dial) (permissions.Outcome, error)
}

// Dial implements callback.Dialer: it authorises and settles as the bridge does.
func (h *house) Dial(ctx context.Context, d callback.Dial) (permissions.Outcome, error) {
	if h.before != nil {
		if err := h.before(ctx); err != nil {
			return "", err
		}
	}
	ticket, decision, err := h.ledger.Authorize(ctx, permissions.Attempt{
		Pair: permissions.Pair{Business: d.Business, User: d.User}, CallID: d.CallID, Callback: d.Callback, Purpose: d.Purpose,
	})
	if err != nil {
		return "", err
	}
	if ticket == nil {
		return "", &permissions.Refusal{Decision: decision}
	}
	h.mu.Lock()
	h.dials = append(h.dials, d)
	dial := h.dial
	h.mu.Unlock()
	outcome := permissions.OutcomeConnected
	if dial != nil {
		if outcome, err = dial(ctx, d); err != nil {
			return outcome, err
		}
	}
	return outcome, h.log.Update(context.WithoutCancel(ctx), func(ctx context.Context, tx *audit.Tx) error {
		return ticket.Settle(ctx, tx, outcome)
	})
}

func (h *house) dialled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.dials)
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t}
	dir := t.TempDir()
	var err error
	h.db, err = migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.db.Close()) })
	h.log, err = audit.New(t.Context(), audit.Config{
		Write: h.db.Write, Read: h.db.Read, Dir: filepath.Join(dir, "audit"), Origin: "callctl/test", Now: time.Now,
	})
	require.NoError(t, err)
	h.open()
	return h
}

// open makes ledger and scheduler as a process does at its start.
func (h *house) open() {
	h.t.Helper()
	rules, err := geo.Load()
	require.NoError(h.t, err)
	h.ledger, err = permissions.New(permissions.Config{
		Log: h.log, Read: h.db.Read, Geo: rules, Now: time.Now,
		Businesses: []permissions.Business{{Number: business, Account: "acme", Rules: "meta"}},
		RevokeTx: func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
			_, err := h.CancelUser(ctx, tx, r)
			return err
		},
	})
	require.NoError(h.t, err)
	h.Scheduler, err = callback.New(callback.Config{
		Log: h.log, Read: h.db.Read, Ledger: h.ledger, Dialer: h, Now: time.Now, MaxDials: h.max,
		NewID: func() string {
			if h.named != nil {
				h.named()
			}
			return fmt.Sprintf("id%03d", h.ids.Add(1))
		},
	})
	require.NoError(h.t, err)
}

// start runs the scheduler until the test ends or stop is called.
func (h *house) start() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.cancel = cancel
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(h.stop)
}

func (h *house) record(e permissions.Event) {
	h.t.Helper()
	if e.Pair.User == "" {
		e.Pair = permissions.Pair{Business: business, User: ann}
	}
	e.At, e.Auth = time.Now(), permissions.AuthHMAC
	_, err := h.ledger.Record(h.t.Context(), e)
	require.NoError(h.t, err)
}

func (h *house) grant() { h.record(permissions.Event{ID: "g", Kind: permissions.Granted}) }

func (h *house) add(c callback.Callback) callback.Callback {
	h.t.Helper()
	if c.User == "" {
		c.User = ann
	}
	if c.Business == "" {
		c.Business = business
	}
	c.Agent, c.Actor = "100", "ops"
	out, err := h.Add(h.t.Context(), c)
	require.NoError(h.t, err)
	require.Equal(h.t, callback.Pending, out.State)
	return out
}

func (h *house) get(id string) callback.Callback {
	h.t.Helper()
	c, err := h.Get(h.t.Context(), id)
	require.NoError(h.t, err)
	return c
}

// count is the number of audit entries of a kind.
func (h *house) count(kind string) int {
	h.t.Helper()
	entries, err := h.log.Entries(h.t.Context(), audit.Query{After: -1, Kind: kind, Limit: 1000})
	require.NoError(h.t, err)
	return len(entries)
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }
