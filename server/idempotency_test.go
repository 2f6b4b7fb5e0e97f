package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/server"
)

func callBody() map[string]any {
	return map[string]any{"business": business, "user": customer, "agent": "1001"}
}

func TestIdempotencyReplaysTheAnswer(t *testing.T) {
	w := newWorld(t)
	first := w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1")
	require.Equal(t, http.StatusAccepted, first.status)
	require.Empty(t, first.header.Get("Idempotent-Replayed"))
	again := w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1")
	require.Equal(t, first.status, again.status)
	require.Equal(t, string(first.body), string(again.body))
	require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	require.Equal(t, first.header.Get("Content-Type"), again.header.Get("Content-Type"))
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	require.Equal(t, 1, w.bridge.calls())

	other := callBody()
	other["agent"] = "1002"
	r := w.as("write", http.MethodPost, "/v1/calls", other, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusUnprocessableEntity, r.status)
	require.Equal(t, "idempotency_key_reused", r.json(t)["reason"])
	require.Equal(t, http.StatusAccepted, w.as("admin", http.MethodPost, "/v1/calls", other, "Idempotency-Key", "k1").status, "keys belong to a token")
	require.Equal(t, 2, w.bridge.calls())
	require.Equal(t, http.StatusBadRequest, w.as("write", http.MethodPost, "/v1/calls", other, "Idempotency-Key", strings.Repeat("k", 256)).status)
}

func TestIdempotencyKeepsRefusals(t *testing.T) {
	w := newWorld(t)
	w.bridge.err = refusal{}
	require.Equal(t, http.StatusForbidden, w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1").status)
	w.bridge.err = nil
	r := w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1")
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "permission_expired", r.json(t)["reason"])
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	require.Zero(t, w.bridge.calls())
}

func TestIdempotencyInFlight(t *testing.T) {
	w := newWorld(t)
	w.bridge.block = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1") })
	require.Eventually(t, func() bool { return w.count(`SELECT count(*) FROM idempotency_keys`) == 1 }, 5*time.Second, time.Millisecond)
	r := w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1")
	require.Equal(t, http.StatusConflict, r.status)
	require.Equal(t, "request_in_flight", r.json(t)["reason"])
	close(w.bridge.block)
	wg.Wait()
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1").status)
	require.Equal(t, 1, w.bridge.calls())
}

func TestIdempotencyManyAtOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k"+string(rune('a'+i%8)))
		})
	}
	wg.Wait()
	require.Equal(t, 8, w.bridge.calls())
}

// After a crash in the middle, what may have happened is not done again by
// itself; what does no harm twice is.
func TestIdempotencyAfterCrash(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	dnc := map[string]any{"user": "+6590000001", "reason": "asked by phone"}
	w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "call")
	w.as("write", http.MethodPost, "/v1/callbacks", callBody(), "Idempotency-Key", "callback")
	w.as("write", http.MethodPost, "/v1/dnc", dnc, "Idempotency-Key", "dnc")
	w.exec(`UPDATE idempotency_keys SET status = 0, body = NULL, run = 'an earlier process'`)
	for range 2 {
		r := w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "call")
		require.Equal(t, http.StatusConflict, r.status)
		require.Equal(t, "outcome_unknown", r.json(t)["reason"])
		r = w.as("write", http.MethodPost, "/v1/callbacks", callBody(), "Idempotency-Key", "callback")
		require.Equal(t, http.StatusConflict, r.status)
		require.Equal(t, http.StatusCreated, w.as("write", http.MethodPost, "/v1/dnc", dnc, "Idempotency-Key", "dnc").status)
	}
	require.Equal(t, 1, w.bridge.calls())
	require.Equal(t, 1, w.count(`SELECT count(*) FROM callbacks`))
}

func TestIdempotencyPanicIsKept(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Bridge = nil; c.Exporter = exploding{} })
	for range 2 {
		r := w.as("audit", http.MethodPost, "/v1/exports", map[string]any{"user": customer}, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusInternalServerError, r.status)
	}
}

type exploding struct{ server.Exporter }

func TestPurge(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *server.Config) { c.Now = func() time.Time { return now } })
	w.as("write", http.MethodPost, "/v1/calls", callBody(), "Idempotency-Key", "k1")
	w.post([]byte("no JSON"))
	require.NoError(t, w.server.Purge(t.Context()))
	require.Equal(t, 1, w.count(`SELECT count(*) FROM idempotency_keys`))
	now = now.Add(31 * 24 * time.Hour)
	require.NoError(t, w.server.Purge(t.Context()))
	require.Zero(t, w.count(`SELECT count(*) FROM idempotency_keys`))
	require.Zero(t, w.count(`SELECT count(*) FROM webhook_deliveries WHERE raw IS NOT NULL`))
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries`))
}

func (w *world) exec(query string, args ...any) {
	w.tb.Helper()
	_, err := w.db.Write.ExecContext(w.tb.Context(), query, args...)
	require.NoError(w.tb, err)
}

// slow is a provider that takes as long as it may and then does not answer.
type slow struct{ provider.Provider }

func (slow) RequestPermission(ctx context.Context, _ permissions.User, _ provider.Template, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// The answer to a request that took long is kept like any other, and so is what
// became of it: the key must not stay in flight for ever.
func TestIdempotencyKeepsALateAnswer(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Accounts[0].Provider = slow{c.Accounts[0].Provider} })
	handler := w.server.Handler()
	synctest.Test(t, func(t *testing.T) {
		for range 2 {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
				"/v1/permissions/%2B6531234567/%2B6591234567/requests", http.NoBody)
			req.Header.Set("Authorization", "Bearer "+secretOf("write"))
			req.Header.Set("Idempotency-Key", "late")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, req)
			require.Equal(t, http.StatusBadGateway, rec.Code, rec.Body)
		}
	})
	require.Contains(t, w.kinds(), "permission.request_failed")
}
