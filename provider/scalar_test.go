package provider_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
)

func TestScalarReadsEveryValue(t *testing.T) {
	for raw, want := range map[string]provider.Scalar{
		`"a\u00e9"`: "aé", `17`: "17", `1.5e9`: "1.5e9", `true`: "true", `null`: "", `""`: "",
		`{"a":1}`: `{"a":1}`, `[1, 2]`: `[1, 2]`,
	} {
		var v struct{ S provider.Scalar }
		require.NoError(t, json.Unmarshal([]byte(`{"s":`+raw+`}`), &v), raw)
		require.Equal(t, want, v.S, raw)
	}
}

func TestScalarTime(t *testing.T) {
	second := time.Date(2025, 12, 31, 8, 0, 0, 0, time.UTC)
	for text, want := range map[provider.Scalar]time.Time{
		"1767168000":                  second,
		"1767168000\n":                second,
		"1.767168e9":                  second,
		"2025-12-31T08:00:00Z":        second,
		"2025-12-31T08:00:00.00Z":     second,
		"2025-12-31T08:00:00.017Z":    second.Add(17 * time.Millisecond),
		"2025-12-31T16:00:00+08:00":   second,
		"2025-12-31T16:00:00.00+0800": second,
		"2025-12-31T08:00:00.00":      second,
		"1767168000000":               second, // milliseconds
		"1767168000017":               second.Add(17 * time.Millisecond),
		"253402300799":                time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		at, err := text.Time()
		require.NoError(t, err, text)
		require.Equal(t, want, at, text)
	}
	for _, text := range []provider.Scalar{
		"1767168000000000", // microseconds
		"0", "-5", "1e300", "NaN", "tomorrow", "2025-13-31T08:00:00Z", "{}", "[1767168000]", "true", "0x6955",
	} {
		_, err := text.Time()
		require.ErrorIs(t, err, provider.ErrScalar, text)
	}
	_, err := provider.Scalar("").Time()
	require.ErrorIs(t, err, provider.ErrAbsent)
}

func TestScalarBoolAndInt(t *testing.T) {
	for text, want := range map[provider.Scalar]bool{"true": true, "TRUE": true, "false": false, "": false} {
		got, err := text.Bool()
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []provider.Scalar{"1", "yes", "{}"} {
		_, err := text.Bool()
		require.ErrorIs(t, err, provider.ErrScalar, text)
	}
	for text, want := range map[provider.Scalar]int64{"120": 120, "120.9": 120, "-1": -1, "1.2e2": 120} {
		got, err := text.Int()
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []provider.Scalar{"1e300", "Inf", "NaN", "12s", "[]"} {
		_, err := text.Int()
		require.ErrorIs(t, err, provider.ErrScalar, text)
	}
}
