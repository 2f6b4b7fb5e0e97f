package permissions

import (
	"encoding/json"
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

// TestPacksTakeEffectAtTheirDate: decisions on both sides of a change cite the
// version that they used.
func TestPacksTakeEffectAtTheirDate(t *testing.T) {
	old, err := packFiles.ReadFile("rules/8x8-strict.json")
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(old, &doc))
	doc["version"], doc["valid_from"] = "2027-01-31", "2027-01-31"
	newer, err := json.Marshal(doc)
	require.NoError(t, err)
	files := fstest.MapFS{"rules/b.json": {Data: newer}, "rules/z.json": {Data: old}}
	ps, err := loadPacks(files)
	require.NoError(t, err)
	change := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	require.Equal(t, "8x8-strict@2026-11-22", ps.at("8x8-strict", change.Add(-time.Millisecond)).cite())
	require.Equal(t, "8x8-strict@2027-01-31", ps.at("8x8-strict", change).cite())
	require.Equal(t, "8x8-strict@2026-11-22", ps.at("8x8-strict", change.AddDate(-10, 0, 0)).cite())

	files["rules/twice.json"] = &fstest.MapFile{Data: newer}
	_, err = loadPacks(files)
	require.ErrorIs(t, err, ErrPack)
	_, err = loadPacks(fstest.MapFS{})
	require.ErrorIs(t, err, ErrPack, "the default is missing")
}

func TestPacksAreChecked(t *testing.T) {
	section := func(d map[string]any, name string) map[string]any {
		s, ok := d[name].(map[string]any)
		require.True(t, ok)
		return s
	}
	for name, alter := range map[string]func(d map[string]any){
		"no name":            func(d map[string]any) { d["name"] = "" },
		"unknown key":        func(d map[string]any) { d["grants"] = 1 },
		"undated":            func(d map[string]any) { d["valid_from"] = "soon" },
		"for ever":           func(d map[string]any) { section(d, "grant")["default_age"] = "" },
		"negative skew":      func(d map[string]any) { section(d, "grant")["clock_skew"] = "-1s" },
		"permanent":          func(d map[string]any) { section(d, "grant")["permanent"] = "maybe" },
		"cap without age":    func(d map[string]any) { section(d, "grant")["max_age"] = "" },
		"duration":           func(d map[string]any) { section(d, "grant")["max_age"] = "1 day" },
		"duration as number": func(d map[string]any) { section(d, "grant")["max_age"] = 24 },
		"consumed":           func(d map[string]any) { section(d, "calls")["consumed_at"] = "ring" },
		"negative calls":     func(d map[string]any) { section(d, "calls")["per_grant"] = -1 },
		"empty limit": func(d map[string]any) {
			section(d, "requests")["limits"] = []any{map[string]any{"max": 0, "period": "1h"}}
		},
		"no source": func(d map[string]any) { delete(section(d, "sources"), "calls.per_grant") },
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := packFiles.ReadFile("rules/8x8-strict.json")
			require.NoError(t, err)
			var d map[string]any
			require.NoError(t, json.Unmarshal(raw, &d))
			alter(d)
			raw, err = json.Marshal(d)
			require.NoError(t, err)
			_, err = loadPacks(fstest.MapFS{"rules/p.json": {Data: raw}})
			require.ErrorIs(t, err, ErrPack)
		})
	}
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
