package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// told8x8 is the answer of 8x8's callPermissions with a temporary permission.
func told8x8(expires time.Time) string {
	return fmt.Sprintf(`{"status":"temporary","actions":[
{"actionName":"send_call_permission_request","canPerformAction":true,"limits":[{"timePeriod":"PT24H","maxAllowed":1,"currentUsage":0}]},
{"actionName":"start_call","canPerformAction":true,"limits":[{"timePeriod":"PT24H","maxAllowed":100,"currentUsage":0}]}],"expirationTime":%q}`,
		expires.UTC().Format("2006-01-02T15:04:05.00Z"))
}

const noPermission8x8 = `{"status":"not_granted","actions":[
{"actionName":"send_call_permission_request","canPerformAction":true,"limits":[{"timePeriod":"PT24H","maxAllowed":1,"currentUsage":0}]},
{"actionName":"start_call","canPerformAction":false,"limits":[{"timePeriod":"PT24H","maxAllowed":100,"currentUsage":0}]}]}`

// A grant that came with a static secret is dialled on once the provider has
// confirmed it.
func TestReadBack(t *testing.T) {
	w := newWorld(t)
	w.post8x8(reply8x8("2b1e044d-6fce-4a11-8962-b39900a755c1"))
	ask := map[string]any{"business": otherBusiness, "user": customer}
	require.Equal(t, "permission_unverified", w.as("read", http.MethodPost, "/v1/decisions", ask).json(t)["reason"])
	w.graph.tell(http.StatusOK, told8x8(time.Now().Add(8*time.Hour)))
	r := w.as("write", http.MethodPost, otherPath+"/read-backs", nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, true, r.json(t)["verified"])
	require.Equal(t, "temporary", r.json(t)["status"])
	d := w.as("read", http.MethodPost, "/v1/decisions", ask)
	require.Equal(t, true, d.json(t)["allow"], "%s", d.body)
	require.Contains(t, w.metrics(), `callctl_read_backs_total{result="answered",why="reconcile"} 1`+"\n")
}

// What the provider does not know any more is withdrawn here.
func TestReadBackWithdraws(t *testing.T) {
	w := newWorld(t)
	w.post8x8(reply8x8("2b1e044d-6fce-4a11-8962-b39900a755c1"))
	w.graph.tell(http.StatusOK, noPermission8x8)
	r := w.as("write", http.MethodPost, otherPath+"/read-backs", nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "no_permission", r.json(t)["status"])
	require.Contains(t, w.kinds(), "permission.revoked")
}

// A provider that fails changes nothing, and its words are not repeated.
func TestReadBackFails(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	before := w.rows()
	for _, c := range []struct {
		name   string
		told   int
		body   string
		status int
		reason string
	}{
		{"refused", http.StatusBadRequest, `{"error":{"message":"no such user +6591234567","code":100}}`, http.StatusBadGateway, "provider_failed"},
		{"down", http.StatusInternalServerError, `<h1>`, http.StatusBadGateway, "provider_failed"},
		{"not readable", http.StatusOK, `{"permission":{}}`, http.StatusBadGateway, "provider_failed"},
		// Last, because the provider then wants a pause.
		{"limited", http.StatusTooManyRequests, `{"error":{"message":"calls to this api have exceeded the rate limit","code":613}}`, http.StatusServiceUnavailable, "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.graph.tell(c.told, c.body)
			r := w.as("write", http.MethodPost, pairPath+"/read-backs", nil)
			require.Equal(t, c.status, r.status, "%s", r.body)
			require.Equal(t, c.reason, r.json(t)["reason"])
			require.NotContains(t, string(r.body), "91234567")
			if c.status == http.StatusServiceUnavailable {
				require.NotEmpty(t, r.header.Get("Retry-After"))
			}
		})
	}
	require.Equal(t, before, w.rows())
	require.NotContains(t, w.logs.String(), "91234567")
	require.Equal(t, http.StatusForbidden, w.as("write", http.MethodPost, "/v1/permissions/%2B6539999999/%2B6591234567/read-backs", nil).status)
	for _, result := range []string{"refused", "limited"} {
		require.Contains(t, w.metrics(), `callctl_read_backs_total{result="`+result+`",why="reconcile"} 1`+"\n")
	}
	require.Contains(t, w.metrics(), `callctl_read_backs_total{result="failed",why="reconcile"} 2`+"\n")
}
