package provider_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
)

const token = "token-of-the-test"

func serve(t *testing.T, handler http.HandlerFunc) *provider.API {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	api, err := provider.NewAPI(server.Client(), server.URL+"/", token, 2*time.Second)
	require.NoError(t, err)
	return api
}

func TestNewAPIRefuses(t *testing.T) {
	for _, base := range []string{
		"", "graph.facebook.com", "http://graph.facebook.com", "http://127.0.0.1.example.com", "ftp://localhost",
		"https://user:pw@graph.facebook.com", "https://graph.facebook.com?x=1", "https://", "http://10.0.0.1:80", ":",
	} {
		_, err := provider.NewAPI(nil, base, token, 0)
		require.ErrorIs(t, err, provider.ErrBaseURL, base)
	}
	for _, base := range []string{"https://graph.facebook.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:9"} {
		_, err := provider.NewAPI(nil, base, token, 0)
		require.NoError(t, err, base)
	}
	for _, bad := range []string{"", "a b", "a\r\nX: y", "ü"} {
		_, err := provider.NewAPI(nil, "https://graph.facebook.com", bad, 0)
		require.ErrorIs(t, err, provider.ErrToken)
	}
}

func TestAPISends(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer "+token || r.URL.Path != "/v1/x" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if r.Method == http.MethodPost && (string(raw) != `{"a":"<é>"}` && string(raw) != `{"a":"\u003cé\u003e"}` ||
			r.Header.Get("Content-Type") != "application/json") {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(r.Method))
	})
	answer, err := api.Post(t.Context(), "/v1/x", map[string]string{"a": "<é>"})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.Status)
	require.Equal(t, "POST", string(answer.Body))
	require.True(t, answer.OK())
	answer, err = api.Get(t.Context(), "/v1/x?user=%2B14085551234")
	require.NoError(t, err)
	require.Equal(t, "GET", string(answer.Body))
}

func TestAPINeverFollowsARedirect(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	answer, err := api.Post(t.Context(), "/x", "body")
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, answer.Status)
	require.False(t, answer.OK())
	require.Zero(t, elsewhere)
}

func TestAPIBoundsTheAnswer(t *testing.T) {
	size := provider.MaxAnswer
	api := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("a", size)))
	})
	answer, err := api.Get(t.Context(), "/")
	require.NoError(t, err)
	require.Len(t, answer.Body, provider.MaxAnswer)
	size++
	_, err = api.Get(t.Context(), "/")
	require.ErrorIs(t, err, provider.ErrAnswer)
}

func TestAPIErrorsHideTheAddress(t *testing.T) {
	api, err := provider.NewAPI(nil, "http://127.0.0.1:1", token, time.Second)
	require.NoError(t, err)
	_, err = api.Get(t.Context(), "/call_permissions?user_wa_id=14085551234")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "14085551234")
	require.NotContains(t, err.Error(), token)
}

func TestAPITimesOut(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	api, err := provider.NewAPI(nil, server.URL, token, 50*time.Millisecond)
	require.NoError(t, err)
	start := time.Now()
	_, err = api.Post(t.Context(), "/", 1)
	require.Error(t, err)
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "99999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		answer := provider.Answer{Header: http.Header{"Retry-After": {value}}}
		require.Equal(t, want, answer.RetryAfter(now), value)
	}
}

func TestThrottled(t *testing.T) {
	for _, c := range []struct {
		err  provider.APIError
		want bool
	}{
		{provider.APIError{Status: 429}, true},
		{provider.APIError{Status: 400, Code: 613}, true},
		{provider.APIError{Status: 400, Code: 4}, true},
		{provider.APIError{Status: 400, Code: 80007}, true},
		{provider.APIError{Status: 400, Code: 130429}, true},
		{provider.APIError{Status: 400, Code: 138006}, false},
		{provider.APIError{Status: 503, RetryAfter: time.Second}, false},
	} {
		_, yes := c.err.Throttled()
		require.Equal(t, c.want, yes, "%+v", c.err)
	}
	wait, _ := (&provider.APIError{Status: 429, RetryAfter: 3 * time.Second}).Throttled()
	require.Equal(t, 3*time.Second, wait)
}
