package permissions_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

const (
	strictAnyHour = `{"name": "8x8-strict-any-hour", "version": "1", "valid_from": "2026-01-01", "base": "8x8-strict",
		"hours": null, "sources": {"hours": "tests about other rules"}}`
	metaAnyHour = `{"name": "meta-any-hour", "version": "1", "valid_from": "2026-01-01", "base": "meta",
		"hours": null, "sources": {"hours": "tests about other rules"}}`
)

// newWorld is a fixture whose numbers go by the packs without quiet hours and by
// whatever docs say of packs; businesses replace its numbers.
func newWorld(tb testing.TB, docs []string, businesses ...permissions.Business) *fixture {
	tb.Helper()
	f := newFixture(tb)
	if len(businesses) == 0 {
		businesses = []permissions.Business{
			{Number: metaNumber, Account: "acme-meta", Rules: "meta-any-hour", Brand: "acme"},
			{Number: strictPhone, Account: "acme-8x8", Rules: "8x8-strict-any-hour", Brand: "acme"},
		}
	}
	f.reopen(tb, docs, businesses...)
	return f
}

// reopen makes the ledger anew over the same database, with another configuration.
func (f *fixture) reopen(tb testing.TB, docs []string, businesses ...permissions.Business) {
	tb.Helper()
	packs := []json.RawMessage{json.RawMessage(strictAnyHour), json.RawMessage(metaAnyHour)}
	for _, doc := range docs {
		packs = append(packs, json.RawMessage(doc))
	}
	var err error
	f.Ledger, err = permissions.New(permissions.Config{
		Log: f.log, Read: f.db.Read, Geo: f.geo, Now: f.clock, Businesses: businesses, Packs: packs,
		RevokeTx: func(_ context.Context, _ *audit.Tx, r permissions.Revocation) error {
			f.hand = append(f.hand, r)
			return nil
		},
		OnRevoked: func(r permissions.Revocation) { f.live = append(f.live, r) },
	})
	require.NoError(tb, err)
}

// set moves the clock to a time.
func (f *fixture) set(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = at
}

func (f *fixture) notice(tb testing.TB, notices ...permissions.Notice) {
	tb.Helper()
	for i := range notices {
		if notices[i].Business == "" {
			notices[i].Business = metaNumber
		}
		if notices[i].At.IsZero() {
			notices[i].At = f.clock()
		}
	}
	require.NoError(tb, f.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) error {
		_, err := f.RecordNotices(ctx, tx, notices...)
		return err
	}))
}

// ask is the dry run of a query about ann at a time, now when zero.
func (f *fixture) question(tb testing.TB, q permissions.Query) permissions.Decision {
	tb.Helper()
	if q.Pair == (permissions.Pair{}) {
		q.Pair = pair
	}
	d, err := f.Check(tb.Context(), q)
	require.NoError(tb, err)
	return d
}

// called records a call of ours that ended so.
func (f *fixture) called(tb testing.TB, id string, o permissions.Outcome) {
	tb.Helper()
	ticket, d := f.authorize(tb, pair, id)
	require.True(tb, d.Allow, d.Reason)
	f.settle(tb, ticket, o)
	f.advance(time.Second)
}

// holds says that a refusal names the very time from which the same question is
// allowed, and an answer that allows the very time from which it is refused.
func (f *fixture) holds(tb testing.TB, q permissions.Query, d permissions.Decision) {
	tb.Helper()
	turn := d.RetryAfter
	if d.Allow {
		turn = d.Until
		require.Zero(tb, d.RetryAfter)
	} else {
		require.Zero(tb, d.Until)
	}
	if turn.IsZero() {
		return
	}
	q.At = turn.Add(-time.Millisecond)
	require.True(tb, q.At.After(d.At) || q.At.Equal(d.At))
	require.Equal(tb, d.Allow, f.question(tb, q).Allow, "one millisecond before %s: %s", turn, d.Reason)
	q.At = turn
	require.Equal(tb, !d.Allow, f.question(tb, q).Allow, "at %s: %s", turn, d.Reason)
}

func number(at time.Time, kind permissions.NoticeKind, id string) permissions.Notice {
	return permissions.Notice{ID: id, Kind: kind, Business: metaNumber, At: at, Auth: permissions.AuthHMAC}
}
