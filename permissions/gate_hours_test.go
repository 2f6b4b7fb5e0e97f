package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

func lineOf(t *testing.T, d permissions.Decision, name string) permissions.Rule {
	t.Helper()
	for _, r := range d.Rules {
		if r.Name == name {
			return r
		}
	}
	require.Fail(t, "no such rule", name)
	return permissions.Rule{}
}

func quietWorld(t *testing.T) *fixture {
	t.Helper()
	return newWorld(t, nil, permissions.Business{Number: metaNumber, Account: "acme-meta", Rules: "meta"})
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return when
}

// TestQuietHours: by hand from the civil clocks of each place. A number of a
// country with many zones is called only while all of them are awake.
func TestQuietHours(t *testing.T) {
	for name, tc := range map[string]struct {
		user   permissions.User
		at     string
		opens  string // when closed
		closes string // when open
	}{
		"Singapore, a second before 8":   {user: "+6591234567", at: "2026-11-22T23:59:59Z", opens: "2026-11-23T00:00:00Z"},
		"Singapore at 8":                 {user: "+6591234567", at: "2026-11-23T00:00:00Z", closes: "2026-11-23T13:00:00Z"},
		"Singapore at 21":                {user: "+6591234567", at: "2026-11-23T13:00:00Z", opens: "2026-11-24T00:00:00Z"},
		"San José in winter":             {user: "+14085551234", at: "2026-11-22T15:59:59Z", opens: "2026-11-22T16:00:00Z"},
		"San José in summer":             {user: "+14085551234", at: "2026-07-01T14:59:59Z", opens: "2026-07-01T15:00:00Z"},
		"San José, the clocks go back":   {user: "+14085551234", at: "2026-11-01T04:00:00Z", opens: "2026-11-01T16:00:00Z"},
		"San José, the clocks go ahead":  {user: "+14085551234", at: "2026-03-08T05:00:00Z", opens: "2026-03-08T15:00:00Z"},
		"Moscow or Kamchatka, a mobile":  {user: "+79161234567", at: "2026-11-22T05:00:00Z", opens: "2026-11-22T06:00:00Z", closes: ""},
		"the same while all are awake":   {user: "+79161234567", at: "2026-11-22T06:00:00Z", closes: "2026-11-22T09:00:00Z"},
		"the same, Kamchatka at 21":      {user: "+79161234567", at: "2026-11-22T09:00:00Z", opens: "2026-11-23T06:00:00Z"},
		"an Australian mobile in summer": {user: "+61412345678", at: "2026-11-22T23:00:00Z", opens: "2026-11-23T00:00:00Z"},
		"when Perth is awake too":        {user: "+61412345678", at: "2026-11-23T00:00:00Z", closes: "2026-11-23T10:00:00Z"},
		"Kathmandu's three quarters":     {user: "+9779812345678", at: "2026-11-22T02:14:59Z", opens: "2026-11-22T02:15:00Z"},
		"an Adelaide line, in Perth too": {user: "+61881234567", at: "2026-11-22T21:30:00Z", opens: "2026-11-23T00:00:00Z"},
		"a country known from a BSUID":   {user: "SG.13491208655302741918", at: "2026-11-22T23:59:59Z", opens: "2026-11-23T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			f := quietWorld(t)
			f.set(at(t, tc.at).Add(-time.Second))
			p := permissions.Pair{Business: metaNumber, User: tc.user}
			f.record(t, f.grant("g", p))
			f.set(at(t, tc.at))
			q := permissions.Query{Pair: p}
			d := f.question(t, q)
			if tc.opens == "" {
				require.True(t, d.Allow, lineOf(t, d, "quiet_hours"))
				require.Equal(t, at(t, tc.closes), d.Until)
			} else {
				require.Equal(t, permissions.QuietHours, d.Reason)
				require.Equal(t, at(t, tc.opens), d.RetryAfter)
				r := lineOf(t, d, "quiet_hours")
				require.NotEmpty(t, r.Inputs["zone"])
				require.NotEmpty(t, r.Inputs["localTime"])
				require.Contains(t, r.Source, "64.1200")
			}
			f.holds(t, q, d)
			asking := f.question(t, permissions.Query{Pair: p, Action: permissions.RequestPermission})
			require.True(t, asking.Allow, "a message rings no phone")
		})
	}
}

// TestTheCustomersOwnZoneHolds: it replaces the guess from the number.
func TestTheCustomersOwnZoneHolds(t *testing.T) {
	f := quietWorld(t)
	f.set(at(t, "2026-11-22T04:00:00Z")) // noon in Singapore, 4:00 in London
	f.record(t, f.grant("g", pair))
	require.True(t, f.check(t, pair).Allow)
	_, err := f.Apply(t.Context(), permissions.Change{Kind: permissions.Located, Pair: pair, Zone: "Europe/London", Actor: "ops", Reason: "moved"})
	require.NoError(t, err)
	d := f.check(t, pair)
	require.Equal(t, permissions.QuietHours, d.Reason)
	require.Equal(t, at(t, "2026-11-22T08:00:00Z"), d.RetryAfter)
	require.Equal(t, "Europe/London", lineOf(t, d, "quiet_hours").Inputs["zones"])
}

// TestEveryAddressHasItsHours: a user with two numbers may be at either.
func TestEveryAddressHasItsHours(t *testing.T) {
	f := quietWorld(t)
	f.set(at(t, "2026-11-22T04:00:00Z"))
	e := f.grant("g", pair)
	e.Aliases = []permissions.User{"GB.13491208655302741918"}
	f.record(t, e)
	d := f.check(t, pair)
	require.Equal(t, permissions.QuietHours, d.Reason)
	require.Equal(t, at(t, "2026-11-22T08:00:00Z"), d.RetryAfter)
}

// TestWaitingForSeveral: the answer turns when the last of the refusals is over,
// and only if nothing else refuses by then.
func TestWaitingForSeveral(t *testing.T) {
	f := quietWorld(t)
	f.set(at(t, "2026-11-22T10:00:00Z")) // 18:00 in Singapore
	f.record(t, f.grant("g", pair))      // for 168 hours
	n := number(f.clock(), permissions.Restriction, "n")
	n.Type, n.Until = permissions.RestrictedBusinessInitiated, at(t, "2026-11-22T15:00:00Z") // 23:00
	f.notice(t, n)
	d := f.check(t, pair)
	require.Equal(t, permissions.BusinessRestricted, d.Reason)
	require.Equal(t, n.Until, lineOf(t, d, "business_restricted").RetryAt)
	require.Equal(t, at(t, "2026-11-23T00:00:00Z"), d.RetryAfter, "the night is between")
	f.holds(t, permissions.Query{}, d)

	n = number(f.clock().Add(time.Second), permissions.Restriction, "n2")
	n.Type, n.Until = permissions.RestrictedBusinessInitiated, f.clock().Add(168*time.Hour)
	f.advance(time.Second)
	f.notice(t, n)
	d = f.check(t, pair)
	require.Zero(t, d.RetryAfter, "the grant ends before the restriction")
}

// TestConfirmKeepsTheHours: an agent took long to answer, and the user sleeps now.
func TestConfirmKeepsTheHours(t *testing.T) {
	f := quietWorld(t)
	f.set(at(t, "2026-11-22T12:59:30Z"))
	f.record(t, f.grant("g", pair))
	ticket, d := f.authorize(t, pair, "c1")
	require.True(t, d.Allow)
	require.Equal(t, at(t, "2026-11-22T13:00:00Z"), d.Until)
	f.advance(30*time.Second - time.Millisecond)
	require.NoError(t, ticket.Confirm(t.Context()))
	f.advance(time.Millisecond)
	var refusal *permissions.Refusal
	require.ErrorAs(t, ticket.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.QuietHours, refusal.Decision.Reason)
	require.Equal(t, at(t, "2026-11-23T00:00:00Z"), refusal.Decision.RetryAfter)
	require.NotEmpty(t, refusal.Decision.ID)
}

// TestConfirmSeesARestriction and whatever else the rules know by then, while the
// attempt itself counts against nothing.
func TestConfirmSeesARestriction(t *testing.T) {
	f := newWorld(t, nil)
	p := permissions.Pair{Business: strictPhone, User: ann} // one call for each grant
	f.record(t, f.grant("g", p))
	ticket, d := f.authorize(t, p, "c1")
	require.True(t, d.Allow)
	require.NoError(t, ticket.Confirm(t.Context()), "its own attempt is the one call")
	n := number(f.clock(), permissions.Restriction, "n")
	n.Business, n.Type, n.Until = strictPhone, permissions.RestrictedBusinessInitiated, f.clock().Add(time.Hour)
	f.notice(t, n)
	var refusal *permissions.Refusal
	require.ErrorAs(t, ticket.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.BusinessRestricted, refusal.Decision.Reason)
	require.Equal(t, n.Until, refusal.Decision.RetryAfter)
	f.advance(time.Hour)
	require.NoError(t, ticket.Confirm(t.Context()))
}
