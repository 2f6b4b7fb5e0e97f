package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/sipbridge"
)

// asleep is a provider that is never asked.
type asleep struct{}

var errAsleep = errors.New("asleep")

func (asleep) ReadPermission(context.Context, permissions.User) (permissions.ProviderState, error) {
	return permissions.ProviderState{}, errAsleep
}

// Our own gate's refusal right before the dial is not the provider's word that there
// is no permission: the grant is worth what it was.
func TestOurOwnRefusalIsNotTheProviders(t *testing.T) {
	const business, user = geo.E164("+6531234567"), permissions.User("+6591234567")
	now := time.Date(2026, 11, 22, 12, 59, 30, 0, time.UTC) // 20:59:30 in Singapore
	clock := func() time.Time { return now }
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	log, err := audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: t.TempDir(), Origin: "callctl/test", Now: clock})
	require.NoError(t, err)
	rules, err := geo.Load()
	require.NoError(t, err)
	ledger, err := permissions.New(permissions.Config{
		Log: log, Read: db.Read, Geo: rules, Now: clock,
		Businesses: []permissions.Business{{Number: business, Account: "acme", Rules: "meta"}},
	})
	require.NoError(t, err)
	reader, err := readback.New(readback.Config{
		Ledger: ledger, Now: clock, Accounts: []readback.Account{{Name: "acme", Business: business, Source: asleep{}}},
	})
	require.NoError(t, err)
	pair := permissions.Pair{Business: business, User: user}
	_, err = ledger.Record(t.Context(), permissions.Event{
		ID: "g", Kind: permissions.Granted, Pair: pair, At: now, Auth: permissions.AuthHMAC, Expires: now.Add(168 * time.Hour),
	})
	require.NoError(t, err)
	for _, outcome := range []string{"refused", "cancelled"} {
		g := gate{ledger: ledger, reader: reader, decided: func(permissions.Decision) {}}
		ticket, err := g.Authorize(t.Context(), sipbridge.Attempt{Business: business, User: string(user), CallID: outcome})
		require.NoError(t, err)
		now = now.Add(time.Minute) // the agent answers when the quiet hours have begun
		var refused sipbridge.Refusal
		require.ErrorAs(t, ticket.Confirm(t.Context()), &refused)
		require.Equal(t, "quiet_hours", refused.Reason())
		for range 2 { // a writer that failed is tried again
			require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
				return ticket.Settle(ctx, tx, outcome)
			}))
		}
		_, err = dialer{ledger: ledger}.result(t.Context(), callback.Dial{Business: business, User: user},
			sipbridge.Result{Outcome: "refused", Cause: "quiet_hours"})
		var why *permissions.Refusal
		require.ErrorAs(t, err, &why)
		require.Equal(t, permissions.Reason("quiet_hours"), why.Decision.Reason)
		require.Equal(t, now.Add(11*time.Hour).Truncate(time.Hour), why.Decision.RetryAfter, "08:00 in Singapore")
		state, err := ledger.Permission(t.Context(), pair)
		require.NoError(t, err)
		require.False(t, state.Doubted, outcome)
		require.Equal(t, permissions.StatusTemporary, state.Status)
		now = now.Add(-time.Minute)
	}
	o, err := dialer{}.result(t.Context(), callback.Dial{}, sipbridge.Result{Outcome: "refused", Cause: sipbridge.CauseCarrierRefused})
	require.NoError(t, err)
	require.Equal(t, permissions.OutcomeRefused, o, "the provider's word")
	doubt, err := ledger.Doubtful(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, permissions.NoDoubt, doubt)
}
