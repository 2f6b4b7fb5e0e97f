package permissions_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// verdicts are the rules of a decision with their reasons, "" for allowed.
func verdicts(d permissions.Decision) map[string]permissions.Reason {
	out := map[string]permissions.Reason{}
	for _, r := range d.Rules {
		if out[r.Name] == "" {
			out[r.Name] = r.Reason
		}
	}
	return out
}

func names(d permissions.Decision) []string {
	var out []string
	for _, r := range d.Rules {
		out = append(out, r.Name)
	}
	return out
}

func TestEveryRuleIsListedInOrder(t *testing.T) {
	f := newFixture(t)
	d := f.check(t, permissions.Pair{Business: "+6500000000", User: "nobody"})
	require.Equal(t, []string{
		"business_known", "user_valid", "business_country", "business_restricted", "user_region", "destination_country",
		"do_not_call", "permission", "permission_verified", "calls_per_grant", "connected_calls", "consecutive_unanswered",
		"provider_limit", "quiet_hours", "attempt_in_progress",
	}, names(d))
	require.Equal(t, permissions.UnknownBusiness, d.Reason, "the first that refused")
	require.Equal(t, permissions.InvalidUser, verdicts(d)["user_valid"])
	require.Equal(t, permissions.NoPermission, verdicts(d)["permission"])
	require.Equal(t, "8x8-strict@2026-11-22", d.RulePack, "the strictest pack where none is known")
	require.Equal(t, "geography@2026-11-22", d.Geography)
	require.EqualValues(t, -1, d.AuditIndex)
	require.Empty(t, d.ID)
	require.Equal(t, geo.TZData(), d.TZData)
	asking, err := f.Check(t.Context(), permissions.Query{Pair: pair, Action: permissions.RequestPermission, Template: "cpr/en", Purpose: "delivery"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"business_known", "user_valid", "business_country", "business_restricted", "user_region", "destination_country",
		"do_not_call", "messages_opt_out", "permission_exists", "request_limit", "request_limit", "requests_per_cycle",
		"provider_limit", "request_template", "request_deliverable",
	}, names(asking))
	require.True(t, asking.Allow)
	require.Equal(t, "delivery", asking.Purpose)
	require.Equal(t, "cpr/en", asking.Template)
	for _, r := range d.Rules {
		require.Equal(t, r.Reason == "", r.Allow, r.Name)
		if !r.Allow {
			require.NotEmpty(t, r.Source, r.Name)
		}
	}
}

func TestGeographyBars(t *testing.T) {
	f := newFixture(t)
	f.advance(8 * time.Hour) // 18:00 UTC: no quiet hours in the places that are allowed
	for _, tc := range []struct {
		pair permissions.Pair
		rule string
		want permissions.Reason
	}{
		{permissions.Pair{Business: "+14155550100", User: ann}, "business_country", permissions.BusinessCountryBlocked},
		{permissions.Pair{Business: metaNumber, User: "+79781234567"}, "user_region", permissions.UserRegionSanctioned},
		{permissions.Pair{Business: metaNumber, User: "IR.1234567890"}, "user_region", permissions.UserRegionSanctioned},
		{permissions.Pair{Business: metaNumber, User: "+14085551234"}, "user_region", ""},
	} {
		f.record(t, f.grant("g/"+string(tc.pair.User), tc.pair))
		for _, action := range []permissions.Action{permissions.StartCall, permissions.RequestPermission} {
			d, err := f.Check(t.Context(), permissions.Query{Pair: tc.pair, Action: action})
			require.NoError(t, err)
			require.Equal(t, tc.want, verdicts(d)[tc.rule])
			require.Equal(t, tc.want == "", d.Allow)
		}
	}
}

// TestTheStricterAddressHolds: the region of any address of the user bars.
func TestTheStricterAddressHolds(t *testing.T) {
	f := newFixture(t)
	e := f.grant("g", pair)
	e.Aliases = []permissions.User{"CU.999"}
	f.record(t, e)
	require.Equal(t, permissions.UserRegionSanctioned, f.check(t, pair).Reason)
}

func TestOneCallPerGrant(t *testing.T) {
	f := newFixture(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	f.record(t, f.grant("g1", p))
	ticket, _ := f.authorize(t, p, "c1")
	f.settle(t, ticket, permissions.OutcomeUnanswered)
	_, d := f.authorize(t, p, "c2")
	require.Equal(t, permissions.PermissionUsed, d.Reason)
	require.Zero(t, d.RetryAfter, "only a new grant helps")

	f.advance(time.Minute)
	f.record(t, f.grant("g2", p))
	ticket, d = f.authorize(t, p, "c3")
	require.True(t, d.Allow)
	f.settle(t, ticket, permissions.OutcomeConnected)

	// Under Meta's rules a grant is good for many calls.
	f.record(t, f.grant("m1", pair))
	for i := range 3 {
		ticket, d = f.authorize(t, pair, fmt.Sprint("m", i))
		require.True(t, d.Allow)
		f.settle(t, ticket, permissions.OutcomeConnected)
	}
}

func TestStaticSecretGrantsAreReadBack(t *testing.T) {
	f := newFixture(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	g := f.grant("8x8/umid", p)
	g.Auth = permissions.AuthBearer
	f.record(t, g)
	d := f.check(t, p)
	require.Equal(t, permissions.PermissionUnverified, d.Reason)
	s, err := f.Permission(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, permissions.StatusTemporary, s.Status, "it counts, it is only not dialled on")
	require.False(t, s.Verified)

	f.record(t, permissions.Event{
		ID: "rb", Kind: permissions.ReadBack, Pair: p, At: f.clock().Add(-time.Hour), Auth: permissions.AuthReadBack,
		Ref: "8x8/umid", Expires: f.clock().Add(2 * time.Hour),
	})
	require.True(t, f.check(t, p).Allow, "by reference, whatever the clocks say")
	s, err = f.Permission(t.Context(), p)
	require.NoError(t, err)
	require.True(t, s.Verified)
	require.Equal(t, f.clock().Add(2*time.Hour), s.Expires, "the earlier expiry counts")
}

func TestConnectedCallsPerDay(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g", pair)
	g.Permanent = true
	f.record(t, g)
	start := f.clock()
	for i := range 100 {
		ticket, d := f.authorize(t, pair, fmt.Sprint("c", i))
		require.True(t, d.Allow, "call %d: %s", i, d.Reason)
		f.settle(t, ticket, permissions.OutcomeConnected)
		f.advance(time.Minute)
	}
	_, d := f.authorize(t, pair, "c100")
	require.Equal(t, permissions.CallLimit, d.Reason)
	require.Equal(t, start.Add(24*time.Hour), d.RetryAfter, "when the first leaves the window")
	early, err := f.Check(t.Context(), permissions.Query{Pair: pair, At: d.RetryAfter.Add(-time.Millisecond)})
	require.NoError(t, err)
	require.False(t, early.Allow)
	then, err := f.Check(t.Context(), permissions.Query{Pair: pair, At: d.RetryAfter})
	require.NoError(t, err)
	require.True(t, then.Allow, then.Reason)
}

func (f *fixture) ask(tb testing.TB, p permissions.Pair, id string) permissions.Decision {
	tb.Helper()
	d, err := f.AuthorizeRequest(tb.Context(), permissions.Ask{Pair: p, ID: id, Template: "cpr/en", Text: "May we call you?"})
	require.NoError(tb, err)
	return d
}

func TestRequestLimits(t *testing.T) {
	f := newFixture(t)
	first := f.clock()
	require.True(t, f.ask(t, pair, "a1").Allow)
	d := f.ask(t, pair, "a2")
	require.Equal(t, permissions.RequestLimit, d.Reason)
	require.Equal(t, first.Add(24*time.Hour), d.RetryAfter)
	f.advance(24 * time.Hour)
	require.True(t, f.ask(t, pair, "a3").Allow)
	f.advance(24 * time.Hour)
	d = f.ask(t, pair, "a4")
	require.Equal(t, permissions.RequestLimit, d.Reason)
	require.Equal(t, first.Add(7*24*time.Hour), d.RetryAfter, "two in seven days")

	// A call that the user places resets both, when it connects.
	f.record(t, permissions.Event{ID: "u1", Kind: permissions.Called, Pair: pair, At: f.clock(), Auth: permissions.AuthHMAC, Outcome: permissions.OutcomeUnanswered})
	require.False(t, f.ask(t, pair, "a5").Allow)
	f.record(t, permissions.Event{ID: "u2", Kind: permissions.Called, Pair: pair, At: f.clock(), Auth: permissions.AuthHMAC, Outcome: permissions.OutcomeConnected})
	require.True(t, f.ask(t, pair, "a6").Allow)

	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, 1, s.Requests)
	require.Equal(t, f.clock(), s.Requested)
}

func TestThreeRequestsWithoutAGrant(t *testing.T) {
	f := newFixture(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	for i := range 3 {
		require.True(t, f.ask(t, p, fmt.Sprint("a", i)).Allow)
		f.advance(7 * 24 * time.Hour)
	}
	d := f.ask(t, p, "a3")
	require.Equal(t, permissions.RequestLimit, d.Reason)
	require.Zero(t, d.RetryAfter, "waiting does not help")
	f.record(t, f.grant("g", p))
	require.True(t, f.ask(t, p, "a4").Allow, "a grant begins a new cycle")
}

func TestRequestsAreRefusedForTheirReasons(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g", pair)
	g.Permanent = true
	f.record(t, g)
	require.Equal(t, permissions.PermissionExists, f.ask(t, pair, "a1").Reason)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	require.Equal(t, permissions.DoNotCall, f.ask(t, pair, "a2").Reason)
	_, err := f.AuthorizeRequest(t.Context(), permissions.Ask{Pair: pair})
	require.ErrorIs(t, err, permissions.ErrAskID)
	require.True(t, f.ask(t, permissions.Pair{Business: metaNumber, User: bob}, "b1").Allow)
	_, err = f.AuthorizeRequest(t.Context(), permissions.Ask{Pair: pair, ID: "b1"})
	require.ErrorIs(t, err, permissions.ErrAskID, "used before")
	kinds := f.kinds(t)
	require.Equal(t, []string{"decision.refused", "dnc.added", "decision.refused", "decision.allowed", "permission.requested"}, kinds[len(kinds)-5:])
}

func TestReplyIsTiedToItsRequest(t *testing.T) {
	f := newFixture(t)
	require.True(t, f.ask(t, pair, "a1").Allow)
	require.NoError(t, f.LinkRequest(t.Context(), "a1", "wamid.HBgL/x=="))
	require.NoError(t, f.LinkRequest(t.Context(), "a1", "meta/wamid.HBgL/x=="), "the same again")
	require.ErrorIs(t, f.LinkRequest(t.Context(), "a9", "wamid.Y"), permissions.ErrAskID)
	g := f.grant("meta/wamid.R", pair)
	g.Ref = "wamid.HBgL/x=="
	f.record(t, g)
	events, err := f.Events(t.Context(), pair)
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, "callctl/request/a1", events[0].ID)
	require.Equal(t, permissions.Delivered, events[1].Kind, "the provider took it")
	require.Equal(t, "callctl/request/a1", events[1].Request)
	require.Equal(t, "callctl/request/a1", events[2].Request)
	require.Empty(t, events[0].Text, "texts are in the audit only")
}

func TestConfirm(t *testing.T) {
	for name, tc := range map[string]struct {
		between func(t *testing.T, f *fixture)
		want    permissions.Reason // "" when the call may go out
	}{
		"nothing happened": {func(*testing.T, *fixture) {}, ""},
		"opt-out":          {func(t *testing.T, f *fixture) { t.Helper(); f.record(t, f.says("m", pair, "STOP")) }, permissions.DoNotCall},
		"opt-out elsewhere": {func(t *testing.T, f *fixture) {
			t.Helper()
			f.record(t, f.says("m", permissions.Pair{Business: strictPhone, User: ann}, "stop calling me"))
		}, permissions.DoNotCall},
		"reject": {func(t *testing.T, f *fixture) {
			t.Helper()
			f.record(t, permissions.Event{ID: "d", Kind: permissions.Declined, Pair: pair, At: f.clock(), Auth: permissions.AuthHMAC})
		}, permissions.Superseded},
		"reject and a new grant": {func(t *testing.T, f *fixture) {
			t.Helper()
			f.record(t, permissions.Event{ID: "d", Kind: permissions.Declined, Pair: pair, At: f.clock(), Auth: permissions.AuthHMAC})
			f.advance(time.Second)
			f.record(t, f.grant("g2", pair))
		}, permissions.Superseded},
		"an old reject arrives late": {func(t *testing.T, f *fixture) {
			t.Helper()
			f.record(t, permissions.Event{ID: "d", Kind: permissions.Declined, Pair: pair, At: f.clock().Add(-time.Hour), Auth: permissions.AuthHMAC})
		}, ""},
		"the agent took a week to answer": {func(_ *testing.T, f *fixture) { f.advance(168*time.Hour - 30*time.Second) }, permissions.PermissionExpired},
		"the subject was merged": {func(t *testing.T, f *fixture) {
			t.Helper()
			f.record(t, f.says("older", permissions.Pair{Business: metaNumber, User: annBSUID}, "hello"))
			e := f.says("both", pair, "hello")
			e.Aliases = []permissions.User{annBSUID}
			f.record(t, e)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.record(t, f.grant("g1", pair))
			ticket, d := f.authorize(t, pair, "c1")
			require.True(t, d.Allow)
			require.Equal(t, "g1", ticket.Permission().Grant)
			tc.between(t, f)
			err := ticket.Confirm(t.Context())
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			var refusal *permissions.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, tc.want, refusal.Decision.Reason)
			require.False(t, refusal.Decision.Allow)
			kinds := f.kinds(t)
			require.Equal(t, "decision.refused", kinds[len(kinds)-1])
			require.Equal(t, permissions.AttemptInProgress, verdicts(f.check(t, pair))["attempt_in_progress"], "the caller settles it")
			f.settle(t, ticket, permissions.OutcomeCancelled)
		})
	}
}

func TestSettle(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	ticket, _ := f.authorize(t, pair, "c1")
	settle := func(o permissions.Outcome) error {
		return f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error { return ticket.Settle(ctx, tx, o) })
	}
	require.ErrorIs(t, settle("fine"), permissions.ErrOutcome)
	require.NoError(t, settle(permissions.OutcomeUnanswered))
	n := len(f.kinds(t))
	require.NoError(t, settle(permissions.OutcomeUnanswered))
	require.Len(t, f.kinds(t), n, "the second time changes nothing")
	require.ErrorIs(t, settle(permissions.OutcomeConnected), permissions.ErrSettled)
	_, _, err := f.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c1"})
	require.ErrorIs(t, err, permissions.ErrCallID)
	_, _, err = f.Authorize(t.Context(), permissions.Attempt{Pair: pair})
	require.ErrorIs(t, err, permissions.ErrCallID)
}

// TestProvidersRefusalIsAsked: after "no approved permission" there is no second
// attempt until the provider was asked.
func TestProvidersRefusalIsAsked(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	ticket, _ := f.authorize(t, pair, "c1")
	f.advance(time.Second)
	f.settle(t, ticket, permissions.OutcomeRefused)
	d := f.check(t, pair)
	require.Equal(t, permissions.PermissionUnverified, d.Reason)
	require.Zero(t, d.RetryAfter, "waiting explains nothing")
	for _, r := range d.Rules {
		if r.Name == "permission_verified" {
			require.NotEmpty(t, r.Inputs["doubt"])
		}
	}
	f.advance(time.Second)
	f.record(t, permissions.Event{
		ID: "rb", Kind: permissions.ReadBack, Pair: pair, At: f.clock(), Auth: permissions.AuthReadBack, Ref: "g1",
		Provided: &permissions.ProviderState{Status: permissions.StatusTemporary},
	})
	require.True(t, f.check(t, pair).Allow)
}

func TestRecover(t *testing.T) {
	f := newFixture(t)
	other := permissions.Pair{Business: metaNumber, User: bob}
	f.record(t, f.grant("g1", pair), f.grant("g2", other))
	f.authorize(t, pair, "c1")
	f.authorize(t, other, "c2")
	f.open(t)
	left, err := f.Recover(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"c1", "c2"}, left)
	left, err = f.Recover(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, 1, s.Connected, "it may have connected, so it counts against the limit")
	require.True(t, f.check(t, pair).Allow)
	require.NoError(t, f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		for call, want := range map[string]bool{"c1": true, "c9": false} {
			got, err := f.Reserved(ctx, tx, call)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		return nil
	}))
}
