package permissions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

var strictPair = permissions.Pair{Business: strictPhone, User: ann}

func (f *fixture) apply(tb testing.TB, c permissions.Change) (*permissions.Approval, error) {
	tb.Helper()
	if c.Actor == "" {
		c.Actor = "ops"
	}
	if c.Reason == "" {
		c.Reason = "asked by phone"
	}
	return f.Apply(tb.Context(), c)
}

func (f *fixture) state(tb testing.TB, p permissions.Pair) permissions.Permission {
	tb.Helper()
	s, err := f.Permission(tb.Context(), p)
	require.NoError(tb, err)
	return s
}

// TestWhatWidensNeedsASecondPerson under a pack that says so, and nothing has
// changed until they agreed.
func TestWhatWidensNeedsASecondPerson(t *testing.T) {
	f := newWorld(t, nil)
	c := permissions.Change{Kind: permissions.Granted, Pair: strictPair, Expires: f.clock().Add(time.Hour), Evidence: "call recording 17", Actor: "ops"}
	a, err := f.apply(t, c)
	require.NoError(t, err)
	require.NotNil(t, a)
	require.Equal(t, "pending", a.State)
	require.Equal(t, f.clock().Add(7*24*time.Hour), a.LapsesAt)
	require.Equal(t, permissions.NoPermission, f.check(t, strictPair).Reason)

	_, err = f.Approve(t.Context(), a.ID, "ops")
	require.ErrorIs(t, err, permissions.ErrSameActor)
	_, err = f.Approve(t.Context(), a.ID, " ")
	require.ErrorIs(t, err, permissions.ErrReason)
	_, err = f.Approve(t.Context(), "nothing", "chief")
	require.ErrorIs(t, err, permissions.ErrApproval)
	f.advance(time.Minute)
	done, err := f.Approve(t.Context(), a.ID, "chief")
	require.NoError(t, err)
	require.Equal(t, []string{"approved", "chief"}, []string{done.State, done.DecidedBy})
	require.Equal(t, f.clock(), done.DecidedAt)
	s := f.state(t, strictPair)
	require.Equal(t, done.Event, s.Grant)
	require.Equal(t, permissions.AuthOperator, s.GrantAuth)
	require.Equal(t, permissions.PermissionUnverified, f.check(t, strictPair).Reason, "the provider has to confirm it")
	events, err := f.Events(t.Context(), strictPair)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, a.ID, events[0].Approval)
	require.Equal(t, "ops", events[0].Actor)
	require.Contains(t, events[0].Reason, "call recording 17")
	_, err = f.Approve(t.Context(), a.ID, "chief")
	require.ErrorIs(t, err, permissions.ErrDecided)
	_, err = f.Reject(t.Context(), a.ID, "chief", "late")
	require.ErrorIs(t, err, permissions.ErrDecided)
	require.Equal(t, []string{"approval.proposed", "permission.granted", "approval.approved"}, f.lastKinds(t, 3))
}

// lastKinds are the kinds of the last n audit entries, decisions left out.
func (f *fixture) lastKinds(tb testing.TB, n int) []string {
	tb.Helper()
	kinds := slices.DeleteFunc(f.kinds(tb), func(k string) bool { return k == "decision.refused" || k == "decision.allowed" })
	return kinds[max(0, len(kinds)-n):]
}

// TestWhoNeedsASecondPerson: it is the pack that says so, and for what holds
// everywhere the strictest of all packs. What narrows never waits.
func TestWhoNeedsASecondPerson(t *testing.T) {
	end := func(f *fixture) time.Time { return f.clock().Add(time.Hour) }
	for name, tc := range map[string]struct {
		change   func(t *testing.T, f *fixture) permissions.Change
		proposed bool
		kinds    []string
	}{
		"a grant by the strict pack": {func(t *testing.T, f *fixture) permissions.Change {
			t.Helper()
			return permissions.Change{Kind: permissions.Granted, Pair: strictPair, Expires: end(f)}
		}, true, []string{"approval.proposed"}},
		"a grant by Meta's": {func(t *testing.T, f *fixture) permissions.Change {
			t.Helper()
			return permissions.Change{Kind: permissions.Granted, Pair: pair, Expires: end(f)}
		}, false, []string{"permission.granted"}},
		"a revocation": {func(*testing.T, *fixture) permissions.Change {
			return permissions.Change{Kind: permissions.Revoked, Pair: strictPair}
		}, false, []string{"permission.revoked"}},
		"an opt-out from everything": {func(*testing.T, *fixture) permissions.Change {
			return permissions.Change{Kind: permissions.OptedOut, Pair: permissions.Pair{User: ann}}
		}, false, []string{"dnc.added"}},
		"a zone": {func(*testing.T, *fixture) permissions.Change {
			return permissions.Change{Kind: permissions.Located, Pair: permissions.Pair{User: ann}, Zone: "Asia/Tokyo"}
		}, false, []string{"subject.located"}},
		"a lifting for all, by the strictest": {func(t *testing.T, f *fixture) permissions.Change {
			t.Helper()
			_, _ = f.Apply(t.Context(), permissions.Change{Kind: permissions.OptedOut, Pair: permissions.Pair{User: ann}, Actor: "ops", Reason: "r"})
			return permissions.Change{Kind: permissions.OptOutLifted, Pair: permissions.Pair{User: ann}}
		}, true, []string{"dnc.added", "approval.proposed"}},
		"a lifting by one number is for all": {func(t *testing.T, f *fixture) permissions.Change {
			t.Helper()
			_, _ = f.Apply(t.Context(), permissions.Change{Kind: permissions.OptedOut, Pair: permissions.Pair{User: ann}, Actor: "ops", Reason: "r"})
			return permissions.Change{Kind: permissions.OptOutLifted, Pair: pair}
		}, true, []string{"dnc.added", "approval.proposed"}},
		"messages again": {func(t *testing.T, f *fixture) permissions.Change {
			t.Helper()
			said(permissions.Event{Kind: permissions.MessagesStopped})(t, f)
			return permissions.Change{Kind: permissions.MessagesResumed, Pair: pair}
		}, false, []string{"message.stopped", "message.resumed"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newWorld(t, nil)
			a, err := f.apply(t, tc.change(t, f))
			require.NoError(t, err)
			require.Equal(t, tc.proposed, a != nil)
			require.Equal(t, tc.kinds, f.lastKinds(t, len(tc.kinds)))
		})
	}
}

func TestChangesThatCannotBe(t *testing.T) {
	refusing := `{"name": "no-operator", "version": "1", "valid_from": "2026-01-01", "base": "meta",
		"grant": {"operator": false}, "sources": {"grant.operator": "ours"}}`
	temporary := `{"name": "temporary", "version": "1", "valid_from": "2026-01-01", "base": "meta",
		"grant": {"permanent": "refuse"}, "sources": {"grant.permanent": "ours"}}`
	f := newWorld(t, []string{refusing, temporary},
		permissions.Business{Number: metaNumber, Account: "acme-meta", Rules: "meta-any-hour"},
		permissions.Business{Number: strictPhone, Account: "none", Rules: "no-operator"},
		permissions.Business{Number: "+6531234569", Account: "temporary", Rules: "temporary"})
	hour := f.clock().Add(time.Hour)
	said(permissions.Event{Kind: permissions.MessagesStopped, Category: "marketing", Pair: permissions.Pair{Business: metaNumber, User: bob}})(t, f)
	for name, tc := range map[string]struct {
		c    permissions.Change
		want error
	}{
		"no user":               {permissions.Change{Kind: permissions.Revoked, Pair: permissions.Pair{Business: metaNumber, User: "ann"}}, permissions.ErrUser},
		"no actor":              {permissions.Change{Kind: permissions.Revoked, Pair: pair, Actor: " "}, permissions.ErrReason},
		"no reason":             {permissions.Change{Kind: permissions.Revoked, Pair: pair, Reason: "\n"}, permissions.ErrReason},
		"another's number":      {permissions.Change{Kind: permissions.Revoked, Pair: permissions.Pair{Business: "+6500000000", User: ann}}, permissions.ErrBusiness},
		"a grant for all":       {permissions.Change{Kind: permissions.Granted, Pair: permissions.Pair{User: ann}, Expires: hour}, permissions.ErrBusiness},
		"another kind":          {permissions.Change{Kind: permissions.Called, Pair: pair}, permissions.ErrChange},
		"without an end":        {permissions.Change{Kind: permissions.Granted, Pair: pair}, permissions.ErrChange},
		"for ever until then":   {permissions.Change{Kind: permissions.Granted, Pair: pair, Permanent: true, Expires: hour}, permissions.ErrChange},
		"ended":                 {permissions.Change{Kind: permissions.Granted, Pair: pair, Expires: f.clock()}, permissions.ErrChange},
		"no grants by anyone":   {permissions.Change{Kind: permissions.Granted, Pair: strictPair, Expires: hour}, permissions.ErrChange},
		"no permanent grants":   {permissions.Change{Kind: permissions.Granted, Pair: permissions.Pair{Business: "+6531234569", User: ann}, Permanent: true}, permissions.ErrChange},
		"no such zone":          {permissions.Change{Kind: permissions.Located, Pair: pair, Zone: "Mars/Olympus"}, permissions.ErrChange},
		"not on the list":       {permissions.Change{Kind: permissions.OptOutLifted, Pair: permissions.Pair{User: ann}}, permissions.ErrNotListed},
		"messages not stopped":  {permissions.Change{Kind: permissions.MessagesResumed, Pair: pair}, permissions.ErrNotListed},
		"the platform's switch": {permissions.Change{Kind: permissions.MessagesResumed, Pair: permissions.Pair{Business: metaNumber, User: bob}}, permissions.ErrChange},
	} {
		n := len(f.kinds(t))
		a, err := f.apply(t, tc.c)
		require.ErrorIs(t, err, tc.want, name)
		require.Nil(t, a, name)
		require.Len(t, f.kinds(t), n, "nothing is written: %s", name)
	}
}

// TestAnOperatorsGrantOvercomesNoOptOut, not when it is proposed, not when it was
// proposed before, and not after the opt-out was lifted: then only the user's own
// new grant counts.
func TestAnOperatorsGrantOvercomesNoOptOut(t *testing.T) {
	f := newWorld(t, nil)
	grant := permissions.Change{Kind: permissions.Granted, Pair: strictPair, Expires: f.clock().Add(100 * time.Hour)}
	a, err := f.apply(t, grant)
	require.NoError(t, err)
	f.record(t, f.says("m", strictPair, "stop calls"))
	_, err = f.apply(t, grant)
	require.ErrorIs(t, err, permissions.ErrChange)
	_, err = f.Approve(t.Context(), a.ID, "chief")
	require.ErrorIs(t, err, permissions.ErrChange)
	require.Equal(t, permissions.DoNotCall, f.check(t, strictPair).Reason)

	lift, err := f.apply(t, permissions.Change{Kind: permissions.OptOutLifted, Pair: permissions.Pair{User: ann}})
	require.NoError(t, err)
	f.advance(time.Second)
	_, err = f.Approve(t.Context(), lift.ID, "chief")
	require.NoError(t, err)
	f.advance(time.Second)
	_, err = f.Approve(t.Context(), a.ID, "chief")
	require.ErrorIs(t, err, permissions.ErrChange)
	require.Equal(t, permissions.StatusNone, f.state(t, strictPair).Status)
	f.record(t, f.grant("anew", strictPair))
	require.True(t, f.check(t, strictPair).Allow)
}

func TestAProposalLapses(t *testing.T) {
	f := newWorld(t, nil)
	grant := permissions.Change{Kind: permissions.Granted, Pair: strictPair, Permanent: true}
	first, err := f.apply(t, grant)
	require.NoError(t, err)
	f.advance(7*24*time.Hour - time.Millisecond)
	second, err := f.apply(t, grant)
	require.NoError(t, err)
	pending, _, err := f.Approvals(t.Context(), true, permissions.Page{})
	require.NoError(t, err)
	require.Len(t, pending, 2)
	f.advance(time.Millisecond)
	pending, _, err = f.Approvals(t.Context(), true, permissions.Page{})
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, second.ID, pending[0].ID)
	_, err = f.Approve(t.Context(), first.ID, "chief")
	require.ErrorIs(t, err, permissions.ErrDecided)
	list, _, err := f.Approvals(t.Context(), false, permissions.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{"pending", "lapsed"}, []string{list[0].State, list[1].State})

	_, err = f.Reject(t.Context(), second.ID, "ops", "")
	require.ErrorIs(t, err, permissions.ErrReason)
	withdrawn, err := f.Reject(t.Context(), second.ID, "ops", "a mistake")
	require.NoError(t, err, "who proposed it may withdraw it")
	require.Equal(t, []string{"rejected", "ops"}, []string{withdrawn.State, withdrawn.DecidedBy})
	require.Equal(t, []string{"approval.proposed", "approval.rejected"}, f.lastKinds(t, 2))
	require.Equal(t, permissions.StatusNone, f.state(t, strictPair).Status)
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Kind: "approval.rejected", Limit: 1})
	require.NoError(t, err)
	var kept permissions.Approval
	require.NoError(t, json.Unmarshal(entries[0].Payload, &kept))
	require.Equal(t, "a mistake", kept.Rejection)
	require.NotEmpty(t, entries[0].Subject, "sealed under the user")
}

func TestApprovalsAreListedNewestFirst(t *testing.T) {
	f := newWorld(t, nil)
	var want []string
	for i := range 5 {
		p := permissions.Pair{Business: strictPhone, User: permissions.User(fmt.Sprintf("+659000000%d", i))}
		a, err := f.apply(t, permissions.Change{Kind: permissions.Granted, Pair: p, Permanent: true})
		require.NoError(t, err)
		want = append([]string{string(p.User)}, want...)
		require.Equal(t, p.User, a.User)
		f.advance(time.Millisecond)
	}
	for _, pending := range []bool{true, false} {
		var got []string
		page := permissions.Page{Limit: 2}
		for {
			list, next, err := f.Approvals(t.Context(), pending, page)
			require.NoError(t, err)
			for _, a := range list {
				got = append(got, string(a.User))
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, want, got)
	}
	_, _, err := f.Approvals(t.Context(), false, permissions.Page{Cursor: "x"})
	require.ErrorIs(t, err, permissions.ErrCursor)
	var numbers int
	require.NoError(t, f.db.Read.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM approvals WHERE reason LIKE '%+65%' OR subject LIKE '%+65%'`).Scan(&numbers))
	require.Zero(t, numbers, "the rows hold no address")
}

// TestOptOutByAnOperatorIsOnce: who is on the list stays under the first entry.
func TestOptOutByAnOperatorIsOnce(t *testing.T) {
	f := newWorld(t, nil)
	c := permissions.Change{Kind: permissions.OptedOut, Pair: permissions.Pair{User: ann}}
	_, err := f.apply(t, c)
	require.NoError(t, err)
	n := len(f.kinds(t))
	_, err = f.apply(t, c)
	require.NoError(t, err)
	require.Len(t, f.kinds(t), n)
	entry, ok, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "ops", entry.Actor)
}
