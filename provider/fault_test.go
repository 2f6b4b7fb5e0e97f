package provider_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// classes is what every code that a call or a request can meet must lead to.
func classes() map[int]provider.FaultClass {
	return map[int]provider.FaultClass{
		100: provider.FaultRequest, 190: provider.FaultRequest, 131009: provider.FaultRequest, 131030: provider.FaultRequest,
		131055: provider.FaultRequest, 131062: provider.FaultRequest, 138003: provider.FaultRequest, 138018: provider.FaultRequest,
		613: provider.FaultRetry, 80007: provider.FaultRetry, 130429: provider.FaultRetry, 131056: provider.FaultRetry,
		138002: provider.FaultRetry, 138004: provider.FaultRetry, 138005: provider.FaultRetry, 138007: provider.FaultRetry,
		138019: provider.FaultRetry,
		131026: provider.FaultUser, 131047: provider.FaultUser, 131050: provider.FaultUser, 138001: provider.FaultUser,
		130472: provider.FaultUser, 4: provider.FaultRetry,
		131048: provider.FaultWait, 131049: provider.FaultWait, 138009: provider.FaultWait, 138012: provider.FaultWait,
		131031: provider.FaultNumber, 131042: provider.FaultNumber, 131044: provider.FaultNumber, 138000: provider.FaultNumber,
		138013: provider.FaultNumber, 138014: provider.FaultNumber, 138015: provider.FaultNumber,
		138006: provider.FaultAsk, 138017: provider.FaultAsk,
		138020: provider.FaultMedia, 138021: provider.FaultMedia, 138022: provider.FaultMedia, 138023: provider.FaultMedia,
		132000: provider.FaultTemplate, 132001: provider.FaultTemplate, 132005: provider.FaultTemplate,
		132007: provider.FaultTemplate, 132012: provider.FaultTemplate, 132015: provider.FaultTemplate, 132016: provider.FaultTemplate,
		138011: provider.FaultUnknown,
	}
}

func TestFaults(t *testing.T) {
	require.Len(t, provider.Faults(), len(classes()), "every code once")
	for code, class := range classes() {
		f := provider.FaultOf("meta", code)
		require.Equal(t, class, f.Class, code)
		require.Equal(t, code, f.Code)
		require.NotEmpty(t, f.Meaning)

		api := fmt.Errorf("send: %w", &provider.APIError{Provider: "meta", Status: 400, Code: code})
		carrier := &sipbridge.CarrierError{Status: 400, Code: code}
		for _, err := range []error{api, carrier} {
			got, ok := provider.Classify(err)
			require.True(t, ok)
			require.Equal(t, f, got)
			n, isNumber := provider.NumberFault(err)
			require.Equal(t, class == provider.FaultNumber, isNumber, code)
			if isNumber {
				require.Equal(t, permissions.Notice{
					Kind: permissions.Unable, Code: code, Type: f.Meaning, Auth: permissions.AuthReadBack,
				}, n)
			}
		}
	}
}

// 8x8 has codes of its own for some of Meta's, and some for none.
func TestFaultsOf8x8(t *testing.T) {
	for code, want := range map[int]int{
		1018: 131026, 1022: 131047, 1024: 131049, 1051: 131050, 1052: 138017, 1053: 138009, 1054: 131062, 1009: 130429, 1028: 131056,
	} {
		require.Equal(t, want, provider.MetaCode("8x8", code))
		require.Equal(t, code, provider.MetaCode("meta", code), "at Meta it is no such code")
		require.Equal(t, provider.FaultOf("meta", want), provider.FaultOf("8x8", code))
	}
	for code, class := range map[int]provider.FaultClass{
		1002: provider.FaultUser, 1200: provider.FaultRequest, 1300: provider.FaultRequest, 15: provider.FaultUnknown,
		138014: provider.FaultNumber,
	} {
		require.Equal(t, class, provider.FaultOf("8x8", code).Class, code)
	}
	require.Equal(t, provider.FaultUnknown, provider.FaultOf("meta", 1200).Class)
}

func TestClassifyByStatus(t *testing.T) {
	for status, class := range map[int]provider.FaultClass{
		429: provider.FaultRetry, 500: provider.FaultRetry, 503: provider.FaultRetry,
		401: provider.FaultRequest, 403: provider.FaultRequest, 400: provider.FaultUnknown, 302: provider.FaultUnknown,
	} {
		for _, err := range []error{&provider.APIError{Provider: "8x8", Status: status}, &sipbridge.CarrierError{Status: status}} {
			f, ok := provider.Classify(err)
			require.True(t, ok)
			require.Equal(t, class, f.Class, status)
		}
	}
	for _, err := range []error{nil, net.ErrClosed, provider.ErrAnswer, errors.ErrUnsupported} {
		_, ok := provider.Classify(err)
		require.False(t, ok, "a lost answer is no refusal")
		_, ok = provider.NumberFault(err)
		require.False(t, ok)
		require.True(t, provider.RetryAt(err, time.Now()).IsZero())
	}
}

func TestRetryAt(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	later := now.Add(5 * time.Hour)
	for name, tc := range map[string]struct {
		err  provider.APIError
		want time.Time
	}{
		"the provider's time":   {provider.APIError{Code: 138012, Until: later, RetryAfter: time.Second}, later},
		"a time that has come":  {provider.APIError{Code: 138012, Until: now}, now.Add(24 * time.Hour)},
		"the provider's pause":  {provider.APIError{Code: 613, Status: 429, RetryAfter: 7 * time.Second}, now.Add(7 * time.Second)},
		"the table's":           {provider.APIError{Code: 138001}, now.Add(24 * time.Hour)},
		"nobody's":              {provider.APIError{Code: 138002}, time.Time{}},
		"no matter of time":     {provider.APIError{Code: 138006, RetryAfter: time.Second}, time.Time{}},
		"no matter of time too": {provider.APIError{Code: 138013, Until: later}, time.Time{}},
	} {
		tc.err.Provider = "meta"
		require.Equal(t, tc.want, provider.RetryAt(&tc.err, now), name)
	}
	require.Equal(t, now.Add(24*time.Hour), provider.RetryAt(&sipbridge.CarrierError{Code: 138012}, now))
	n, ok := provider.NumberFault(&provider.APIError{Provider: "meta", Code: 138014, Until: later})
	require.True(t, ok)
	require.Equal(t, later, n.Until)
}

// A phone number in the sentence is no time in the next century.
func TestAllowedAgainIsNoPhoneNumber(t *testing.T) {
	for _, number := range []string{"6591234567", "+6591234567", "4930901820", "14085551234", "5511987654321", "8613800138000"} {
		details, _ := provider.ReadMembers([]byte(`{"details":"User ` + number + ` has reached the limit."}`))
		require.Zero(t, provider.AllowedAgain(details), number)
	}
}

func TestAllowedAgain(t *testing.T) {
	at := time.Date(2026, 1, 16, 8, 0, 0, 0, time.UTC)
	for raw, want := range map[string]time.Time{
		`{"next_allowed_time":1768550400}`:                               at,
		`{"nextAllowedTimestamp":"1768550400000"}`:                       at,
		`{"limit_expiration_time":"2026-01-16T08:00:00Z","details":"d"}`: at,
		`{"allowed_at":1768550400,"next":1768550000}`:                    at,
		`{"details":"Next call allowed at 2026-01-16T08:00:00.00Z."}`:    at,
		`{"details":"Next call allowed at 1768550400."}`:                 at,
		`{"details":"limit of 100 reached for 14085551234"}`:             {},
		`{"max_allowed":100,"next_in":5}`:                                {},
		`{"details":{"next":1768550400}}`:                                {},
		`{}`:                                                             {},
		`7`:                                                              {},
	} {
		said, _ := provider.ReadMembers([]byte(raw))
		require.Equal(t, want, provider.AllowedAgain(said), raw)
	}
}
