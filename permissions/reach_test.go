package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestABrandThatIsRenamed: the number that the user wrote to never calls again,
// whatever the configuration calls its brand since.
func TestABrandThatIsRenamed(t *testing.T) {
	for _, pack := range []string{"brand", "purpose"} {
		t.Run(pack, func(t *testing.T) {
			f := branded(t, pack)
			f.record(t, f.says("m", pair, "stop calls"))
			f.reopen(t, []string{brandPack, purposePack}, permissions.Business{Number: metaNumber, Account: "one", Rules: pack, Brand: "Acme Group"})
			require.Equal(t, permissions.DoNotCall, f.may(t, metaNumber, ""))
			f.advance(time.Minute)
			f.record(t, f.grant("again", pair))
			require.Equal(t, permissions.DoNotCall, f.may(t, metaNumber, "sales"))
		})
	}
}

// TestAWiderOptOutIsHandedOut: one that reaches farther than what holds is news,
// also where the user is known to no further number.
func TestAWiderOptOutIsHandedOut(t *testing.T) {
	f := newWorld(t, []string{brandPack, purposePack},
		permissions.Business{Number: metaNumber, Account: "one", Rules: "brand", Brand: "acme"})
	f.record(t, f.grant("g", pair), f.says("m", pair, "stop calls"))
	require.Len(t, f.hand, 1)
	f.record(t, f.says("again", pair, "stop calls"))
	require.Len(t, f.hand, 1, "nothing more ends")
	f.advance(time.Minute)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	require.Len(t, f.hand, 2)
	require.Equal(t, permissions.ScopeAll, f.hand[1].Scope)
}

// TestAMergeHandsOutWhatIsBarredByPurpose: what one address of a person opted out of
// ends for the other too, once they are known to be one.
func TestAMergeHandsOutWhatIsBarredByPurpose(t *testing.T) {
	f := newWorld(t, []string{purposePack},
		permissions.Business{Number: metaNumber, Account: "one", Rules: "purpose", Brand: "acme"})
	byID := permissions.Pair{Business: metaNumber, User: annBSUID}
	f.record(t, f.grant("g", pair), f.grant("h", byID))
	ticket, d, err := f.Authorize(t.Context(), permissions.Attempt{Pair: byID, CallID: "c1", Purpose: "sales"})
	require.NoError(t, err)
	require.True(t, d.Allow, d.Reason)
	f.settle(t, ticket, permissions.OutcomeConnected)
	f.advance(time.Minute)
	f.record(t, f.says("m", byID, "stop calls"))
	require.Len(t, f.hand, 1)
	f.advance(time.Minute)
	link := f.says("n", pair, "hello")
	link.Aliases = []permissions.User{annBSUID}
	f.record(t, link)
	require.Equal(t, permissions.DoNotCall, f.may(t, metaNumber, "sales"))
	require.Equal(t, permissions.Allowed, f.may(t, metaNumber, "delivery"))
	require.Len(t, f.hand, 2)
	last := f.hand[1]
	require.Equal(t, []string{"m/optout", "sales", ""}, []string{last.Event, last.Purpose, last.Message})
	require.ElementsMatch(t, []permissions.User{ann, annBSUID}, last.Addresses)
	require.Len(t, f.live, 2)
}

// TestAStopAfterOurClockStepsBack: the user said it after they asked for messages.
func TestAStopAfterOurClockStepsBack(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.says("a", pair, "STOP"))
	f.advance(time.Minute)
	f.record(t, f.says("b", pair, "START"))
	f.advance(time.Minute)
	stop := f.says("c", pair, "no more messages")
	f.advance(-time.Hour)
	f.record(t, stop)
	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.True(t, s.MessagesStopped)
}
