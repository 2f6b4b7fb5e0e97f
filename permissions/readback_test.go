package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

func temporary(expires time.Time) permissions.ProviderState {
	return permissions.ProviderState{Status: permissions.StatusTemporary, Expires: expires}
}

func (f *fixture) read(tb testing.TB, p permissions.Pair, s permissions.ProviderState) {
	tb.Helper()
	require.NoError(tb, f.Read(tb.Context(), p, s, permissions.DoubtAge))
}

func (f *fixture) doubt(tb testing.TB, p permissions.Pair) permissions.Doubt {
	tb.Helper()
	d, err := f.Doubtful(tb.Context(), p)
	require.NoError(tb, err)
	return d
}

var none = permissions.ProviderState{Status: permissions.StatusNone}

// silent is a world with an account whose provider tells no automatic grants.
func silent(tb testing.TB) *fixture {
	tb.Helper()
	return newWorld(tb, nil,
		permissions.Business{Number: metaNumber, Account: "acme-meta", Rules: "meta-any-hour"},
		permissions.Business{Number: strictPhone, Account: "acme-8x8", Rules: "8x8-strict-any-hour", Silent: true})
}

func TestWhenAProviderIsAsked(t *testing.T) {
	f := silent(t)
	quiet := permissions.Pair{Business: strictPhone, User: ann}
	require.Equal(t, permissions.NoDoubt, f.doubt(t, pair), "Meta tells everything")
	require.Equal(t, permissions.DoubtUnheard, f.doubt(t, quiet))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, permissions.Pair{Business: "+6500000000", User: ann}))
	g := f.grant("g8", quiet)
	g.Auth = permissions.AuthBearer
	f.record(t, f.grant("gm", pair), g)
	require.Equal(t, permissions.DoubtUnsigned, f.doubt(t, quiet))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, pair))
	f.read(t, quiet, temporary(f.clock().Add(24*time.Hour)))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, quiet))
	f.advance(24 * time.Hour)
	require.Equal(t, permissions.DoubtAge, f.doubt(t, pair), "a day old")
	require.Equal(t, permissions.DoubtUnheard, f.doubt(t, quiet), "it has ended")
	f.read(t, pair, temporary(f.clock().Add(100*time.Hour)))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, pair))
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, quiet), "no answer could lead to a dial")
}

// TestProvidersRefusalIsLookedInto: one refusal puts the grant in doubt, a read-back
// clears it, and a second refusal after that ends it.
func TestProvidersRefusalIsLookedInto(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	refuse := func(call string) {
		ticket, d := f.authorize(t, pair, call)
		require.True(t, d.Allow, d.Reason)
		f.advance(time.Second)
		f.settle(t, ticket, permissions.OutcomeRefused)
		f.advance(time.Second)
	}
	refuse("c1")
	require.Equal(t, permissions.DoubtRefused, f.doubt(t, pair))
	_, d := f.authorize(t, pair, "c2")
	require.Equal(t, permissions.PermissionUnverified, d.Reason, "nobody is dialled while it is in doubt")
	require.Empty(t, f.hand, "nothing is cancelled for a doubt")
	f.read(t, pair, temporary(time.Time{}))
	require.Equal(t, permissions.NoDoubt, f.doubt(t, pair))
	refuse("c3")
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	require.Len(t, f.hand, 1)
	require.Equal(t, "callctl/settled/c3", f.hand[0].Event)
	// The provider that says so once more is not believed about the same grant.
	f.read(t, pair, temporary(time.Time{}))
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	f.record(t, f.grant("g2", pair))
	require.True(t, f.check(t, pair).Allow)
}

// TestWhatTheProviderForgotIsRevoked: an automatic revocation that nobody forwarded.
func TestWhatTheProviderForgotIsRevoked(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	f.advance(time.Minute)
	f.read(t, pair, none)
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	require.Len(t, f.hand, 1)
	kinds := f.kinds(t)
	require.Equal(t, []string{"permission.revoked", "permission.read_back"}, kinds[len(kinds)-2:])
	f.read(t, pair, none)
	require.Len(t, f.hand, 1, "there is nothing more to take")
	late := f.grant("late", pair)
	late.At = late.At.Add(-30 * time.Second)
	f.record(t, late)
	require.False(t, f.check(t, pair).Allow, "it was gone when the provider was asked")

	// What had ended by itself was not revoked.
	g := f.grant("g2", permissions.Pair{Business: metaNumber, User: bob})
	g.Expires = f.clock().Add(time.Hour)
	f.record(t, g)
	f.advance(2 * time.Hour)
	f.read(t, g.Pair, none)
	require.Equal(t, permissions.PermissionExpired, f.check(t, g.Pair).Reason)
}

// TestReadBackRestartsNoClock: the same grant read back again and again stays as old
// as it is.
func TestReadBackRestartsNoClock(t *testing.T) {
	f := silent(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	begin := f.clock()
	ends := begin.Add(168*time.Hour - 10*time.Minute) // the user called us ten minutes ago
	f.read(t, p, temporary(ends))
	s, err := f.Permission(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, begin.Add(-10*time.Minute), s.GrantedAt, "when it was given at the earliest")
	require.True(t, s.Verified)
	require.True(t, f.check(t, p).Allow)
	for range 30 {
		f.advance(time.Hour)
		f.read(t, p, temporary(ends.Add(30*time.Second))) // another clock's rounding
	}
	require.Equal(t, permissions.PermissionExpired, f.check(t, p).Reason, "24 hours are over by the strict rules")
	f.read(t, p, temporary(f.clock().Add(168*time.Hour)))
	require.True(t, f.check(t, p).Allow, "a later end is another grant's")

	// After a reject it was given after the reject.
	f.advance(time.Minute)
	f.record(t, permissions.Event{ID: "no", Kind: permissions.Declined, Pair: p, At: f.clock(), Auth: permissions.AuthBearer})
	rejected := f.clock()
	f.advance(time.Minute)
	f.read(t, p, temporary(rejected.Add(100*time.Hour)))
	s, err = f.Permission(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, rejected.Add(time.Millisecond), s.GrantedAt)
}

// TestGrantedSinceTheLastQuestion: what the provider did not know when it was asked
// was given after that, whatever its expiry suggests.
func TestGrantedSinceTheLastQuestion(t *testing.T) {
	f := silent(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	f.read(t, p, none)
	asked := f.clock()
	f.advance(time.Hour)
	f.read(t, p, temporary(f.clock().Add(100*time.Hour)))
	s, err := f.Permission(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, permissions.StatusTemporary, s.Status)
	require.Equal(t, asked.Add(time.Millisecond), s.GrantedAt)
	require.True(t, f.check(t, p).Allow)
}

// TestNothingReadBackBeatsAnOptOut.
func TestNothingReadBackBeatsAnOptOut(t *testing.T) {
	f := silent(t)
	p := permissions.Pair{Business: strictPhone, User: ann}
	f.record(t, f.says("m", p, "stop calls"))
	f.advance(time.Minute)
	f.read(t, p, permissions.ProviderState{Status: permissions.StatusPermanent})
	require.Equal(t, permissions.DoNotCall, f.check(t, p).Reason)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "asked again"))
	f.advance(time.Minute)
	f.read(t, p, permissions.ProviderState{Status: permissions.StatusPermanent})
	require.Equal(t, permissions.PermissionRevoked, f.check(t, p).Reason, "only the user's own new word counts")
}

func TestReadRefusesStrangers(t *testing.T) {
	f := newFixture(t)
	require.ErrorIs(t, f.Read(t.Context(), permissions.Pair{Business: "+6500000000", User: ann}, none, permissions.DoubtAge), permissions.ErrBusiness)
	require.ErrorIs(t, f.Read(t.Context(), permissions.Pair{Business: metaNumber, User: "x"}, none, permissions.DoubtAge), permissions.ErrUser)
}

// TestDriftIsSaidOncePerChange: a limit that differs from the rule pack's is kept,
// and is an entry of the audit when it begins, changes and ends.
func TestDriftIsSaidOncePerChange(t *testing.T) {
	f := newFixture(t)
	state := func(calls int) permissions.ProviderState {
		s := none
		s.Actions = []permissions.ProviderAction{
			{Name: "start_call", Limits: []permissions.ProviderLimit{{Period: "PT24H", Max: calls}}},
			{Name: "send_call_permission_request", Limits: []permissions.ProviderLimit{{Period: "PT24H", Max: 1}, {Period: "P7D", Max: 2}, {Period: "hourly", Max: 9}}},
			{Name: "dance", Limits: []permissions.ProviderLimit{{Period: "PT1H", Max: 3}}},
		}
		return s
	}
	entries := func() int {
		list, err := f.log.Entries(t.Context(), audit.Query{After: -1, Kind: "provider.limit_drift", Limit: 100})
		require.NoError(t, err)
		return len(list)
	}
	for _, step := range []struct{ theirs, entries, drifts int }{
		{100, 0, 0}, {5, 1, 1}, {5, 1, 1}, {10, 2, 1}, {100, 3, 0}, {100, 3, 0},
	} {
		f.advance(time.Minute)
		f.read(t, pair, state(step.theirs))
		require.Equal(t, step.entries, entries(), step)
		n, err := f.Number(t.Context(), metaNumber)
		require.NoError(t, err)
		require.Len(t, n.Drift, step.drifts)
		if step.drifts == 1 {
			d := n.Drift[0]
			require.Equal(t, "start_call", d.Action)
			require.Equal(t, "PT24H", d.Period)
			require.Equal(t, 100, d.Ours)
			require.Equal(t, step.theirs, d.Theirs)
			require.Equal(t, f.clock(), d.Seen)
		}
	}
}

// TestStanding lists whom a reconcile run asks about.
func TestStanding(t *testing.T) {
	f := newWorld(t, nil)
	user := func(last byte) permissions.Pair {
		return permissions.Pair{Business: metaNumber, User: permissions.User("+659000000" + string(last))}
	}
	short := f.grant("short", user('1'))
	short.Expires = f.clock().Add(time.Hour)
	forever := f.grant("forever", user('2'))
	forever.Permanent = true
	f.record(t, short, forever, f.grant("gone", user('3')), f.grant("never again", user('4')), f.says("m", user('5'), "hello"))
	require.True(t, f.ask(t, user('6'), "asked").Allow)
	f.advance(time.Minute)
	f.record(t, permissions.Event{ID: "no", Kind: permissions.Declined, Pair: user('3'), At: f.clock(), Auth: permissions.AuthHMAC})
	f.record(t, f.says("stop", user('4'), "stop calls"))
	standing := func() []permissions.User {
		var all []permissions.User
		for page := (permissions.Page{Limit: 1}); ; {
			list, next, err := f.Standing(t.Context(), metaNumber, page)
			require.NoError(t, err)
			for _, p := range list {
				require.Equal(t, metaNumber, p.Business)
				all = append(all, p.User)
			}
			if page.Cursor = next; next == "" {
				return all
			}
		}
	}
	require.ElementsMatch(t, []permissions.User{user('1').User, user('2').User, user('6').User}, standing())
	f.advance(2 * time.Hour)
	require.ElementsMatch(t, []permissions.User{user('2').User, user('6').User}, standing())
	f.advance(8 * 24 * time.Hour)
	require.Equal(t, []permissions.User{user('2').User}, standing())
}

func TestHeartbeat(t *testing.T) {
	f := newFixture(t)
	at, err := f.LastAlive(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero())
	for range 2 {
		f.advance(time.Minute)
		require.NoError(t, f.Alive(t.Context()))
		at, err = f.LastAlive(t.Context())
		require.NoError(t, err)
		require.Equal(t, f.clock(), at)
	}
}
