package permissions_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
)

const (
	metaNumber  = geo.E164("+6531234567")
	strictPhone = geo.E164("+6531234568")
	ann         = permissions.User("+6591234567")
	annBSUID    = permissions.User("SG.13491208655302741918")
	bob         = permissions.User("+6598765432")
)

// fixture is a ledger over a real database file, with a clock of its own.
type fixture struct {
	*permissions.Ledger
	log  *audit.Log
	db   *migrations.DB
	geo  *geo.Rules
	mu   sync.Mutex
	now  time.Time
	hand []permissions.Revocation // given to RevokeTx
	live []permissions.Revocation // given to OnRevoked
	// revokeTx replaces what RevokeTx returns, when set.
	revokeTx func(context.Context, *audit.Tx, permissions.Revocation) error
	// held is told how long each transaction kept the writer, when set.
	held func(time.Duration)
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	return newFixtureIn(tb, tb.TempDir())
}

// newFixtureIn is newFixture over the database file of a folder.
func newFixtureIn(tb testing.TB, dir string) *fixture {
	tb.Helper()
	f := &fixture{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	var err error
	f.db, err = migrations.Open(tb.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, f.db.Close()) })
	f.log, err = audit.New(tb.Context(), audit.Config{
		Write: f.db.Write, Read: f.db.Read, Dir: filepath.Join(dir, "audit"), Origin: "callctl/test", Now: f.clock,
		Held: func(d time.Duration) {
			if f.held != nil {
				f.held(d)
			}
		},
	})
	require.NoError(tb, err)
	f.geo, err = geo.Load()
	require.NoError(tb, err)
	f.open(tb)
	return f
}

// open makes a ledger over the database, as a process does at its start.
func (f *fixture) open(tb testing.TB) {
	tb.Helper()
	var err error
	f.Ledger, err = permissions.New(permissions.Config{
		Log: f.log, Read: f.db.Read, Geo: f.geo, Now: f.clock,
		Businesses: []permissions.Business{
			{Number: metaNumber, Account: "acme-meta", Rules: "meta"},
			{Number: strictPhone, Account: "acme-8x8"},
			{Number: "+14155550100", Account: "acme-us", Rules: "meta"},
		},
		RevokeTx: func(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
			if f.revokeTx != nil {
				return f.revokeTx(ctx, tx, r)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.hand = append(f.hand, r)
			return nil
		},
		OnRevoked: func(r permissions.Revocation) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.live = append(f.live, r)
		},
	})
	require.NoError(tb, err)
}

func (f *fixture) record(tb testing.TB, events ...permissions.Event) int {
	tb.Helper()
	n, err := f.Record(tb.Context(), events...)
	require.NoError(tb, err)
	return n
}

// grant is a signed temporary accept of a pair at the present time.
func (f *fixture) grant(id string, p permissions.Pair) permissions.Event {
	return permissions.Event{ID: id, Kind: permissions.Granted, Pair: p, At: f.clock(), Auth: permissions.AuthHMAC}
}

func (f *fixture) says(id string, p permissions.Pair, text string) permissions.Event {
	return permissions.Event{ID: id, Kind: permissions.Messaged, Pair: p, At: f.clock(), Auth: permissions.AuthHMAC, Text: text}
}

func (f *fixture) check(tb testing.TB, p permissions.Pair) permissions.Decision {
	tb.Helper()
	d, err := f.Check(tb.Context(), permissions.Query{Pair: p})
	require.NoError(tb, err)
	return d
}

func (f *fixture) authorize(tb testing.TB, p permissions.Pair, call string) (*permissions.Ticket, permissions.Decision) {
	tb.Helper()
	ticket, d, err := f.Authorize(tb.Context(), permissions.Attempt{Pair: p, CallID: call})
	require.NoError(tb, err)
	require.Equal(tb, d.Allow, ticket != nil)
	return ticket, d
}

func (f *fixture) settle(tb testing.TB, ticket *permissions.Ticket, o permissions.Outcome) {
	tb.Helper()
	require.NoError(tb, f.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		return ticket.Settle(ctx, tx, o)
	}))
}

// kinds are the kinds of all audit entries, in order.
func (f *fixture) kinds(tb testing.TB) []string {
	tb.Helper()
	entries, err := f.log.Entries(tb.Context(), audit.Query{After: -1, Limit: 10_000})
	require.NoError(tb, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Kind)
	}
	return out
}

var pair = permissions.Pair{Business: metaNumber, User: ann}

func TestFirstCall(t *testing.T) {
	f := newFixture(t)
	require.Equal(t, permissions.NoPermission, f.check(t, pair).Reason)
	require.Equal(t, 1, f.record(t, f.grant("meta/wamid.1", pair)))
	d := f.check(t, pair)
	require.True(t, d.Allow, d.Reason)
	ticket, d := f.authorize(t, pair, "call-1")
	require.True(t, d.Allow, d.Reason)
	require.Equal(t, "meta/wamid.1", d.Grant)
	require.NoError(t, ticket.Confirm(t.Context()))
	_, again := f.authorize(t, pair, "call-2")
	require.Equal(t, permissions.AttemptInProgress, again.Reason)
	f.settle(t, ticket, permissions.OutcomeConnected)
	f.settle(t, ticket, permissions.OutcomeConnected)
	require.Equal(t, 1, f.record(t, f.says("meta/wamid.2", pair, " Stop calls! ")))
	require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
	require.Len(t, f.hand, 1)
	require.Len(t, f.live, 1)
	require.Equal(t, []string{
		"permission.granted", "decision.allowed", "call.attempted", "decision.refused",
		"call.settled", "message.received", "dnc.added",
	}, f.kinds(t)[len(f.kinds(t))-7:])
}
