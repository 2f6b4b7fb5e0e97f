package eightx8_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/testbed/eightx8"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "+6591234567"

func newFake(t *testing.T, webhook http.HandlerFunc) (*eightx8.Fake, *httptest.Server) {
	t.Helper()
	receiver := httptest.NewServer(webhook)
	t.Cleanup(receiver.Close)
	f, err := eightx8.New(eightx8.Config{
		SubAccount: "acme_wa", Channel: "269a57f4", Key: "key", Authorization: "Basic c2VjcmV0",
		WebhookURL: receiver.URL, Retry: []time.Duration{time.Millisecond, time.Millisecond},
	})
	require.NoError(t, err)
	api := httptest.NewServer(f.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f, api
}

func call(t *testing.T, method, url, key, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var answer map[string]any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	return response.StatusCode, answer
}

func TestMessages(t *testing.T) {
	f, api := newFake(t, func(http.ResponseWriter, *http.Request) {})
	const path = "/api/v1/subaccounts/acme_wa/messages"
	template := `{"user":{"msisdn":"` + user + `"},"clientMessageId":"cpr-1","type":"template",
		"content":{"template":{"language":"en_US","name":"cpr"}}}`
	cases := []struct {
		name, path, key, body string
		status, code          int
	}{
		{"template", path, "key", template, 200, 0},
		{"interactive", path, "key", `{"user":{"msisdn":"` + user + `"},"type":"interactive","content":{"interactive":{"type":"call_permission_request","body":{"text":"May we?"}}}}`, 200, 0},
		{"text", path, "key", `{"user":{"msisdn":"` + user + `"},"type":"text","content":{"text":"Bye"}}`, 200, 0},
		{"wrong key", path, "wrong", template, 401, 1200},
		{"number without plus", path, "key", strings.Replace(template, "+", "", 1), 400, 1002},
		{"Meta's language object", path, "key", strings.Replace(template, `"en_US"`, `{"code":"en_US"}`, 1), 400, 1001},
		{"other subaccount", "/api/v1/subaccounts/other/messages", "key", template, 404, 1300},
		{"no JSON", path, "key", `{`, 400, 1001},
		{"unknown path", "/api/v2/messages", "key", template, 404, 1300},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, answer := call(t, http.MethodPost, api.URL+c.path, c.key, c.body)
			require.Equal(t, c.status, status)
			if c.code != 0 {
				require.InDelta(t, c.code, answer["code"], 0)
			} else {
				require.NotEmpty(t, answer["umid"])
				require.Equal(t, "queued", answer["status"].(map[string]any)["state"])
			}
			requests := f.Requests()
			require.Len(t, requests, i+1)
			require.Equal(t, c.body, string(requests[i].Raw))
			require.Equal(t, c.status, requests[i].Status)
		})
	}
}

func TestReplyIsTheSampleWithFreshValues(t *testing.T) {
	var header, body string
	f, api := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		header, body = r.Header.Get("Authorization"), string(raw)
	})
	_, err := f.Text(t.Context(), user, "hello") // opens the customer service window
	require.NoError(t, err)
	_, sent := call(t, http.MethodPost, api.URL+"/api/v1/subaccounts/acme_wa/messages", "key",
		`{"user":{"msisdn":"`+user+`"},"type":"interactive","content":{"interactive":{"type":"call_permission_request"}}}`)
	require.NoError(t, f.Reply(t.Context(), user, true, false))
	require.Equal(t, "Basic c2VjcmV0", header)

	raw, err := os.ReadFile("samples/inbound_call_permission_reply.json")
	require.NoError(t, err)
	var want, got map[string]any
	require.NoError(t, json.Unmarshal(raw, &want))
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	payload := got["payload"].(map[string]any)
	begun, err := time.Parse(time.RFC3339, payload["timestamp"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), begun, 5*time.Second)
	reply := payload["content"].(map[string]any)["interactive"].(map[string]any)["callPermissionReply"].(map[string]any)
	expires, err := time.Parse(time.RFC3339, reply["expirationTimestamp"].(string))
	require.NoError(t, err)
	require.Equal(t, 8*time.Hour, expires.Sub(begun))
	require.Equal(t, sent["umid"], payload["replyToUmid"])

	// All else is the page's.
	expected := want["payload"].(map[string]any)
	require.NotEqual(t, expected["umid"], payload["umid"])
	delete(payload, "replyToUmid")
	for _, key := range []string{"umid", "timestamp", "subAccountId", "user", "recipient"} {
		expected[key] = payload[key]
	}
	expected["content"].(map[string]any)["interactive"].(map[string]any)["callPermissionReply"].(map[string]any)["expirationTimestamp"] = reply["expirationTimestamp"]
	require.Empty(t, cmp.Diff(want, got))
}

func TestRepliesAndTheQueryAgree(t *testing.T) {
	var body map[string]any
	f, api := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		body = nil
		_ = json.NewDecoder(r.Body).Decode(&body)
	})
	query := api.URL + "/api/v1/whatsapp/subaccounts/acme_wa/channels/269a57f4/callPermissions?destination=%2B6591234567"
	for _, c := range []struct {
		accept, permanent bool
		status            string
	}{{true, false, "temporary"}, {true, true, "permanent"}, {false, false, "not_granted"}} {
		t.Run(c.status, func(t *testing.T) {
			require.NoError(t, f.Reply(t.Context(), user, c.accept, c.permanent))
			reply := body["payload"].(map[string]any)["content"].(map[string]any)["interactive"].(map[string]any)["callPermissionReply"].(map[string]any)
			_, expires := reply["expirationTimestamp"]
			require.Equal(t, c.status == "temporary", expires)
			_, answer := call(t, http.MethodGet, query, "key", "")
			require.Equal(t, c.status, answer["status"])
			_, expires = answer["expirationTime"]
			require.Equal(t, c.status == "temporary", expires)
		})
	}
	f.SetPermission(user, "temporary", time.Now().Add(-time.Second))
	_, answer := call(t, http.MethodGet, query, "key", "")
	require.Equal(t, "not_granted", answer["status"], "a permission that ran out is none")
}

func TestTextAndRetries(t *testing.T) {
	var seen []string
	f, _ := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		seen = append(seen, string(raw))
		if len(seen) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	umid, err := f.Text(t.Context(), user, "stop calls")
	require.NoError(t, err)
	require.Len(t, seen, 3)
	require.Equal(t, seen[0], seen[2], "a retry is the same event")
	require.Contains(t, seen[2], umid)
	require.Contains(t, seen[2], `"text":"stop calls"`)
}

func TestGivesUp(t *testing.T) {
	n := 0
	f, _ := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, err := f.Text(t.Context(), user, "hello")
	require.ErrorIs(t, err, eightx8.ErrNotDelivered)
	require.Equal(t, 3, n)
	f.SetWebhook("")
	require.ErrorIs(t, f.Reply(t.Context(), user, true, false), eightx8.ErrNoWebhook)
}
