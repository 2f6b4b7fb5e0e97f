package eightx8_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func TestReadPermission(t *testing.T) {
	sample := string(fixture(t, "answers/callPermissions.json"))
	a, requests := against(t, http.StatusOK, sample)
	got, err := a.ReadPermission(t.Context(), "+6591234567")
	require.NoError(t, err)
	require.Equal(t, provider.PermissionState{
		Status: permissions.StatusTemporary, Expires: time.Date(2026, 2, 6, 8, 12, 30, 0, time.UTC),
		Actions: []provider.Action{
			{Name: "send_call_permission_request", Can: true, Limits: []provider.Limit{{Period: "PT24H", Max: 1}, {Period: "P7D", Max: 2}}},
			{Name: "start_call", Can: true, Limits: []provider.Limit{{Period: "PT24H", Max: 100}}},
		},
	}, got)
	asked := <-requests
	require.Equal(t, "GET /api/v1/whatsapp/subaccounts/acme%2Fwa/channels/"+channel+
		"/callPermissions?destination=%2B6591234567", asked.line)
	require.Equal(t, "Bearer api-key", asked.authorization)

	for word, want := range map[string]permissions.Status{
		"not_granted": permissions.StatusNone, "no_permission": permissions.StatusNone, "permanent": permissions.StatusPermanent,
	} {
		a, _ := against(t, http.StatusOK, strings.Replace(sample, "temporary", word, 1))
		got, err := a.ReadPermission(t.Context(), userBSUID)
		require.NoError(t, err)
		require.Equal(t, want, got.Status)
	}
}

// What is not understood is no permission.
func TestReadPermissionRefusesToGuess(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{}`, `{"status":"granted"}`, `{"status":{"temporary":1}}`,
		`{"status":"temporary","expirationTime":"never"}`,
	} {
		a, _ := against(t, http.StatusOK, body)
		got, err := a.ReadPermission(t.Context(), user)
		require.ErrorIs(t, err, provider.ErrAnswer, body)
		require.Zero(t, got)
	}
	a, _ := against(t, http.StatusNotFound, `{"code":1300,"message":"not found"}`)
	_, err := a.ReadPermission(t.Context(), user)
	var refused *provider.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1300, refused.Code)
	_, err = a.ReadPermission(t.Context(), "Ann")
	require.ErrorIs(t, err, provider.ErrRequest)
}
