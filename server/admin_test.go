package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/sipbridge"
)

// adminGet asks the admin handler.
func (w *world) adminGet(path string) *response {
	w.tb.Helper()
	rec := httptest.NewRecorder()
	w.server.Admin().ServeHTTP(rec, httptest.NewRequestWithContext(w.tb.Context(), http.MethodGet, path, nil))
	return &response{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
}

func TestHealth(t *testing.T) {
	var down error
	w := newWorld(t, func(c *server.Config) {
		c.Checks = map[string]func(context.Context) error{"trunk": func(context.Context) error { return down }}
	})
	require.Equal(t, http.StatusOK, w.adminGet("/livez").status)
	r := w.adminGet("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Contains(t, string(r.body), "[-] serving")
	w.server.SetReady(true)
	r = w.adminGet("/readyz?verbose")
	require.Equal(t, http.StatusOK, r.status)
	require.Contains(t, string(r.body), "[+] database")
	require.Contains(t, string(r.body), "[+] trunk")
	down = errors.New("no answer from +6531234567")
	r = w.adminGet("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Contains(t, string(r.body), "[-] trunk: no answer")
	require.NotContains(t, string(r.body), "31234567")
	require.JSONEq(t, `{"version":"1.2.3","commit":"abc","go":"go1.26"}`, string(w.adminGet("/version").body))
	require.Equal(t, http.StatusNotFound, w.adminGet("/v1/permissions").status)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodGet, "/metrics", nil, nil).status, "not on the public port")
}

func TestPanicIs500WithoutItsWords(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Exporter = nil; c.Bridge = panicking{} })
	r := w.as("read", http.MethodGet, "/v1/calls", nil)
	require.Equal(t, http.StatusInternalServerError, r.status)
	require.Equal(t, "internal", r.json(t)["reason"])
	require.Contains(t, w.logs.String(), "request panicked")
	require.NotContains(t, w.logs.String(), "91234567")
	require.Equal(t, http.StatusOK, w.as("read", http.MethodGet, "/v1/dnc", nil).status, "the server goes on")
}

type panicking struct{ server.Bridge }

func (panicking) Live() []sipbridge.LiveCall { return nil }

func (panicking) CDRs(context.Context, int, string) ([]sipbridge.CDR, string, error) {
	panic("lost +6591234567") //nolint:forbidigo // what is tested
}
