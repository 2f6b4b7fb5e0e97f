package permissions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShippedPacks(t *testing.T) {
	cites, err := PackVersions()
	require.NoError(t, err)
	require.Equal(t, []string{"8x8-strict@2026-11-22", "meta-sandbox@2026-11-22", "meta@2025-07-15", "meta@2025-10-13", "meta@2026-11-22"}, cites)
	ps := testPacks(t)
	strict := ps.at("8x8-strict", testBase)
	require.Equal(t, 24*time.Hour, strict.Grant.MaxAge.duration())
	require.Equal(t, 1, strict.Calls.PerGrant)
	require.Equal(t, 3, strict.Requests.PerCycle)
	require.True(t, strict.needsReadBack(AuthBearer))
	require.False(t, strict.needsReadBack(AuthHMAC))
	require.Same(t, strict, ps.at("no such pack", testBase))
}

// TestMetasLimitOnCallsIsDated: 5, 10 and 100 connected calls, each from its day.
func TestMetasLimitOnCallsIsDated(t *testing.T) {
	ps := testPacks(t)
	for text, want := range map[string]struct {
		most int
		cite string
	}{
		"2020-01-01T00:00:00Z":     {5, "meta@2025-07-15"},
		"2025-10-12T23:59:59.999Z": {5, "meta@2025-07-15"},
		"2025-10-13T00:00:00Z":     {10, "meta@2025-10-13"},
		"2025-12-18T23:59:59.999Z": {10, "meta@2025-10-13"},
		"2025-12-19T00:00:00Z":     {100, "meta@2026-11-22"},
	} {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		p := ps.at("meta", at)
		require.Equal(t, want.cite, p.cite(), text)
		require.Equal(t, []limit{{Max: want.most, Period: span(24 * time.Hour)}}, p.Calls.Connected, text)
		require.Equal(t, 2, p.Calls.Unanswered.Nudge)
		require.Equal(t, 3, p.Calls.Unanswered.Refuse)
		require.Equal(t, permanentHonour, p.Grant.Permanent, "what a version does not change stays")
	}
	sandbox := ps.at("meta-sandbox", testBase)
	require.Equal(t, []limit{{25, span(24 * time.Hour)}, {100, span(168 * time.Hour)}}, sandbox.Requests.Limits)
	require.Equal(t, unansweredRules{Nudge: 5, Refuse: 9}, sandbox.Calls.Unanswered)
	require.Equal(t, 100, sandbox.Calls.Connected[0].Max)
}

// shippedPack is a file of the binary, to alter.
func shippedPack(t *testing.T, name string) map[string]any {
	t.Helper()
	raw, err := packFiles.ReadFile("rules/" + name)
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(raw, &doc))
	return doc
}

func encoded(t *testing.T, doc any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	return raw
}

// TestPacksTakeEffectAtTheirDate: decisions on both sides of a change cite the
// version that they used.
func TestPacksTakeEffectAtTheirDate(t *testing.T) {
	old := shippedPack(t, "8x8-strict.json")
	newer := shippedPack(t, "8x8-strict.json")
	newer["version"], newer["valid_from"] = "2027-01-31", "2027-01-31"
	files := fstest.MapFS{"rules/b.json": {Data: encoded(t, newer)}, "rules/z.json": {Data: encoded(t, old)}}
	ps, err := loadPacks(files)
	require.NoError(t, err)
	change := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	require.Equal(t, "8x8-strict@2026-11-22", ps.at("8x8-strict", change.Add(-time.Millisecond)).cite())
	require.Equal(t, "8x8-strict@2027-01-31", ps.at("8x8-strict", change).cite())
	require.Equal(t, "8x8-strict@2026-11-22", ps.at("8x8-strict", change.AddDate(-10, 0, 0)).cite())
	require.Equal(t, change, ps.next("8x8-strict", change.Add(-time.Millisecond)))
	require.Zero(t, ps.next("8x8-strict", change))

	files["rules/twice.json"] = &fstest.MapFile{Data: encoded(t, newer)}
	_, err = loadPacks(files)
	require.ErrorIs(t, err, ErrPack)
	_, err = loadPacks(fstest.MapFS{})
	require.ErrorIs(t, err, ErrPack, "the default is missing")
}

// TestACompanysPackBeginsFromItsBase: objects merge, lists and null replace, and
// what is not said is the base's as it was at the pack's date.
func TestACompanysPackBeginsFromItsBase(t *testing.T) {
	ps, err := loadPacks(packFiles,
		json.RawMessage(`{"name": "late", "version": "1", "valid_from": "2026-12-01", "base": "early", "grant": {"permanent": "refuse"}, "sources": {"grant.permanent": "c"}}`),
		json.RawMessage(`{"name": "early", "version": "2", "valid_from": "2026-11-01", "base": "early", "grant": {"max_age": "48h"}, "sources": {"grant.max_age": "b"}}`),
		json.RawMessage(`{"name": "early", "version": "1", "valid_from": "2025-11-01", "base": "meta", "hours": null, "requests": {"limits": []},
			"calls": {"unanswered": {"refuse": 2}}, "notes": ["ours"], "sources": {"hours": "a", "requests.limits": "a", "calls.unanswered": "a"}}`))
	require.NoError(t, err)
	first := ps["early"][0]
	require.Equal(t, "meta@2025-10-13", first.Base)
	require.Equal(t, 10, first.Calls.Connected[0].Max, "as meta was then, and stays")
	require.Nil(t, first.Hours)
	require.Empty(t, first.Requests.Limits)
	require.Equal(t, unansweredRules{Nudge: 2, Refuse: 2}, first.Calls.Unanswered)
	require.Equal(t, []string{"ours"}, first.Notes)
	require.Zero(t, first.Grant.MaxAge)
	second := ps["early"][1]
	require.Equal(t, "early@1", second.Base)
	require.Equal(t, 48*time.Hour, second.Grant.MaxAge.duration())
	require.Nil(t, second.Hours)
	require.Equal(t, "b", second.Sources["grant.max_age"])
	require.Equal(t, "a", second.Sources["hours"])
	late := ps["late"][0]
	require.Equal(t, "early@2", late.Base)
	require.Equal(t, permanentRefuse, late.Grant.Permanent)
	require.Equal(t, 48*time.Hour, late.Grant.MaxAge.duration())
	require.NotNil(t, ps["meta"][0].Hours, "the base stays as it was")
	require.Equal(t, "early@2", ps.at("late", late.from.Add(-time.Millisecond)).cite(), "not in force yet")
	require.Equal(t, late.from, ps.next("late", late.from.Add(-time.Millisecond)))
	require.Equal(t, "meta@2025-07-15", ps.at("late", first.from.AddDate(0, -1, 0)).cite(), "nor is its base")
	require.Equal(t, time.Date(2025, 10, 13, 0, 0, 0, 0, time.UTC), ps.next("late", first.from.AddDate(0, -1, 0)))
	require.Equal(t, first.from, ps.next("late", first.from.Add(-time.Hour)))

	cites, err := PackVersions(encoded(t, map[string]any{"name": "x", "version": "9", "valid_from": "2026-01-01", "base": "meta"}))
	require.NoError(t, err)
	require.Contains(t, cites, "x@9", "a pack may change nothing")
	names, err := PackNames()
	require.NoError(t, err)
	require.Equal(t, []string{"8x8-strict", "meta", "meta-sandbox"}, names)
}

// TestAPackIsShownWhole: what a summary shows reads back as the same pack.
func TestAPackIsShownWhole(t *testing.T) {
	doc := json.RawMessage(`{"name": "acme", "version": "1", "valid_from": "2026-01-01", "base": "8x8-strict",
		"hours": {"weekly": {"sun": []}, "holidays": [{"date": "2026-12-25", "region": "SG", "hours": []}]}, "sources": {"hours": "ours"}}`)
	list, err := Packs(doc)
	require.NoError(t, err)
	require.Len(t, list, 6)
	require.Equal(t, "8x8-strict", list[0].Name)
	require.True(t, list[0].Shipped)
	acme := list[1]
	require.Equal(t, "acme", acme.Name)
	require.False(t, acme.Shipped)
	require.Equal(t, "8x8-strict@2026-11-22", acme.Base)
	require.Zero(t, acme.ValidTo)
	require.Equal(t, list[3].ValidFrom, list[2].ValidTo, "the next version of meta")
	for _, s := range list {
		var whole map[string]any
		require.NoError(t, json.Unmarshal(s.Document, &whole))
		for _, key := range ruleKeys() {
			require.NotEmpty(t, whole["sources"].(map[string]any)[key], "%s: %s", s.Name, key) //nolint:forcetypeassert // a test
		}
		delete(whole, "base")
		whole["name"] = "again"
		ps, err := loadPacks(packFiles, encoded(t, whole))
		require.NoError(t, err, s.Name)
		before := ps["again"][0].from.Add(-time.Millisecond)
		require.Equal(t, DefaultPack, ps.at("again", before).Name, "without a base, the strictest until then")
		again, err := json.MarshalIndent(ps["again"][0], "", "  ")
		require.NoError(t, err)
		was := strings.Replace(string(s.Document), fmt.Sprintf("%q: %q", "name", s.Name), `"name": "again"`, 1)
		if s.Base != "" {
			was = strings.Replace(was, fmt.Sprintf("  %q: %q,\n", "base", s.Base), "", 1)
		}
		require.Equal(t, was, string(again))
	}
}

// TestAFaultNamesPackAndKey: whoever wrote the pack knows where to look.
func TestAFaultNamesPackAndKey(t *testing.T) {
	const head = `"name": "acme", "version": "1", "valid_from": "2026-01-01", "base": "8x8-strict"`
	for doc, want := range map[string][]string{
		`{`:                               {"document 1", "JSON"},
		`[]`:                              {"document 1", "object"},
		`{} {}`:                           {"document 1"},
		`{"name": 7}`:                     {"name", "no text"},
		`{"name": "a@b", "version": "1"}`: {"name"},
		`{"name": "acme"}`:                {"acme", "version"},
		`{"name": "acme", "version": "1", "valid_from": "soon"}`:                                                     {"acme@1", "valid_from"},
		`{"name": "acme", "version": "1", "valid_from": "2026-01-01"}`:                                               {"acme@1", "grant.max_age", "missing"},
		`{"name": "acme", "version": "1", "valid_from": "2026-01-01", "base": "mete"}`:                               {"acme@1", "base", "mete"},
		`{"name": "acme", "version": "1", "valid_from": "2026-01-01", "base": "acme"}`:                               {"acme@1", "base", "begins before"},
		`{"name": "meta", "version": "1", "valid_from": "2026-01-01", "base": "8x8-strict"}`:                         {"meta@1", "name", "shipped"},
		`{` + head + `, "grants": 1}`:                                                                                {"acme@1", "grants", "no key"},
		`{` + head + `, "grant": 1}`:                                                                                 {"acme@1", "grant", "no key"},
		`{` + head + `, "grant": {"max_edge": "1h"}}`:                                                                {"acme@1", "grant.max_edge"},
		`{` + head + `, "grant": {"max_age": "1h", "max_age": "2h"}}`:                                                {"document 1", "grant.max_age", "twice"},
		`{` + head + `, "grant": {"max_age": "12h"}}`:                                                                {"acme@1", "sources.grant.max_age", "needed"},
		`{` + head + `, "grant": {"max_age": "12h"}, "sources": {"grant.max_age": " "}}`:                             {"acme@1", "sources.grant.max_age"},
		`{` + head + `, "sources": {"grant": "x"}}`:                                                                  {"acme@1", "sources.grant"},
		`{` + head + `, "grant": {"max_age": "1 day"}, "sources": {"grant.max_age": "x"}}`:                           {"acme@1", "1 day"},
		`{` + head + `, "grant": {"max_age": 24}, "sources": {"grant.max_age": "x"}}`:                                {"acme@1", "number"},
		`{` + head + `, "grant": {"max_age": "-1h"}, "sources": {"grant.max_age": "x"}}`:                             {"acme@1", "grant.max_age", "negative"},
		`{` + head + `, "grant": {"max_age": "30s"}, "sources": {"grant.max_age": "x"}}`:                             {"acme@1", "grant.clock_skew"},
		`{` + head + `, "grant": {"max_age": ""}, "sources": {"grant.max_age": "x"}}`:                                {"acme@1", "grant.permanent", "cap"},
		`{` + head + `, "grant": {"max_age": null}, "sources": {"grant.max_age": "x"}}`:                              {"acme@1", "grant.max_age", "null"},
		`{` + head + `, "calls": {"per_grant": null}, "sources": {"calls.per_grant": "x"}}`:                          {"acme@1", "calls.per_grant", "null"},
		`{` + head + `, "calls": {"connected": null}, "sources": {"calls.connected": "x"}}`:                          {"acme@1", "calls.connected", "null"},
		`{` + head + `, "calls": {"connected": [{"max": 5, "period": null}]}, "sources": {"calls.connected": "x"}}`:  {"acme@1", "calls.connected", "positive"},
		`{` + head + `, "grant": {"default_age": ""}, "sources": {"grant.default_age": "x"}}`:                        {"acme@1", "grant.default_age", "for ever"},
		`{` + head + `, "grant": {"permanent": "maybe"}, "sources": {"grant.permanent": "x"}}`:                       {"acme@1", "grant.permanent", "refuse"},
		`{` + head + `, "grant": {"approvals": 3}, "sources": {"grant.approvals": "x"}}`:                             {"acme@1", "grant.approvals"},
		`{` + head + `, "grant": {"operator": "yes"}, "sources": {"grant.operator": "x"}}`:                           {"acme@1", "grant.operator"},
		`{` + head + `, "grant": {"read_back": ["sealed"]}, "sources": {"grant.read_back": "x"}}`:                    {"acme@1", "grant.read_back"},
		`{` + head + `, "calls": {"per_grant": -1}, "sources": {"calls.per_grant": "x"}}`:                            {"acme@1", "calls.per_grant"},
		`{` + head + `, "calls": {"consumed_at": "ring"}, "sources": {"calls.consumed_at": "x"}}`:                    {"acme@1", "calls.consumed_at"},
		`{` + head + `, "calls": {"connected": [{"max": 0, "period": "1h"}]}, "sources": {"calls.connected": "x"}}`:  {"acme@1", "calls.connected"},
		`{` + head + `, "calls": {"connected": [{"most": 1, "period": "1h"}]}, "sources": {"calls.connected": "x"}}`: {"acme@1", "most"},
		`{` + head + `, "calls": {"unanswered": {"nudge": 5}}, "sources": {"calls.unanswered": "x"}}`:                {"acme@1", "calls.unanswered", "nudge"},
		`{` + head + `, "calls": {"unanswered": {"nudge": -1}}, "sources": {"calls.unanswered": "x"}}`:               {"acme@1", "calls.unanswered"},
		`{` + head + `, "requests": {"per_cycle": -1}, "sources": {"requests.per_cycle": "x"}}`:                      {"acme@1", "requests.per_cycle"},
		`{` + head + `, "requests": {"limits": [{"max": 1, "period": ""}]}, "sources": {"requests.limits": "x"}}`:    {"acme@1", "requests.limits"},
		`{` + head + `, "hours": {"weekly": {"mon": ["21:00-08:00"]}}, "sources": {"hours": "x"}}`:                   {"acme@1", "mon"},
		`{` + head + `, "destinations": "some", "sources": {"destinations": "x"}}`:                                   {"acme@1", "destinations"},
		`{` + head + `, "revocation": {"scope": "half"}, "sources": {"revocation.scope": "x"}}`:                      {"acme@1", "revocation.scope"},
		`{"name": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`:                                        {"name", "deep"},
	} {
		_, err := Packs(json.RawMessage(doc))
		require.ErrorIs(t, err, ErrPack, doc)
		for _, word := range want {
			require.ErrorContains(t, err, word, doc)
		}
	}
	one := func(name, version, from, base string) json.RawMessage {
		return encoded(t, map[string]any{"name": name, "version": version, "valid_from": from, "base": base})
	}
	for name, docs := range map[string][]json.RawMessage{
		"acme@2: valid_from: acme@1": {one("acme", "1", "2026-01-01", "meta"), one("acme", "2", "2026-01-01", "meta")},
		"acme@1: version":            {one("acme", "1", "2026-01-01", "meta"), one("acme", "1", "2026-02-01", "meta")},
		"a@1: base":                  {one("a", "1", "2026-01-01", "b"), one("b", "1", "2026-01-01", "a")},
	} {
		_, err := Packs(docs...)
		require.ErrorIs(t, err, ErrPack)
		require.ErrorContains(t, err, name)
	}
}

// FuzzParsePack: no document ends the process, and one that is accepted has rules
// in their ranges, a source for each, and reads back from how it is shown.
func FuzzParsePack(f *testing.F) {
	for _, name := range []string{"8x8-strict.json", "meta-2025-07-15.json", "meta-sandbox.json"} {
		raw, err := packFiles.ReadFile("rules/" + name)
		require.NoError(f, err)
		f.Add([]byte(strings.Replace(string(raw), `"name": "`, `"name": "my-`, 1)))
	}
	f.Add([]byte(`{"name": "acme", "version": "1", "valid_from": "2026-01-01", "base": "meta", "hours": null, "sources": {"hours": "x"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := Packs(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrPack)
			return
		}
		for _, s := range list {
			if s.Shipped {
				continue
			}
			var p pack
			require.NoError(t, json.Unmarshal(s.Document, &p))
			require.Positive(t, p.Grant.DefaultAge)
			require.Len(t, p.Sources, len(ruleKeys()))
			again, err := json.MarshalIndent(&p, "", "  ")
			require.NoError(t, err)
			require.JSONEq(t, string(s.Document), string(again))
		}
	})
}

// TestCallsConsumedWhenConnected: a pack may count answers instead of attempts.
func TestCallsConsumedWhenConnected(t *testing.T) {
	p := *testPacks(t).at("8x8-strict", testBase)
	p.Calls.ConsumedAt = consumedAtConnected
	events := []Event{
		{ID: "g", Kind: Granted, At: testBase, Auth: AuthHMAC},
		{ID: "a1", Kind: Attempted, At: testBase, Ref: "g"},
		{ID: "s1", Kind: Settled, At: testBase, Ref: "g", Outcome: OutcomeUnanswered},
	}
	require.Zero(t, project(testPair, "s", events, &p, testBase).Attempts)
	for i, o := range []Outcome{OutcomeConnected, OutcomeUnknown} {
		events = append(events, Event{ID: string(o), Kind: Settled, At: testBase, Ref: "g", Outcome: o})
		require.Equal(t, i+1, project(testPair, "s", events, &p, testBase).Attempts)
	}
}
