package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestConfirmSeesWhatMovesNoEpoch: a read-back that brings the end forward takes
// nothing away by itself, but it can be over by the time of the dial.
func TestConfirmSeesWhatMovesNoEpoch(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	ticket, _ := f.authorize(t, pair, "c1")
	f.record(t, permissions.Event{
		ID: "rb", Kind: permissions.ReadBack, Pair: pair, At: f.clock(), Auth: permissions.AuthReadBack,
		Ref: "g1", Expires: f.clock().Add(-time.Minute),
	})
	var refusal *permissions.Refusal
	require.ErrorAs(t, ticket.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.PermissionExpired, refusal.Decision.Reason)
}

// TestConfirmAfterANewGrant: a user who taps "allow" once more has taken nothing
// away.
func TestConfirmAfterANewGrant(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	ticket, _ := f.authorize(t, pair, "c1")
	f.advance(time.Second)
	f.record(t, f.grant("g2", pair))
	require.NoError(t, ticket.Confirm(t.Context()))
}

// TestConfirmNeedsTheAttempt: a ticket whose attempt has ended is no way to a
// dial, because another attempt may stand in its place.
func TestConfirmNeedsTheAttempt(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	first, _ := f.authorize(t, pair, "c1")
	_, err := f.Recover(t.Context())
	require.NoError(t, err)
	second, d := f.authorize(t, pair, "c2")
	require.True(t, d.Allow)
	require.NoError(t, second.Confirm(t.Context()))
	var refusal *permissions.Refusal
	require.ErrorAs(t, first.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.Superseded, refusal.Decision.Reason)
}

// TestARequestDuringTheCall: the platform resets its counters when the call
// connects, so a request made while the two were talking still counts.
func TestARequestDuringTheCall(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	require.True(t, f.ask(t, pair, "before").Allow)
	f.advance(time.Hour)
	ticket, _ := f.authorize(t, pair, "c1")
	f.advance(24 * time.Hour)
	require.True(t, f.ask(t, pair, "during").Allow)
	f.advance(time.Minute)
	f.settle(t, ticket, permissions.OutcomeConnected)
	require.Equal(t, permissions.RequestLimit, f.ask(t, pair, "after").Reason)
	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, 1, s.Requests, "the one before the call is reset")
}
