package permissions

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	testBase = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	testPair = Pair{Business: "+6531234567", User: "+6591234567"}
)

func testPacks(t require.TestingT) packs {
	ps, err := loadPacks(packFiles)
	require.NoError(t, err)
	return ps
}

// drawHistory makes up to n events whose times collide often.
func drawHistory(t *rapid.T, n int) []Event {
	kinds := []EventKind{
		Granted, Granted, Granted, Declined, Revoked, OptedOut, OptOutLifted, OptOutLifted,
		ReadBack, Requested, Attempted, Settled, Called,
	}
	if rapid.Bool().Draw(t, "state only") {
		kinds = []EventKind{Granted, Granted, Granted, Declined, OptedOut, OptOutLifted, OptOutLifted, ReadBack}
	}
	count := rapid.IntRange(0, n).Draw(t, "events")
	events := make([]Event, count)
	for i := range events {
		step := rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Hour}).Draw(t, "step")
		e := Event{
			ID: fmt.Sprintf("e%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Pair: testPair,
			At:        testBase.Add(step * time.Duration(rapid.IntRange(0, 9).Draw(t, "at"))),
			Auth:      rapid.SampledFrom([]Auth{AuthHMAC, AuthBearer, AuthReadBack}).Draw(t, "auth"),
			Automatic: rapid.Bool().Draw(t, "automatic"),
		}
		switch e.Kind {
		case Granted:
			e.Permanent = rapid.IntRange(0, 3).Draw(t, "permanent") == 0
			fallthrough
		case ReadBack:
			if !e.Permanent && rapid.Bool().Draw(t, "expires") {
				e.Expires = e.At.Add(time.Hour * time.Duration(rapid.IntRange(1, 200).Draw(t, "hours")))
			}
			if e.Kind == Granted {
				break
			}
			fallthrough
		case Attempted, Settled, Called:
			if rapid.Bool().Draw(t, "refers") {
				e.Ref = fmt.Sprintf("e%d", rapid.IntRange(0, count-1).Draw(t, "ref"))
			}
			e.Outcome = rapid.SampledFrom([]Outcome{OutcomeConnected, OutcomeUnanswered, OutcomeUnknown}).Draw(t, "outcome")
		default:
		}
		events[i] = e
	}
	return events
}

// permutations calls f with every order of events.
func permutations(events []Event, f func([]Event)) {
	var walk func(int)
	walk = func(k int) {
		if k == len(events) {
			f(slices.Clone(events))
			return
		}
		for i := k; i < len(events); i++ {
			events[k], events[i] = events[i], events[k]
			walk(k + 1)
			events[k], events[i] = events[i], events[k]
		}
	}
	walk(0)
}

// TestProjectIsAFunctionOfTheSet: whatever order and however often events come,
// the state is the same, and it is the one that the rules say.
func TestProjectIsAFunctionOfTheSet(t *testing.T) {
	ps := testPacks(t)
	rapid.Check(t, func(t *rapid.T) {
		events := drawHistory(t, 8)
		now := testBase.Add(time.Minute * time.Duration(rapid.IntRange(0, 14*24*60).Draw(t, "now")))
		p := ps.at(rapid.SampledFrom([]string{"8x8-strict", "meta"}).Draw(t, "pack"), now)
		want := project(testPair, "s", events, p, now)
		require.Equal(t, modelOf(events, p, now), seen(want), "%v", events)

		same := func(order []Event) {
			require.Equal(t, want, project(testPair, "s", order, p, now))
		}
		if len(events) <= 5 {
			permutations(slices.Clone(events), same)
			return
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range 60 {
			order := slices.Clone(events)
			for range r.IntN(6) {
				order = append(order, events[r.IntN(len(events))])
			}
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			same(order)
		}
	})
}

// TestEveryOrderOfEight goes through all 40,320 orders of one hard history.
func TestEveryOrderOfEight(t *testing.T) {
	at := func(s int) time.Time { return testBase.Add(time.Duration(s) * time.Second) }
	events := []Event{
		{ID: "g1", Kind: Granted, At: at(0), Auth: AuthHMAC, Permanent: true},
		{ID: "d1", Kind: Declined, At: at(1)},
		{ID: "g2", Kind: Granted, At: at(1), Auth: AuthHMAC},
		{ID: "o1", Kind: OptedOut, At: at(2)},
		{ID: "a1", Kind: Granted, At: at(3), Automatic: true, Auth: AuthHMAC},
		{ID: "l1", Kind: OptOutLifted, At: at(4)},
		{ID: "g3", Kind: Granted, At: at(5), Auth: AuthBearer},
		{ID: "r1", Kind: ReadBack, At: at(5), Auth: AuthReadBack},
	}
	p := testPacks(t).at("meta", testBase)
	want := project(testPair, "s", events, p, at(10))
	require.Equal(t, "g3", want.Grant)
	require.True(t, want.Verified)
	require.EqualValues(t, 2, want.Epoch)
	permutations(events, func(order []Event) {
		if got := project(testPair, "s", order, p, at(10)); got != want {
			require.Equal(t, want, got)
		}
	})
}

// TestPrecedence names the rules one by one.
func TestPrecedence(t *testing.T) {
	at := func(h int) time.Time { return testBase.Add(time.Duration(h) * time.Hour) }
	grant := func(h int) Event { return Event{ID: fmt.Sprint("g", h), Kind: Granted, At: at(h), Auth: AuthHMAC} }
	auto := func(h int) Event {
		return Event{ID: fmt.Sprint("a", h), Kind: Granted, At: at(h), Auth: AuthHMAC, Automatic: true}
	}
	of := func(k EventKind, h int) Event { return Event{ID: fmt.Sprint(k, h), Kind: k, At: at(h)} }
	for name, tc := range map[string]struct {
		events []Event
		now    int
		want   Reason
	}{
		"nothing known":     {nil, 1, NoPermission},
		"granted":           {[]Event{grant(0)}, 1, Allowed},
		"later reject wins": {[]Event{grant(0), of(Declined, 1)}, 2, PermissionDeclined},
		"late old grant does not beat the reject":   {[]Event{of(Declined, 1), grant(0)}, 2, PermissionDeclined},
		"late old reject does not beat the grant":   {[]Event{grant(1), of(Declined, 0)}, 2, Allowed},
		"a tie goes to the reject":                  {[]Event{of(Declined, 1), grant(1)}, 2, PermissionDeclined},
		"a reject is no do-not-call":                {[]Event{of(Declined, 0), grant(1)}, 2, Allowed},
		"an automatic grant overcomes a reject":     {[]Event{of(Declined, 0), auto(1)}, 2, Allowed},
		"revoked":                                   {[]Event{grant(0), of(Revoked, 1)}, 2, PermissionRevoked},
		"opt-out":                                   {[]Event{grant(0), of(OptedOut, 1)}, 2, DoNotCall},
		"opt-out stands against the user's grant":   {[]Event{of(OptedOut, 1), grant(2)}, 3, DoNotCall},
		"lifting restores nothing":                  {[]Event{grant(0), of(OptedOut, 1), of(OptOutLifted, 2)}, 3, PermissionRevoked},
		"a grant before the lifting does not count": {[]Event{of(OptedOut, 1), grant(2), of(OptOutLifted, 3)}, 4, PermissionRevoked},
		"a grant with the lifting does not count":   {[]Event{of(OptedOut, 1), grant(3), of(OptOutLifted, 3)}, 4, PermissionRevoked},
		"a new grant after the lifting counts":      {[]Event{of(OptedOut, 1), of(OptOutLifted, 2), grant(3)}, 4, Allowed},
		"an automatic one never beats an opt-out":   {[]Event{of(OptedOut, 1), of(OptOutLifted, 2), auto(3)}, 4, PermissionRevoked},
		"automatic again after the user's own":      {[]Event{of(OptedOut, 0), of(OptOutLifted, 1), grant(2), of(Declined, 3), auto(4)}, 5, Allowed},
		"opted out again":                           {[]Event{of(OptedOut, 1), of(OptOutLifted, 2), of(OptedOut, 3)}, 4, DoNotCall},
		"a late first opt-out stays lifted":         {[]Event{of(OptOutLifted, 2), grant(3), of(OptedOut, 1)}, 4, Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			got := project(testPair, "s", tc.events, testPacks(t).at("meta", testBase), at(tc.now))
			require.Equal(t, tc.want, got.Reason)
			require.Equal(t, tc.want == Allowed, got.Status != StatusNone)
		})
	}
}

// TestExpirySweep steps over the expiry second by second: the interval is half
// open and ends a skew margin early.
func TestExpirySweep(t *testing.T) {
	ps := testPacks(t)
	granted := testBase
	for name, tc := range map[string]struct {
		pack    string
		event   Event
		expires time.Time // zero: never
	}{
		"8x8 caps the provider's week":       {"8x8-strict", Event{Expires: granted.Add(168 * time.Hour)}, granted.Add(24 * time.Hour)},
		"8x8 takes the provider's 8 hours":   {"8x8-strict", Event{Expires: granted.Add(8 * time.Hour)}, granted.Add(8 * time.Hour)},
		"8x8 gives a day when none is named": {"8x8-strict", Event{}, granted.Add(24 * time.Hour)},
		"8x8 caps permanent":                 {"8x8-strict", Event{Permanent: true}, granted.Add(24 * time.Hour)},
		"meta takes the provider's 16 days":  {"meta", Event{Expires: granted.Add(384 * time.Hour)}, granted.Add(384 * time.Hour)},
		"meta gives a week":                  {"meta", Event{}, granted.Add(168 * time.Hour)},
		"meta honours permanent":             {"meta", Event{Permanent: true}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := tc.event
			e.ID, e.Kind, e.At, e.Auth = "g", Granted, granted, AuthHMAC
			p := ps.at(tc.pack, granted)
			if tc.expires.IsZero() {
				s := project(testPair, "s", []Event{e}, p, granted.AddDate(20, 0, 0))
				require.Equal(t, StatusPermanent, s.Status)
				return
			}
			for d := -180; d <= 120; d++ {
				now := tc.expires.Add(time.Duration(d) * time.Second)
				s := project(testPair, "s", []Event{e}, p, now)
				require.Equal(t, tc.expires, s.Expires)
				require.Equal(t, d < -60, s.Reason == Allowed, "%d s after expiry", d)
			}
		})
	}
}
