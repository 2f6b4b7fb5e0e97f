package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type historyBody struct {
	Items []struct {
		Kind       string
		AuditIndex int64
		Webhook    int64
		Source     *sourceBody
	}
	NextCursor string
}

type sourceBody struct {
	Delivery                     int64
	Account, SHA256, Auth, State string
	ReceivedAt                   time.Time
}

// Every line of a history says which webhook brought it, and what became of that.
func TestHistoryNamesTheWebhook(t *testing.T) {
	w := newWorld(t)
	w.as("write", http.MethodPost, pairPath+"/requests", nil)
	w.post(grant("wamid.G1"))
	w.as("write", http.MethodPost, "/v1/dnc", map[string]any{"user": customer, "reason": "asked by phone"})
	var h historyBody
	w.as("read", http.MethodGet, pairPath+"/events", nil).into(t, &h)
	kinds := map[string]*sourceBody{}
	for _, e := range h.Items {
		kinds[e.Kind] = e.Source
		if e.Source != nil {
			require.Equal(t, e.Webhook, e.Source.Delivery)
		}
	}
	for _, ours := range []string{"requested", "opted_out"} {
		require.Contains(t, kinds, ours)
		require.Nil(t, kinds[ours], "no webhook brought it")
	}
	source := kinds["granted"]
	require.NotNil(t, source)
	require.Equal(t, "acme", source.Account)
	require.Equal(t, "hmac", source.Auth)
	require.Equal(t, "stored", source.State)
	require.Len(t, source.SHA256, 64)
	require.WithinDuration(t, time.Now(), source.ReceivedAt, time.Minute)
}

// Pages hold every line once, also when the history grows between them.
func TestHistoryPages(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"wamid.T1", "wamid.T2", "wamid.T3", "wamid.T4", "wamid.T5"} {
		w.post(change("messages", value(phoneNumberID, text(id, "hello"))))
	}
	var seen []int64
	cursor := ""
	for page := range 10 {
		var h historyBody
		r := w.as("read", http.MethodGet, pairPath+"/events?limit=2&cursor="+cursor, nil)
		require.Equal(t, http.StatusOK, r.status, "%s", r.body)
		r.into(t, &h)
		require.LessOrEqual(t, len(h.Items), 2)
		for _, e := range h.Items {
			seen = append(seen, e.AuditIndex)
		}
		if page == 0 {
			w.post(change("messages", value(phoneNumberID, text("wamid.T6", "hello"))))
		}
		if cursor = h.NextCursor; cursor == "" {
			break
		}
	}
	require.Len(t, seen, 6)
	require.IsIncreasing(t, seen)
	require.Equal(t, http.StatusUnprocessableEntity, w.as("read", http.MethodGet, pairPath+"/events?cursor=x", nil).status)
}
