package permissions

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/geo"
)

// turnPacks are a company's packs whose versions differ in what a decision feels.
// Before the first one Meta's holds.
func turnPacks(tb testing.TB) packs {
	tb.Helper()
	doc := func(version, from, grant, calls, hours string) []byte {
		return fmt.Appendf(nil, `{"name": "acme", "version": %q, "valid_from": %q, "base": "meta", "grant": {"max_age": %q, "clock_skew": "30m"},
			"calls": {"connected": [{"max": %s, "period": "3h"}], "unanswered": {"nudge": 0, "refuse": 0}}, "hours": %s,
			"sources": {"grant.max_age": "x", "grant.clock_skew": "x", "calls.connected": "x", "calls.unanswered": "x", "hours": "x"}}`, version, from, grant, calls, hours)
	}
	ps, err := loadPacks(packFiles,
		doc("1", "2026-11-23", "40h", "2", `{"weekly": {"mon": ["09:00-12:00", "13:00-17:00"], "tue": ["09:00-17:00"], "thu": ["00:00-24:00"], "sun": ["10:00-11:00"]}}`),
		doc("2", "2026-11-24", "20h", "1", `{"weekly": {"tue": ["15:00-24:00"], "wed": ["00:00-09:00", "10:00-22:00"], "fri": ["10:00-11:00"]}}`),
		doc("3", "2026-11-27", "", "1", `null`))
	require.NoError(tb, err)
	return ps
}

// TestAnAnswerTurnsWhenItSays: for any state, a refusal names the earliest time at
// which the question is allowed with no new fact, and an answer that allows the
// earliest at which it is refused. Times in between are asked for at random, by the
// half hour, which is as finely as anything here happens.
func TestAnAnswerTurnsWhenItSays(t *testing.T) {
	rules, err := geo.Load()
	require.NoError(t, err)
	l := &Ledger{cfg: Config{Geo: rules}, packs: turnPacks(t)}
	begin := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	const horizon, step = 4 * 24 * time.Hour, 30 * time.Minute
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return begin.Add(time.Duration(rapid.IntRange(-4, 2*140).Draw(t, "halfHours")) * step)
	})
	turned := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		v := &view{
			pair: testPair, addresses: []User{testPair.User}, business: Business{Number: testPair.Business, Rules: "acme"}, known: true,
			number: foldNumber(randomNotices(t, moment)), events: randomTurns(t, moment),
		}
		ask := &question{ledger: l, v: v, q: Query{Pair: testPair, Action: StartCall}, h: fold(v.events)}
		at := moment.Draw(t, "at")
		d, _ := l.answer(ask, at)
		turn, end := d.RetryAfter, at.Add(horizon)
		if d.Allow {
			turn = d.Until
		}
		if !turn.IsZero() {
			require.Equal(t, d.Allow, refusesAny(ask.at(turn)), "it does not turn at %s", turn)
			end = turn
		}
		for range 20 {
			between := at.Add(time.Duration(rapid.IntRange(0, max(0, int(end.Sub(at)/step)-1)).Draw(t, "between")) * step)
			require.Equal(t, !d.Allow, refusesAny(ask.at(between)), "it turned by %s, before %s", between, turn)
		}
		turned[fmt.Sprint(d.Allow, turn.IsZero())]++
	})
	require.Len(t, turned, 4, "both answers, with and without a turn: %v", turned)
}

func refusesAny(e *evaluation) bool {
	for _, r := range e.rule {
		if !r.Allow {
			return true
		}
	}
	return false
}

func randomNotices(t *rapid.T, moment *rapid.Generator[time.Time]) []Notice {
	var out []Notice
	for i := range max(0, rapid.IntRange(-1, 2).Draw(t, "notices")) {
		n := Notice{ID: fmt.Sprint("n", i), Kind: Restriction, Type: RestrictedBusinessInitiated, At: moment.Draw(t, "restricted")}
		if rapid.Bool().Draw(t, "unable") {
			n.Kind, n.Code = Unable, 138014
		}
		if !rapid.Bool().Draw(t, "open") {
			n.Until = moment.Draw(t, "until")
		}
		out = append(out, n)
	}
	return out
}

func randomTurns(t *rapid.T, moment *rapid.Generator[time.Time]) []Event {
	out := []Event{{
		ID: "g", Kind: Granted, At: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Auth: AuthHMAC,
		Permanent: rapid.Bool().Draw(t, "always"),
	}}
	for i := range max(0, rapid.IntRange(0, 4).Draw(t, "events")) {
		e := Event{ID: fmt.Sprint("e", i), At: moment.Draw(t, "happened"), Auth: AuthHMAC}
		switch rapid.SampledFrom([]string{"grant", "permanent", "call", "call", "limit", "decline"}).Draw(t, "kind") {
		case "grant":
			e.Kind = Granted
		case "permanent":
			e.Kind, e.Permanent = Granted, true
		case "call":
			e.Kind, e.CallID, e.Outcome = Settled, e.ID, OutcomeConnected
		case "decline":
			e.Kind = Declined
		case "limit":
			e.Kind, e.Auth = ReadBack, AuthReadBack
			e.Provided = &ProviderState{Status: StatusTemporary, Actions: []ProviderAction{{
				Name: string(StartCall), Limits: []ProviderLimit{{Max: 1, Used: 1, Resets: moment.Draw(t, "resets")}},
			}}}
		}
		out = append(out, e)
	}
	return out
}
