package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestAQuestionAboutThenIsAnsweredAsThen: whatever became known since, an auditor
// gets the whole decision of the time, every rule with its inputs.
func TestAQuestionAboutThenIsAnsweredAsThen(t *testing.T) {
	f := newFixture(t)
	type shot struct {
		at time.Time
		q  permissions.Query
		d  permissions.Decision
	}
	var shots []shot
	take := func() {
		for _, a := range []permissions.Action{permissions.StartCall, permissions.RequestPermission} {
			q := permissions.Query{Pair: pair, Action: a, Template: "cpr/en"}
			shots = append(shots, shot{f.clock(), q, f.question(t, q)})
		}
		f.advance(7 * time.Minute)
	}
	take()
	f.record(t, f.grant("g", pair))
	take()
	ticket, d := f.authorize(t, pair, "c1")
	require.True(t, d.Allow)
	take()
	f.settle(t, ticket, permissions.OutcomeUnanswered)
	take()
	n := number(f.clock(), permissions.Restriction, "n1")
	n.Type = permissions.RestrictedBusinessInitiated
	f.notice(t, n)
	take()
	f.notice(t, number(f.clock(), permissions.RestrictionsRead, "n2"))
	take()
	require.NoError(t, f.Read(t.Context(), pair, permissions.ProviderState{Status: permissions.StatusTemporary, Expires: f.clock().Add(30 * time.Hour), Actions: []permissions.ProviderAction{
		{Name: "start_call", Limits: []permissions.ProviderLimit{{Period: "PT24H", Max: 5, Used: 5, Resets: f.clock().Add(time.Hour)}}},
	}}, permissions.DoubtAge))
	take()
	_, err := f.AuthorizeRequest(t.Context(), permissions.Ask{Pair: pair, ID: "a", Template: "cpr/en"})
	require.NoError(t, err)
	take()
	f.record(t, f.says("m", pair, "stop calls"))
	take()
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "a", "r"))
	take()
	f.record(t, f.grant("g2", pair))
	take()
	_, err = f.Apply(t.Context(), permissions.Change{Kind: permissions.Located, Pair: pair, Actor: "a", Reason: "r", Zone: "America/New_York"})
	require.NoError(t, err)
	take()
	f.advance(24 * time.Hour)
	for i, s := range shots {
		s.q.At = s.at
		got := f.question(t, s.q)
		require.Equal(t, s.d, got, "%d %s", i, s.q.Action)
	}
}
