package meta_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "14085551234"
	number   = "518638374672395"
	business = "15551441906"
	secret   = "app-secret"
)

// world is a fake, its API and a receiver of its webhooks.
type world struct {
	t    *testing.T
	fake *meta.Fake
	api  *httptest.Server

	mu     sync.Mutex
	status []int // to answer the next deliveries with; then 200
	bodies [][]byte
	seen   chan map[string]any // every value.calls and value.statuses item
}

func newWorld(t *testing.T, edit func(*meta.Config)) *world {
	t.Helper()
	w := &world{t: t, seen: make(chan map[string]any, 1000)}
	receiver := httptest.NewServer(http.HandlerFunc(w.receive))
	t.Cleanup(receiver.Close)
	cfg := meta.Config{
		PhoneNumberID: number, Business: business, WABA: "9504", Token: "token", AppSecret: secret,
		VerifyToken: "verify", WebhookURL: receiver.URL,
	}
	if edit != nil {
		edit(&cfg)
	}
	fake, err := meta.New(cfg)
	require.NoError(t, err)
	w.fake, w.api = fake, httptest.NewServer(fake.Handler())
	t.Cleanup(w.api.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fake.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return w
}

func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		if r.FormValue("hub.verify_token") != "verify" {
			rw.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(rw, r.FormValue("hub.challenge"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		w.t.Error("wrong signature")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, body)
	if len(w.status) > 0 {
		rw.WriteHeader(w.status[0])
		w.status = w.status[1:]
		return
	}
	value := valueOf(body)
	for _, list := range []string{"calls", "statuses", "messages"} {
		items, _ := value[list].([]any)
		for _, item := range items {
			w.seen <- item.(map[string]any)
		}
	}
}

func valueOf(body []byte) map[string]any {
	var envelope struct {
		Entry []struct {
			Changes []struct{ Value map[string]any }
		}
	}
	if json.Unmarshal(body, &envelope) != nil || len(envelope.Entry) == 0 {
		return nil
	}
	return envelope.Entry[0].Changes[0].Value
}

// next is the next item of a webhook.
func (w *world) next() map[string]any {
	w.t.Helper()
	select {
	case item := <-w.seen:
		return item
	case <-time.After(5 * time.Second):
		w.t.Fatal("no webhook")
		return nil
	}
}

func (w *world) post(path string, body any) (int, map[string]any) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(w.t, err)
	return w.do(http.MethodPost, path, "token", raw)
}

func (w *world) do(method, path, token string, raw []byte) (int, map[string]any) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.api.URL+path, bytes.NewReader(raw))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := w.api.Client().Do(request)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, response.Body.Close()) }()
	var answer map[string]any
	require.NoError(w.t, json.NewDecoder(response.Body).Decode(&answer))
	return response.StatusCode, answer
}

type object = map[string]any

func code(answer map[string]any) int {
	inner, _ := answer["error"].(map[string]any)
	number, _ := inner["code"].(float64)
	return int(number)
}

func details(answer map[string]any) string {
	inner, _ := answer["error"].(map[string]any)
	more, _ := inner["error_data"].(map[string]any)
	text, _ := more["details"].(string)
	return text
}

const calls = "/v26.0/" + number + "/calls"

func (w *world) act(action, wacid string, session object) (int, map[string]any) {
	body := object{"messaging_product": "whatsapp", "call_id": wacid, "action": action}
	if session != nil {
		body["session"] = session
	}
	return w.post(calls, body)
}

func (w *world) connect(sdp string) (int, map[string]any) {
	return w.post(calls, object{
		"messaging_product": "whatsapp", "to": user, "action": "connect",
		"session": object{"sdp_type": "offer", "sdp": sdp}, "biz_opaque_callback_data": "attempt-7",
	})
}

func wacidOf(answer map[string]any) string {
	return answer["calls"].([]any)[0].(map[string]any)["id"].(string)
}

func TestMessagesAndLimits(t *testing.T) {
	w := newWorld(t, nil)
	const path = "/v26.0/" + number + "/messages"
	template := object{
		"messaging_product": "whatsapp", "to": "+1 408-555-1234", "type": "template",
		"template": object{"name": "cpr", "language": object{"code": "en"}},
	}
	text := object{"messaging_product": "whatsapp", "to": user, "type": "text", "text": object{"body": "Bye"}}
	interactive := object{
		"messaging_product": "whatsapp", "to": user, "type": "interactive",
		"interactive": object{"type": "call_permission_request", "action": object{"name": "call_permission_request"}},
	}
	status, answer := w.post(path, template)
	require.Equal(t, 200, status)
	require.Equal(t, user, answer["contacts"].([]any)[0].(map[string]any)["wa_id"])
	require.True(t, strings.HasPrefix(answer["messages"].([]any)[0].(map[string]any)["id"].(string), "wamid."))

	status, answer = w.post(path, template)
	require.Equal(t, []int{400, 138009}, []int{status, code(answer)}, "one request in 24 hours")
	_, answer = w.post(path, text)
	require.Equal(t, 131047, code(answer), "no free text before the user wrote")
	_, answer = w.post(path, interactive)
	require.Equal(t, 131047, code(answer))

	_, err := w.fake.Text(t.Context(), user, "hello")
	require.NoError(t, err)
	status, _ = w.post(path, text)
	require.Equal(t, 200, status)
	_, answer = w.post(path, interactive)
	require.Equal(t, 138009, code(answer))

	status, answer = w.do(http.MethodPost, path, "wrong", nil)
	require.Equal(t, []int{401, 190}, []int{status, code(answer)})
	_, answer = w.post("/v26.0/999/messages", template)
	require.Equal(t, 100, code(answer))
	_, answer = w.post("/v26.0/"+number+"/nonsense", template)
	require.Equal(t, 2500, code(answer))
	requests := w.fake.Requests()
	require.Len(t, requests, 9)
	require.Equal(t, "cpr", requests[0].Body["template"].(map[string]any)["name"])
	require.False(t, requests[0].Time.IsZero())
	require.Equal(t, 401, requests[6].Status)
}

func TestReplyIsSignedAndEscaped(t *testing.T) {
	w := newWorld(t, nil)
	require.NoError(t, w.fake.Verify(t.Context()))
	_, sent := w.post("/v26.0/"+number+"/messages", object{
		"messaging_product": "whatsapp", "to": user, "type": "template",
		"template": object{"name": "cpr", "language": object{"code": "en"}},
	})
	require.NoError(t, w.fake.Reply(t.Context(), user, true, false))
	message := w.next()
	reply := message["interactive"].(map[string]any)["call_permission_reply"].(map[string]any)
	require.Equal(t, "accept", reply["response"])
	require.Equal(t, false, reply["is_permanent"])
	require.Regexp(t, `^\d{10}$`, reply["expiration_timestamp"])
	require.Equal(t, sent["messages"].([]any)[0].(map[string]any)["id"], message["context"].(map[string]any)["id"])

	require.NoError(t, w.fake.Reply(t.Context(), user, true, true))
	reply = w.next()["interactive"].(map[string]any)["call_permission_reply"].(map[string]any)
	require.Equal(t, true, reply["is_permanent"])
	require.NotContains(t, reply, "expiration_timestamp")
	require.NoError(t, w.fake.Reply(t.Context(), user, false, false))
	reply = w.next()["interactive"].(map[string]any)["call_permission_reply"].(map[string]any)
	require.Equal(t, object{"response": "reject", "response_source": "user_action"}, reply)

	_, err := w.fake.Text(t.Context(), user, "größer a/b 🙂")
	require.NoError(t, err)
	require.Equal(t, "größer a/b 🙂", w.next()["text"].(map[string]any)["body"])
	w.mu.Lock()
	defer w.mu.Unlock()
	raw := string(w.bodies[3])
	require.Contains(t, raw, `gr\u00f6\u00dfer a\/b \ud83d\ude42`)
	for _, b := range []byte(raw) {
		require.Less(t, b, byte(0x80))
	}
}

func TestPermissionQuery(t *testing.T) {
	w := newWorld(t, nil)
	const path = "/v26.0/" + number + "/call_permissions?user_wa_id=" + user
	status := func() any {
		_, answer := w.do(http.MethodGet, path, "token", nil)
		return answer["permission"].(map[string]any)["status"]
	}
	require.Equal(t, "no_permission", status())
	require.NoError(t, w.fake.Reply(t.Context(), user, true, false))
	_, answer := w.do(http.MethodGet, path, "token", nil)
	permission := answer["permission"].(map[string]any)
	require.Equal(t, "temporary", permission["status"])
	require.InDelta(t, float64(time.Now().Add(168*time.Hour).Unix()), permission["expiration_time"], 5)
	start := answer["actions"].([]any)[1].(map[string]any)
	require.Equal(t, true, start["can_perform_action"])
	require.InDelta(t, 100, start["limits"].([]any)[0].(map[string]any)["max_allowed"], 0)
	w.fake.SetPermission(user, "temporary", time.Now())
	require.Equal(t, "no_permission", status(), "the boundary is expired")
	w.fake.SetPermission(user, "permanent", time.Time{})
	require.Equal(t, "permanent", status())
}

func TestKnobs(t *testing.T) {
	w := newWorld(t, nil)
	w.status = []int{500, 503}
	w.fake.SetKnobs(meta.Knobs{Duplicate: 2, Delay: 30 * time.Millisecond, Retry: []time.Duration{0, 0}})
	begin := time.Now()
	require.NoError(t, w.fake.Post(t.Context(), "account_update", object{"event": "ACCOUNT_RESTRICTION"}, 2))
	require.GreaterOrEqual(t, time.Since(begin), 60*time.Millisecond)
	deliveries := w.fake.Deliveries()
	require.Len(t, deliveries, 6)
	require.Equal(t, 3, deliveries[0].Attempts)
	require.Equal(t, "account_update", deliveries[0].Field)
	require.Len(t, w.bodies, 8)
	w.status = []int{500, 500, 500}
	require.ErrorIs(t, w.fake.Post(t.Context(), "x", nil, 1), meta.ErrNotDelivered)
}

func TestBatch(t *testing.T) {
	w := newWorld(t, nil)
	require.NoError(t, w.fake.PostBatch(t.Context(), []meta.Webhook{
		{Field: "messages", Value: object{"n": 1}}, {Field: "account_update", Value: object{"n": 2}},
	}))
	require.Len(t, w.bodies, 1)
	require.JSONEq(t, `{"object":"whatsapp_business_account","entry":[{"id":"9504","changes":[
		{"field":"messages","value":{"n":1}},{"field":"account_update","value":{"n":2}}]}]}`, string(w.bodies[0]))
}

func TestConnectIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetUser(user, handset.Behaviour{Then: "ignore"})
	b := newBusiness(t)
	offer := b.offer()
	status, answer := w.connect(offer)
	require.Equal(t, []int{401, 138006}, []int{status, code(answer)})
	require.NoError(t, w.fake.Reply(t.Context(), user, true, false))

	at := strings.Index(offer, "a=fingerprint:")
	line := offer[at : at+strings.Index(offer[at:], "\r\n")+2]
	for name, c := range map[string]struct{ sdp, details string }{
		"rubbish":          {"hello", "SDP Validation error - Provided SDP is invalid"},
		"no fingerprint":   {strings.Replace(offer, line, "", 1), "No fingerprint found in SDP"},
		"sha-512 as well":  {strings.Replace(offer, line, line+strings.Replace(line, "sha-256", "sha-512", 1), 1), "Fingerprint algo is not SHA256"},
		"upper-case token": {strings.Replace(offer, "sha-256", "SHA-256", 1), "Fingerprint algo is not SHA256"},
		"recvonly":         {strings.Replace(offer, "a=sendrecv", "a=recvonly", 1), "SDP Validation error - Provided SDP is invalid"},
	} {
		status, answer := w.connect(c.sdp)
		require.Equal(t, []int{400, 100}, []int{status, code(answer)}, name)
		require.Equal(t, c.details, details(answer), name)
	}
	require.Empty(t, w.fake.Calls())
	require.Zero(t, w.fake.PacketsIn())

	status, _ = w.connect(offer)
	require.Equal(t, 200, status)
	_, answer = w.connect(offer)
	require.Equal(t, 138003, code(answer))
	_, answer = w.act("accept", w.fake.Calls()[0].ID, object{"sdp_type": "answer", "sdp": offer})
	require.Equal(t, 100, code(answer), "a call of the business is not accepted by it")
	_, answer = w.act("terminate", "wacid.unknown", nil)
	require.Equal(t, 100, code(answer))
	_, answer = w.act("dance", w.fake.Calls()[0].ID, nil)
	require.Equal(t, 100, code(answer))
}
