package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestAnOptOutLearnedAfterTheLifting: whoever lifted the entry did not know of
// it, so it stands, however early its provider dated it, and whatever the user
// granted in between.
func TestAnOptOutLearnedAfterTheLifting(t *testing.T) {
	for name, at := range map[string]time.Duration{
		"delivered late":       -time.Hour,
		"a clock without date": -30 * 365 * 24 * time.Hour,
		"a clock behind":       30 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			begin := f.clock()
			require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
			f.advance(time.Minute)
			require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "asked by phone"))
			f.advance(time.Minute)
			f.record(t, f.grant("g", pair))
			require.True(t, f.check(t, pair).Allow)
			f.advance(time.Minute)
			stop := f.says("m", pair, "stop calls")
			stop.At = begin.Add(at)
			f.record(t, stop)
			require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
			entry, ok, err := f.DoNotCall(t.Context(), ann)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, f.clock(), entry.Since)
			require.Len(t, f.hand, 2)

			f.advance(time.Minute)
			require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "user wrote START"))
			f.advance(time.Minute)
			f.record(t, f.grant("g2", pair))
			require.True(t, f.check(t, pair).Allow)
		})
	}
}

// TestListedAgainRightAfterTheLifting: the lifting was dated after an opt-out of
// a provider whose clock is ahead; who is listed again in the meantime is listed.
func TestListedAgainRightAfterTheLifting(t *testing.T) {
	f := newFixture(t)
	stop := f.says("m", pair, "STOP")
	stop.At = f.clock().Add(4 * time.Minute)
	f.record(t, stop)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "mistake"))
	f.advance(time.Minute)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "no mistake"))
	require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
}

// TestAGrantKnownBeforeTheLifting: a provider's clock that is ahead does not make
// a grant of before the opt-out one that the user gave after the lifting.
func TestAGrantKnownBeforeTheLifting(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g", pair)
	g.At = f.clock().Add(4 * time.Minute)
	f.record(t, g)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	f.advance(time.Second)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "mistake"))
	require.False(t, f.check(t, pair).Allow)
	f.advance(time.Hour)
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	f.record(t, f.grant("g2", pair))
	require.True(t, f.check(t, pair).Allow)
}

// TestMergeKeepsAnOptOutThatNobodyLifted: lifting the entry of one address is no
// word about the other, which nobody knew to be the same person.
func TestMergeKeepsAnOptOutThatNobodyLifted(t *testing.T) {
	f := newFixture(t)
	byBSUID := permissions.Pair{Business: metaNumber, User: annBSUID}
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "wrong number"))
	f.record(t, f.says("stop", byBSUID, "stop calls"))
	f.advance(time.Minute)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "mistake"))
	f.advance(time.Minute)
	f.record(t, f.grant("g", pair))
	require.True(t, f.check(t, pair).Allow)
	before := len(f.hand)

	f.advance(time.Minute)
	hello := f.says("hello", pair, "hello")
	hello.Aliases = []permissions.User{annBSUID}
	f.record(t, hello)
	require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
	require.Equal(t, permissions.DoNotCall, f.check(t, byBSUID).Reason)
	require.Len(t, f.hand, before+1)
	entry, ok, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "message", entry.Source)
	require.Equal(t, "stop/optout", entry.Event, "the opt-out itself stands: its lifting would have had to name it")

	f.advance(time.Minute)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), annBSUID, "ops", "user wrote START"))
	f.advance(time.Minute)
	f.record(t, f.grant("g2", pair))
	require.True(t, f.check(t, pair).Allow)
}

// TestMergeAfterBothWereLifted: a grant that a clock ahead dated after everything
// was given before the user opted out. What was lifted for the other address, which
// nobody knew to be the same person, was no word about it.
func TestMergeAfterBothWereLifted(t *testing.T) {
	f := newFixture(t)
	byBSUID := permissions.Pair{Business: metaNumber, User: annBSUID}
	g := f.grant("ahead", byBSUID)
	g.At = f.clock().Add(4 * time.Minute)
	f.record(t, g)
	f.advance(time.Second)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	require.NoError(t, f.AddDoNotCall(t.Context(), annBSUID, "ops", "asked by mail"))
	f.advance(time.Second)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "mistake"))
	require.NoError(t, f.RemoveDoNotCall(t.Context(), annBSUID, "ops", "mistake"))
	require.False(t, f.check(t, byBSUID).Allow)
	f.advance(10 * time.Minute)
	hello := f.says("hello", pair, "hello")
	hello.Aliases = []permissions.User{annBSUID}
	f.record(t, hello)
	for _, p := range []permissions.Pair{pair, byBSUID} {
		require.Equal(t, permissions.PermissionRevoked, f.check(t, p).Reason)
	}
	f.record(t, f.grant("g2", pair))
	require.True(t, f.check(t, pair).Allow)
}

// TestOurClockStepsBack: what takes permission away does so although our clock
// shows a time before the grant.
func TestOurClockStepsBack(t *testing.T) {
	for name, e := range map[string]permissions.Event{
		"reject of the user":     {Kind: permissions.Declined, Auth: permissions.AuthHMAC},
		"operator's revocation":  {Kind: permissions.Revoked, Auth: permissions.AuthOperator, Actor: "ops"},
		"the provider's refusal": {Kind: permissions.Revoked, Auth: permissions.AuthReadBack},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			g := f.grant("g", pair)
			f.record(t, g)
			truth := f.clock().Add(time.Minute)
			f.advance(-time.Hour)
			e.ID, e.Pair, e.At = "taken", pair, f.clock()
			if e.Auth == permissions.AuthHMAC {
				e.At = truth
			}
			f.record(t, e)
			require.False(t, f.check(t, pair).Allow)
			require.Len(t, f.hand, 1)
		})
	}
}

// TestEventsStandInTheOrderInWhichTheyBecameKnown: providers give whole seconds,
// so a reply can be dated before the request that it answers.
func TestEventsStandInTheOrderInWhichTheyBecameKnown(t *testing.T) {
	f := newFixture(t)
	f.advance(700 * time.Millisecond)
	require.True(t, f.ask(t, pair, "a1").Allow)
	f.advance(200 * time.Millisecond)
	g := f.grant("g", pair)
	g.At = f.clock().Truncate(time.Second)
	f.record(t, g)
	events, err := f.Events(t.Context(), pair)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, permissions.Requested, events[0].Kind)
	require.Equal(t, permissions.Granted, events[1].Kind)
	require.Less(t, events[0].AuditIndex, events[1].AuditIndex)
}

// TestCheckOfThePast answers by what was so then.
func TestCheckOfThePast(t *testing.T) {
	f := newFixture(t)
	begin := f.clock()
	f.advance(time.Hour)
	f.record(t, f.grant("g", pair))
	f.advance(time.Hour)
	f.record(t, f.says("m", pair, "STOP"))
	for at, want := range map[time.Duration]permissions.Reason{
		30 * time.Minute: permissions.NoPermission, time.Hour: permissions.Allowed,
		90 * time.Minute: permissions.Allowed, 2 * time.Hour: permissions.DoNotCall, 3 * time.Hour: permissions.DoNotCall,
	} {
		d, err := f.Check(t.Context(), permissions.Query{Pair: pair, At: begin.Add(at)})
		require.NoError(t, err)
		require.Equal(t, want, d.Reason, "%s", at)
	}
}

// TestOnlyAProviderCarriesAGrant: a grant is the user's word, which comes signed,
// with the account's secret, or from the provider's API.
func TestOnlyAProviderCarriesAGrant(t *testing.T) {
	f := newFixture(t)
	for _, auth := range []permissions.Auth{"", "hope", permissions.AuthOperator, permissions.AuthSelf} {
		g := f.grant("g", pair)
		g.Auth = auth
		_, err := f.Record(t.Context(), g)
		require.ErrorIs(t, err, permissions.ErrEvent, auth)
		require.Equal(t, permissions.NoPermission, f.check(t, pair).Reason)
	}
	unsigned := f.says("m", pair, "STOP")
	unsigned.Auth = "hope"
	_, err := f.Record(t.Context(), unsigned)
	require.ErrorIs(t, err, permissions.ErrEvent)
}
