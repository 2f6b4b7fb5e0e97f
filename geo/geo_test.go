package geo

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]E164{
		"+6591234567":      "+6591234567",
		"6591234567":       "+6591234567",
		"+6500000000":      "+6500000000", // the providers' own samples are possible, not valid
		"14085551234":      "+14085551234",
		"+380651234567":    "+380651234567",
		"+4402071838750":   "+442071838750", // a national prefix that does not belong there
		"+390612345678":    "+390612345678", // a leading zero that does
		"5491123456789":    "+5491123456789",
		"+77012345678":     "+77012345678",
		"+862112345678901": "", // 15 digits, too long for China
	} {
		got, err := Parse(in)
		if want == "" {
			require.ErrorIs(t, err, ErrNumber, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		require.Equal(t, strings.TrimPrefix(string(want), "+"), got.Digits())
	}
	for _, in := range []string{
		"", "+", "++6591234567", "+65 9123 4567", "tel:+6591234567", "+1800FLOWERS", "+65912345", "6591234567x",
		"+65912345678901234", "00000000000", "+99912345678", "+٦٥٩١٢٣٤٥٦٧", "6591234567;ext=1", "US.13491208655302741918",
	} {
		_, err := Parse(in)
		require.ErrorIs(t, err, ErrNumber, in)
		if in != "" && in != "+" {
			require.NotContains(t, err.Error(), in, "a number in an error ends in a log")
		}
	}
}

func TestNumbersAreMaskedInLogs(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "n", E164("+6591234567"), "short", E164("+1"))
	require.NotContains(t, b.String(), "9123")
	require.Contains(t, b.String(), "+…67")
}

func load(tb testing.TB) *Rules {
	tb.Helper()
	r, err := Load()
	require.NoError(tb, err)
	return r
}

func TestRegion(t *testing.T) {
	r := load(t)
	require.Equal(t, "geography@2026-11-22", r.Version())
	for n, want := range map[E164]string{
		"+6591234567": "SG", "+442071838750": "GB", "+441534123456": "JE", "+5352345678": "CU",
		// Ukraine's plan.
		"+380651234567": "UA-43", "+380691234567": "UA-40", "+380621234567": "UA-14", "+380641234567": "UA-09",
		"+380711234567": "UA-14", "+380721234567": "UA-09", "+380501234567": "UA", "+380441234567": "UA",
		// Zone 7.
		"+73651234567": "UA-43", "+79781234567": "UA-43", "+79782541234": "UA-43", "+78691234567": "UA-40",
		"+78561234567": "UA-14", "+79491234567": "UA-14", "+78571234567": "UA-09", "+79591234567": "UA-09",
		"+78551234567": "RU", "+78581234567": "RU", "+78601234567": "RU", "+74951234567": "RU", "+79161234567": "RU",
		"+77012345678": "KZ", "+77172123456": "KZ", "+76012345678": "KZ", "+77471234567": "KZ",
		// North America.
		"+14155550100": "US", "+12125550100": "US", "+18005550100": "US", "+14165550100": "CA", "+16005550100": "CA",
		"+18765550100": "JM", "+16585550100": "JM", "+18095550100": "DO", "+18295550100": "DO", "+18495550100": "DO",
		"+17875550100": "PR", "+19395550100": "PR", "+12685550100": "AG", "+12425550100": "BS", "+18685550100": "TT",
		"+12845550100": "VG", "+13405550100": "VI",
		// A network, no country.
		"+80012345678": "",
	} {
		require.Equal(t, want, r.Region(n), "%s", n)
	}
}

func TestSanctionsHoldForBusinessesAndUsers(t *testing.T) {
	r := load(t)
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, n := range []E164{
		"+5352345678", "+989121234567", "+8501921234567", "+963933123456",
		"+380651234567", "+380691234567", "+380621234567", "+380641234567", "+380711234567", "+380721234567",
		"+73651234567", "+79781234567", "+78691234567", "+78561234567", "+79491234567", "+78571234567", "+79591234567",
	} {
		for _, v := range []Verdict{r.User(n, at), r.Business(n, at)} {
			require.True(t, v.Blocked, "%s", n)
			require.True(t, strings.HasPrefix(v.Rule, "sanctioned/"), v.Rule)
			require.NotEmpty(t, v.Source)
			require.Zero(t, v.Until)
		}
	}
	for _, n := range []E164{"+6591234567", "+380501234567", "+79161234567", "+77012345678", "+14155550100", "+78601234567"} {
		require.False(t, r.User(n, at).Blocked, "%s", n)
	}
	require.True(t, r.UserRegion("CU", at).Blocked)
	require.False(t, r.UserRegion("US", at).Blocked)
	require.False(t, r.UserRegion("", at).Blocked)
}

func TestBusinessCountries(t *testing.T) {
	r := load(t)
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		return d
	}
	for _, tc := range []struct {
		number E164
		at     string
		rule   string // "" when allowed
	}{
		{"+14155550100", "2026-11-22", "bic_blocked_business_countries/US"},
		{"+14165550100", "2026-11-22", "bic_blocked_business_countries/CA"},
		{"+17875550100", "2026-11-22", "bic_blocked_business_countries/US"}, // Puerto Rico counts as US
		{"+16715550100", "2026-11-22", "bic_blocked_business_countries/US"}, // Guam
		{"+18765550100", "2026-11-22", ""},                                  // Jamaica does not
		{"+201001234567", "2026-11-22", "bic_blocked_business_countries/EG"},
		{"+84912345678", "2026-11-22", "bic_blocked_business_countries/VN"},
		{"+2348012345678", "2026-11-22", "bic_blocked_business_countries/NG"},
		{"+905321234567", "2026-03-09", "bic_blocked_business_countries/TR"},
		{"+905321234567", "2026-03-10", ""},
		{"+905321234567", "2025-07-14", ""},
		{"+14155550100", "2025-07-14", ""},
		{"+6531234567", "2026-11-22", ""},
	} {
		v := r.Business(tc.number, day(tc.at))
		require.Equal(t, tc.rule != "", v.Blocked, "%s at %s", tc.number, tc.at)
		if tc.rule != "" {
			require.Equal(t, tc.rule, v.Rule)
			require.NotEmpty(t, v.Source)
		}
		require.False(t, r.User(tc.number, day(tc.at)).Blocked, "the bar is on the business, not on the user")
	}
	require.Equal(t, day("2026-03-10"), r.Business("+905321234567", day("2026-01-01")).Until)
}

// TestRulesAreChecked alters the shipped document and expects Load to refuse.
func TestRulesAreChecked(t *testing.T) {
	for name, alter := range map[string]func(d map[string]any){
		"no version":      func(d map[string]any) { d["version"] = "" },
		"version undated": func(d map[string]any) { d["version"] = "two" },
		"unknown key":     func(d map[string]any) { d["sanction"] = []any{} },
		"empty list":      func(d map[string]any) { d["sanctioned"] = []any{} },
		"no source": func(d map[string]any) {
			d["sanctioned"] = []any{map[string]any{"region": "CU"}}
		},
		"no region": func(d map[string]any) {
			d["sanctioned"] = []any{map[string]any{"region": "Cuba", "source": "x"}}
		},
		"bad date": func(d map[string]any) {
			d["sanctioned"] = []any{map[string]any{"region": "CU", "source": "x", "valid_from": "1.1.2020"}}
		},
		"dates reversed": func(d map[string]any) {
			d["sanctioned"] = []any{map[string]any{"region": "CU", "source": "x", "valid_from": "2026-01-02", "valid_to": "2026-01-01"}}
		},
		"overlap": func(d map[string]any) {
			e := map[string]any{"region": "CU", "source": "x"}
			d["sanctioned"] = []any{e, e}
		},
		"prefix twice": func(d map[string]any) {
			e := map[string]any{"prefix": "+73", "region": "RU", "confirmed": true, "source": "x"}
			d["territories"] = []any{e, e}
		},
		"prefix without plus": func(d map[string]any) {
			d["territories"] = []any{map[string]any{"prefix": "73", "region": "RU", "confirmed": true, "source": "x"}}
		},
		"area twice": func(d map[string]any) { d["nanp"] = map[string]any{"CA": []any{"416"}, "JM": []any{"416"}} },
		"no area":    func(d map[string]any) { d["nanp"] = map[string]any{"CA": []any{"41"}} },
		"itself": func(d map[string]any) {
			d["counts_as"] = []any{map[string]any{"region": "PR", "as": "PR", "source": "x"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d map[string]any
			require.NoError(t, json.Unmarshal(geography, &d))
			alter(d)
			raw, err := json.Marshal(d)
			require.NoError(t, err)
			_, err = parseRules(raw)
			require.ErrorIs(t, err, ErrRules)
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"+6591234567", "14085551234", "+7978", "+390612345678", "+5215512345678", "", "+", "00", "+1 800"} {
		f.Add(s)
	}
	r := load(f)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			require.Empty(t, n)
			return
		}
		require.Equal(t, byte('+'), n[0])
		require.Empty(t, strings.Trim(n.Digits(), "0123456789"))
		require.LessOrEqual(t, len(n.Digits()), maxDigits)
		again, err := Parse(string(n))
		require.NoError(t, err)
		require.Equal(t, n, again)
		bare, err := Parse(n.Digits())
		require.NoError(t, err)
		require.Equal(t, n, bare)
		if region := r.Region(n); region != "" {
			require.True(t, isRegion(region), region)
		}
		if r.User(n, now).Blocked {
			require.True(t, r.Business(n, now).Blocked, "sanctions hold for both")
		}
	})
}
