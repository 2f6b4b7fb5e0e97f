package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/server/notify"
)

// notifying gives the server a running sender of outgoing webhooks.
func notifying(tb testing.TB, allowPrivate bool) option {
	tb.Helper()
	return func(cfg *server.Config) {
		n, err := notify.New(notify.Config{Log: cfg.Log, Read: cfg.Read, AllowPrivate: allowPrivate, Now: cfg.Now, NewID: cfg.NewID})
		require.NoError(tb, err)
		cfg.Subscriptions = n
		ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		tb.Cleanup(func() {
			cancel()
			require.NoError(tb, <-done)
		})
	}
}

// The whole way of an outgoing webhook: subscribed by the API, told of a
// permission that a provider's webhook brought, deleted by the API.
func TestSubscription(t *testing.T) {
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, body}
	}))
	t.Cleanup(receiver.Close)
	w := newWorld(t, notifying(t, true))
	r := w.as("admin", http.MethodPost, "/v1/webhooks", map[string]any{"url": receiver.URL, "kinds": []string{"permission."}})
	require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
	var made struct{ ID, URL, State, Secret, CreatedBy string }
	r.into(t, &made)
	require.Equal(t, "active", made.State)
	require.Equal(t, "admin", made.CreatedBy)
	w.post(grant("wamid.G1"))

	var in request
	select {
	case in = <-got:
	case <-time.After(10 * time.Second):
		require.Fail(t, "nothing was delivered")
	}
	var event struct{ Type string }
	require.NoError(t, json.Unmarshal(in.body, &event))
	require.Equal(t, "callctl.permission.granted", event.Type)
	require.Contains(t, string(in.body), customer)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	require.NoError(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(in.header.Get("webhook-id") + "." + in.header.Get("webhook-timestamp") + "." + string(in.body)))
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), in.header.Get("webhook-signature"))

	r = w.as("admin", http.MethodGet, "/v1/webhooks", nil)
	require.NotContains(t, string(r.body), "whsec_")
	var all struct{ Items []struct{ ID, URL string } }
	r.into(t, &all)
	require.Len(t, all.Items, 1)
	require.Equal(t, receiver.URL, all.Items[0].URL)
	require.Equal(t, http.StatusNoContent, w.as("admin", http.MethodDelete, "/v1/webhooks/"+made.ID, nil).status)
	require.Equal(t, http.StatusNotFound, w.as("admin", http.MethodDelete, "/v1/webhooks/"+made.ID, nil).status)
	require.Subset(t, w.kinds(), []string{"webhook_subscription.created", "webhook_subscription.deleted"})
}

func TestSubscriptionRefused(t *testing.T) {
	w := newWorld(t, notifying(t, false))
	for _, c := range []struct {
		body  map[string]any
		where string
	}{
		{map[string]any{"url": "https://user:T0KEN@example.com"}, "body.url"},
		{map[string]any{"url": "https://169.254.169.254/latest"}, "body.url"},
		{map[string]any{"url": "http://example.com"}, "body.url"},
		{map[string]any{"url": "https://example.com", "kinds": []string{"*"}}, "body.kinds"},
		{map[string]any{"url": "https://example.com", "after": 99}, "body.after"},
		{map[string]any{"url": "https://example.com", "secret": "mine"}, "body"},
	} {
		r := w.as("admin", http.MethodPost, "/v1/webhooks", c.body)
		require.GreaterOrEqual(t, r.status, 400, "%v", c.body)
		require.Less(t, r.status, 500, "%v", c.body)
		require.Contains(t, string(r.body), `"location":"`+c.where+`"`, "%v", c.body)
		require.NotContains(t, string(r.body), "T0KEN")
	}
	require.Empty(t, w.kinds())
}

func TestNoSubscriptions(t *testing.T) {
	w := newWorld(t)
	require.JSONEq(t, `{"items":[]}`, string(w.as("admin", http.MethodGet, "/v1/webhooks", nil).body))
	require.Equal(t, http.StatusNotImplemented, w.as("admin", http.MethodPost, "/v1/webhooks", map[string]any{"url": "https://example.com"}).status)
	require.Equal(t, http.StatusNotFound, w.as("admin", http.MethodDelete, "/v1/webhooks/x", nil).status)
}
