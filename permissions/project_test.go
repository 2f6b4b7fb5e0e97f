package permissions

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/geo"
)

var (
	testBase  = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	testBrand = "acme"
	testPair  = Pair{Business: "+6531234567", User: "+6591234567"}
)

func testPacks(t require.TestingT) packs {
	ps, err := loadPacks(packFiles)
	require.NoError(t, err)
	return ps
}

// source draws numbers below n: rapid's, which shrinks, or a seeded one, which is fast.
type source interface{ below(n int) int }

type drawn struct{ t *rapid.T }

func (d drawn) below(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "n") }

type seeded struct{ *rand.Rand }

func (s seeded) below(n int) int { return s.IntN(n) }

func oneOf[T any](s source, of ...T) T { return of[s.below(len(of))] }

// The kinds that a history is drawn from: all, and those that a few times over make
// the hard ones.
var (
	everyKind = []EventKind{
		Granted, Granted, Granted, Declined, Revoked, OptedOut, OptOutLifted, ReadBack, Requested, Attempted, Settled,
		Called, Reported, Delivered, MessagesStopped, MessagesResumed, IDChanged, Located, Willing, Expired, Messaged, sighted,
	}
	consentKinds  = []EventKind{Granted, Granted, Granted, Declined, OptedOut, OptedOut, OptOutLifted, OptOutLifted, ReadBack}
	trustKinds    = []EventKind{Granted, Granted, Settled, Settled, Settled, ReadBack, ReadBack, ReadBack, Revoked}
	identityKinds = []EventKind{Granted, Granted, Granted, sighted, sighted, IDChanged, IDChanged, Declined, OptedOut}
	limitKinds    = []EventKind{Requested, Requested, Attempted, Settled, Settled, Called, Reported, Reported, Granted}
)

// drawHistory makes count events whose times collide often.
func drawHistory(s source, count int) []Event {
	kinds := oneOf(s, everyKind, consentKinds, trustKinds, identityKinds, limitKinds)
	step := oneOf(s, time.Second, 7*time.Hour)
	var events []Event
	for i := range count {
		e := Event{
			ID: fmt.Sprintf("e%d", i), Kind: oneOf(s, kinds...), Pair: testPair, At: testBase.Add(step * time.Duration(s.below(10))),
			Auth: oneOf(s, AuthHMAC, AuthHMAC, AuthBearer, AuthReadBack, AuthOperator), Automatic: s.below(3) == 0,
		}
		if s.below(4) == 0 {
			e.Line = oneOf(s, "L1", "L1", "L2")
		}
		if s.below(4) == 0 {
			e.Holder = oneOf(s, "H1", "H2", "H3")
		}
		drawDetails(s, &e, count)
		events = append(events, e)
	}
	return unrepeatedCalls(events)
}

// drawDetails fills in what the kind of event carries.
func drawDetails(s source, e *Event, count int) {
	someEvent := func() string { return fmt.Sprintf("e%d", s.below(count)) }
	outcomes := []Outcome{OutcomeConnected, OutcomeUnanswered, OutcomeRejected, OutcomeUnknown, OutcomeCancelled}
	switch e.Kind {
	case Granted:
		e.Permanent = s.below(4) == 0
		if !e.Permanent && s.below(2) == 0 {
			e.Expires = e.At.Add(time.Hour * time.Duration(1+s.below(200)))
		}
	case OptedOut:
		e.Scope = oneOf(s, ScopeAll, ScopeBrand, ScopePurpose)
		if e.Scope != ScopeAll {
			e.Brand = oneOf(s, testBrand, testBrand, "other")
		}
		if e.Scope == ScopePurpose {
			e.Purpose = oneOf(s, "", "sales", "delivery")
		}
	case OptOutLifted:
		for range s.below(4) {
			e.Lifts = append(e.Lifts, someEvent())
		}
	case ReadBack:
		e.Provided = &ProviderState{Status: oneOf(s, StatusNone, StatusTemporary, StatusPermanent)}
		e.Ref = oneOf(s, "", someEvent())
		if e.Provided.Status == StatusTemporary && s.below(2) == 0 {
			e.Expires = e.At.Add(time.Hour * time.Duration(s.below(200)))
		}
	case Attempted:
		e.Ref, e.CallID = someEvent(), oneOf(s, "c1", "c2", "c3")
	case Settled:
		e.Ref, e.CallID = oneOf(s, "", someEvent()), oneOf(s, "c1", "c2", "c3", "c4", "c5")
		e.Outcome = oneOf(s, append(outcomes, OutcomeRefused, OutcomeRefused, OutcomeRefused)...)
	case Called:
		e.CallID, e.Outcome = oneOf(s, "c1", "u1", "u2"), oneOf(s, outcomes[:2]...)
	case Reported:
		e.CallID, e.Outcome, e.Inbound = oneOf(s, "c1", "c2", "p1", "u1"), oneOf(s, outcomes[:3]...), s.below(3) == 0
	case Delivered:
		e.Delivery = oneOf(s, "accepted", "sent", "delivered", "read", "failed")
		e.Request = oneOf(s, "", someEvent())
	case MessagesStopped, MessagesResumed:
		e.Category = oneOf(s, "", "marketing")
	case IDChanged:
		if e.NewNumber = s.below(2) == 0; e.NewNumber {
			e.From, e.To = oneOf(s, "L1", "L2"), oneOf(s, "L1", "L2", "")
		} else {
			e.From, e.To = "H1", oneOf(s, "H2", "H3")
		}
	case Located:
		e.Zone = oneOf(s, "Asia/Singapore", "Asia/Tokyo")
	case sighted:
		e.Line, e.Holder = oneOf(s, "L1", "L1", "L2"), oneOf(s, "H1", "H2", "H3")
	default:
	}
}

// unrepeatedCalls lets a call be attempted and settled once each, as the ledger does.
func unrepeatedCalls(events []Event) []Event {
	seen := map[string]bool{}
	return slices.DeleteFunc(events, func(e Event) bool {
		if e.Kind != Attempted && e.Kind != Settled {
			return false
		}
		key := string(e.Kind) + e.CallID
		again := seen[key]
		seen[key] = true
		return again
	})
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

// told writes a history down, a line an event.
func told(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		raw, _ := json.Marshal(e)
		b.WriteString("\n" + strings.NewReplacer(`"received":"0001-01-01T00:00:00Z",`, "", "2026-11-", "").Replace(string(raw)))
	}
	return b.String()
}

// checkHistory holds one history against the model, in the order that it is in and
// in others, with repetitions.
func checkHistory(t require.TestingT, r *rand.Rand, events []Event, p *pack, now time.Time, shuffles int) {
	reach := reaching(events, testPair.Business, func(geo.E164) string { return testBrand })
	want := seen(fold(reach), p, now)
	if model := modelOf(reach, p, now); model != want {
		require.Equal(t, want, model, "%s", told(events))
	}
	for range shuffles {
		order := slices.Clone(reach)
		for range r.IntN(6) {
			if len(reach) > 0 {
				order = append(order, reach[r.IntN(len(reach))])
			}
		}
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if got := seen(fold(order), p, now); got != want {
			require.Equal(t, want, got, "%s", told(order))
		}
	}
}

// TestProjectIsAFunctionOfTheSet: whatever order and however often events come,
// the state is the same, and it is the one that the rules say.
func TestProjectIsAFunctionOfTheSet(t *testing.T) {
	ps := testPacks(t)
	rapid.Check(t, func(t *rapid.T) {
		s := drawn{t}
		events := drawHistory(s, s.below(9))
		now := testBase.Add(time.Minute * time.Duration(s.below(14*24*60)))
		p := ps.at(oneOf(s, "8x8-strict", "meta"), now)
		checkHistory(t, rand.New(rand.NewPCG(uint64(s.below(1<<30)), 0)), events, p, now, 20)
	})
}

// TestRandomHistories does the same without shrinking: 6,000 histories, and a
// million with CALLCTL_SOAK set.
func TestRandomHistories(t *testing.T) {
	runs, longest := 6_000, 9
	if os.Getenv("CALLCTL_SOAK") != "" {
		runs = 1_000_000
	}
	ps := testPacks(t)
	packs := []*pack{ps.at("8x8-strict", testBase), ps.at("meta", testBase)}
	for run := range runs {
		r := rand.New(rand.NewPCG(uint64(run), 1))
		events := drawHistory(seeded{r}, r.IntN(longest)+run%2)
		now := testBase.Add(time.Minute * time.Duration(r.IntN(14*24*60)))
		checkHistory(t, r, events, packs[r.IntN(2)], now, 3)
		if t.Failed() {
			t.Fatalf("seed %d", run)
		}
	}
}

// TestEveryOrderOfEight goes through all 40,320 orders of hard histories, and of
// drawn ones with CALLCTL_SOAK set.
func TestEveryOrderOfEight(t *testing.T) {
	at := func(s int) time.Time { return testBase.Add(time.Duration(s) * time.Second) }
	none, temporary := &ProviderState{Status: StatusNone}, &ProviderState{Status: StatusTemporary}
	histories := [][]Event{
		{
			{ID: "g1", Kind: Granted, At: at(0), Auth: AuthHMAC, Permanent: true},
			{ID: "d1", Kind: Declined, At: at(1)},
			{ID: "g2", Kind: Granted, At: at(1), Auth: AuthHMAC},
			{ID: "o1", Kind: OptedOut, At: at(2)},
			{ID: "a1", Kind: Granted, At: at(3), Automatic: true, Auth: AuthHMAC},
			{ID: "l1", Kind: OptOutLifted, At: at(4)},
			{ID: "g3", Kind: Granted, At: at(5), Auth: AuthBearer},
			{ID: "r1", Kind: ReadBack, At: at(5), Auth: AuthReadBack},
		},
		{
			{ID: "g1", Kind: Granted, At: at(0), Auth: AuthHMAC},
			{ID: "x1", Kind: Settled, At: at(1), Ref: "g1", CallID: "c1", Outcome: OutcomeRefused},
			{ID: "r1", Kind: ReadBack, At: at(2), Ref: "g1", Provided: temporary},
			{ID: "x2", Kind: Settled, At: at(3), Ref: "g1", CallID: "c2", Outcome: OutcomeRefused},
			{ID: "r2", Kind: ReadBack, At: at(4), Provided: none},
			{ID: "g2", Kind: Granted, At: at(5), Auth: AuthHMAC},
			{ID: "x3", Kind: Settled, At: at(5), Ref: "g2", CallID: "c3", Outcome: OutcomeRefused},
			{ID: "p3", Kind: Reported, At: at(6), CallID: "c3", Outcome: OutcomeUnanswered},
		},
		{
			{ID: "g1", Kind: Granted, At: at(0), Auth: AuthHMAC, Line: "L1", Holder: "H1"},
			{ID: "i1", Kind: IDChanged, At: at(1), From: "H1", To: "H2"},
			{ID: "s1", Kind: sighted, At: at(2), Line: "L1", Holder: "H2"},
			{ID: "i2", Kind: IDChanged, At: at(3), From: "L1", To: "L2", NewNumber: true},
			{ID: "g2", Kind: Granted, At: at(4), Auth: AuthHMAC, Line: "L1", Holder: "H3"},
			{ID: "g3", Kind: Granted, At: at(4), Auth: AuthHMAC, Line: "L2", Holder: "H2"},
			{ID: "s2", Kind: sighted, At: at(5), Line: "L2", Holder: "H2"},
			{ID: "o1", Kind: OptedOut, At: at(5), Scope: ScopePurpose, Brand: testBrand, Purpose: "sales"},
		},
		{
			{ID: "o1", Kind: OptedOut, At: at(0), Scope: ScopeBrand, Brand: testBrand},
			{ID: "o2", Kind: OptedOut, At: at(0), Scope: ScopeAll},
			{ID: "l1", Kind: OptOutLifted, At: at(1), Lifts: []string{"o1"}},
			{ID: "l2", Kind: OptOutLifted, At: at(2), Lifts: []string{"o2"}},
			{ID: "g1", Kind: Granted, At: at(2), Auth: AuthHMAC},
			{ID: "g2", Kind: Granted, At: at(3), Auth: AuthOperator},
			{ID: "m1", Kind: MessagesStopped, At: at(3)},
			{ID: "m2", Kind: MessagesResumed, At: at(3)},
		},
	}
	if os.Getenv("CALLCTL_SOAK") != "" {
		for seed := range uint64(200) {
			histories = append(histories, drawHistory(seeded{rand.New(rand.NewPCG(seed, 8))}, 8))
		}
	}
	p := testPacks(t).at("meta", testBase)
	for i, events := range histories {
		want := seen(fold(events), p, at(10))
		require.Equal(t, want, modelOf(events, p, at(10)), "history %d", i)
		permutations(events, func(order []Event) {
			if got := seen(fold(order), p, at(10)); got != want {
				require.Equal(t, want, got, "history %d", i)
			}
		})
	}
	first := project(testPair, "s", histories[0], p, at(10))
	require.Equal(t, "g3", first.Grant)
	require.True(t, first.Verified)
	require.EqualValues(t, 2, first.Epoch)
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
