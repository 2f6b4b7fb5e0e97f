package meta_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func TestReadPermission(t *testing.T) {
	sample := string(fixture(t, "answers/call_permissions.json"))
	expires := time.Unix(1745343479, 0).UTC()
	want := provider.PermissionState{
		Status: permissions.StatusTemporary, Expires: expires,
		Actions: []provider.Action{
			{Name: "send_call_permission_request", Can: true, Limits: []provider.Limit{
				{Period: "PT24H", Max: 1}, {Period: "P7D", Max: 2, Used: 1},
			}},
			{Name: "start_call", Limits: []provider.Limit{
				{Period: "PT24H", Max: 5, Used: 5, Resets: time.Unix(1745622600, 0).UTC()},
			}},
		},
	}
	for _, body := range []string{sample, strings.Replace(sample, "expiration_time", "expiration", 1)} {
		a, g := against(t, response{status: 200, body: body})
		got, err := a.ReadPermission(t.Context(), user)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, []string{"GET /v25.0/" + numberID + "/call_permissions"}, g.requests)
		require.Equal(t, []string{"user_wa_id=14085551234"}, g.queries)
	}
	a, g := against(t, response{status: 200, body: `{"permission":{"status":"no_permission"}}`})
	got, err := a.ReadPermission(t.Context(), userBSUID)
	require.NoError(t, err)
	require.Equal(t, provider.PermissionState{Status: permissions.StatusNone}, got)
	require.Equal(t, []string{"recipient=" + userBSUID}, g.queries)
}

// What is not understood is no permission.
func TestReadPermissionRefusesToGuess(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{}`, `{"permission":{}}`, `{"permission":"permanent"}`, `{"permission":{"status":"granted"}}`,
		`{"permission":{"status":"temporary","expiration_time":"never"}}`,
		`{"permission":{"status":"temporary","expiration_time":1745343479000000}}`,
	} {
		a, _ := against(t, response{status: 200, body: body})
		got, err := a.ReadPermission(t.Context(), user)
		require.ErrorIs(t, err, provider.ErrAnswer, body)
		require.Zero(t, got)
	}
	a, g := against(t, response{status: 429, body: `{"error":{"message":"m","code":613}}`})
	_, err := a.ReadPermission(t.Context(), user)
	var refused *provider.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 613, refused.Code)
	_, err = a.ReadPermission(t.Context(), "Ann")
	require.ErrorIs(t, err, provider.ErrRequest)
	require.Equal(t, 1, g.count())
}
