package meta_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/meta"
	"github.com/callctl/callctl/sipbridge"
)

const ours = "0198c5f2-7b1e-7e54-9a55-3d2f4f6b7a10"

// response is one answer of the Graph API's stand-in.
type response struct {
	status int
	body   string
	header map[string]string
}

// graph answers requests with the responses in turn, the last one for ever.
type graph struct {
	mu        sync.Mutex
	responses []response
	requests  []string // method and path
	bodies    []string
	queries   []string
	tokens    []string
}

func (g *graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	g.queries = append(g.queries, r.URL.RawQuery)
	g.bodies = append(g.bodies, string(raw))
	g.tokens = append(g.tokens, r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type"))
	next := g.responses[0]
	if len(g.responses) > 1 {
		g.responses = g.responses[1:]
	}
	for name, value := range next.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(next.status)
	_, _ = w.Write([]byte(next.body))
}

func (g *graph) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.requests)
}

func against(t *testing.T, responses ...response) (*meta.Account, *graph) {
	t.Helper()
	g := &graph{responses: responses}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	cfg := config()
	cfg.BaseURL, cfg.Version, cfg.HTTP, cfg.Timeout = server.URL, "v25.0", server.Client(), 2*time.Second
	a, err := meta.New(cfg)
	require.NoError(t, err)
	return a, g
}

const (
	sentAnswer   = `{"messaging_product":"whatsapp","contacts":[{"input":"+1-408-555-1234","wa_id":"14085551234"}],"messages":[{"id":"wamid.SENT"}]}`
	placedAnswer = `{"messaging_product":"whatsapp","calls":[{"id":"` + wacid + `"}]}`
	doneAnswer   = `{"messaging_product":"whatsapp","success":true}`
)

func template() provider.Template {
	return provider.Template{Name: "sample_cpr_template", Language: "en", Params: []string{"John Smith", "ON-12345"}}
}

// Each request is the JSON of Meta's pages, byte for byte after canonicalisation.
func TestRequests(t *testing.T) {
	bare := template()
	bare.Params = nil
	for name, tc := range map[string]struct {
		edge, answer, id string
		do               func(context.Context, *meta.Account) (string, error)
	}{
		"template": {"messages", sentAnswer, "wamid.SENT", func(ctx context.Context, a *meta.Account) (string, error) {
			return a.RequestPermission(ctx, user, template(), ours)
		}},
		"template_bsuid": {"messages", sentAnswer, "wamid.SENT", func(ctx context.Context, a *meta.Account) (string, error) {
			return a.RequestPermission(ctx, userBSUID, bare, ours)
		}},
		"text": {"messages", sentAnswer, "wamid.SENT", func(ctx context.Context, a *meta.Account) (string, error) {
			return a.SendText(ctx, user, "You will not be called again.", ours)
		}},
		"connect": {"calls", placedAnswer, wacid, func(ctx context.Context, a *meta.Account) (string, error) {
			return a.Connect(ctx, user, sdp, ours)
		}},
		"connect_bsuid": {"calls", placedAnswer, wacid, func(ctx context.Context, a *meta.Account) (string, error) {
			return a.Connect(ctx, userBSUID, sdp, "")
		}},
		"pre_accept": {"calls", doneAnswer, "", func(ctx context.Context, a *meta.Account) (string, error) {
			return "", a.PreAccept(ctx, wacid, sdp)
		}},
		"accept": {"calls", `{"success":true}`, "", func(ctx context.Context, a *meta.Account) (string, error) {
			return "", a.Accept(ctx, wacid, sdp, ours)
		}},
		"reject": {"calls", doneAnswer, "", func(ctx context.Context, a *meta.Account) (string, error) {
			return "", a.Reject(ctx, wacid)
		}},
		"terminate": {"calls", doneAnswer, "", func(ctx context.Context, a *meta.Account) (string, error) {
			return "", a.Terminate(ctx, wacid)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a, g := against(t, response{status: http.StatusOK, body: tc.answer})
			id, err := tc.do(t.Context(), a)
			require.NoError(t, err)
			require.Equal(t, tc.id, id)
			require.Equal(t, []string{"POST /v25.0/" + numberID + "/" + tc.edge}, g.requests)
			require.Equal(t, []string{"Bearer graph-token application/json"}, g.tokens)
			require.JSONEq(t, string(fixture(t, "requests/"+name+".json")), g.bodies[0])
		})
	}
}

// actions are all requests of the account, by name.
func actions() map[string]func(context.Context, *meta.Account) error {
	return map[string]func(context.Context, *meta.Account) error{
		"template": func(ctx context.Context, a *meta.Account) error {
			_, err := a.RequestPermission(ctx, user, template(), ours)
			return err
		},
		"text": func(ctx context.Context, a *meta.Account) error {
			_, err := a.SendText(ctx, user, "hello", ours)
			return err
		},
		"connect": func(ctx context.Context, a *meta.Account) error {
			_, err := a.Connect(ctx, user, sdp, ours)
			return err
		},
		"pre_accept": func(ctx context.Context, a *meta.Account) error { return a.PreAccept(ctx, wacid, sdp) },
		"accept":     func(ctx context.Context, a *meta.Account) error { return a.Accept(ctx, wacid, sdp, ours) },
		"reject":     func(ctx context.Context, a *meta.Account) error { return a.Reject(ctx, wacid) },
	}
}

// Only terminate may arrive twice: nothing else is repeated after any answer.
func TestNothingElseIsRepeated(t *testing.T) {
	for name, do := range actions() {
		for _, status := range []int{307, 400, 401, 404, 429, 500, 503} {
			a, g := against(t, response{status: status, body: `{}`, header: map[string]string{"Retry-After": "0", "Location": "/"}})
			require.Error(t, do(t.Context(), a), name)
			require.Equal(t, 1, g.count(), name)
		}
		for _, body := range []string{"", "not json", "[]", "5", strings.Repeat(" ", provider.MaxAnswer+1)} {
			a, g := against(t, response{status: http.StatusOK, body: body})
			err := do(t.Context(), a)
			if name == "template" || name == "text" || name == "connect" {
				require.ErrorIs(t, err, provider.ErrAnswer, name)
			}
			require.Equal(t, 1, g.count(), name)
		}
	}
}

func TestLostAnswerIsNoRefusal(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	arrived := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		arrived++
		mu.Unlock()
		<-release
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	cfg := config()
	cfg.BaseURL, cfg.HTTP, cfg.Timeout = server.URL, server.Client(), 50*time.Millisecond
	a, err := meta.New(cfg)
	require.NoError(t, err)

	_, err = a.Connect(t.Context(), user, sdp, ours)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var refused *sipbridge.CarrierError
	require.NotErrorAs(t, err, &refused, "nobody knows whether the phone rings")
	require.NotContains(t, err.Error(), "14085551234")
	_, err = a.SendText(t.Context(), user, "hello", ours)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 2, arrived)
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		response response
		want     provider.APIError
	}{
		"sdp": {
			response{status: 400, body: string(fixture(t, "answers/refusal_sdp.json"))},
			provider.APIError{Status: 400, Code: 100, Message: "Invalid parameter: Fingerprint algo is not SHA256"},
		},
		"no permission": {
			response{status: 401, body: `{"error":{"message":"(#138006) No approved call permission","code":"138006"}}`},
			provider.APIError{Status: 401, Code: 138006, Message: "(#138006) No approved call permission"},
		},
		"number in the words": {
			response{status: 400, body: `{"error":{"message":"Bad","code":131030,"error_data":{"details":"14085551234 (+1 408-555-1234) is not allowed"}}}`},
			provider.APIError{Status: 400, Code: 131030, Message: "Bad: … (…) is not allowed"},
		},
		"details only": {
			response{status: 400, body: `{"error":{"code":1,"error_data":{"details":"why"}}}`},
			provider.APIError{Status: 400, Code: 1, Message: "why"},
		},
		"error data of another type": {
			response{status: 500, body: `{"error":{"message":"m","code":138004,"error_data":"why"}}`},
			provider.APIError{Status: 500, Code: 138004, Message: "m"},
		},
		"rate limit": {
			response{status: 429, body: `{"error":{"message":"m","code":613}}`, header: map[string]string{"Retry-After": "7"}},
			provider.APIError{Status: 429, Code: 613, Message: "m", RetryAfter: 7 * time.Second},
		},
		"no JSON": {
			response{status: 502, body: `<html>14085551234</html>`},
			provider.APIError{Status: 502, Message: "the answer does not say why"},
		},
		"error is a text": {
			response{status: 400, body: `{"error":"m"}`},
			provider.APIError{Status: 400, Message: "the answer does not say why"},
		},
		"redirect": {
			response{status: 302, header: map[string]string{"Location": "https://example.com/"}},
			provider.APIError{Status: 302, Message: "the answer does not say why"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := against(t, tc.response)
			_, err := a.RequestPermission(t.Context(), user, template(), ours)
			var refused *provider.APIError
			require.ErrorAs(t, err, &refused)
			tc.want.Provider = "meta"
			require.Equal(t, tc.want, *refused)
			require.NotContains(t, err.Error(), "555")

			_, err = a.Connect(t.Context(), user, sdp, ours)
			var carrier *sipbridge.CarrierError
			require.ErrorAs(t, err, &carrier)
			require.Equal(t, sipbridge.CarrierError{Code: tc.want.Code, Status: tc.want.Status, Message: tc.want.Message}, *carrier)
		})
	}
	a, _ := against(t, response{status: 200, body: `{"success":false}`})
	var carrier *sipbridge.CarrierError
	require.ErrorAs(t, a.Accept(t.Context(), wacid, sdp, ours), &carrier)
}

func TestTerminateIsRepeated(t *testing.T) {
	busy := response{status: 429, body: `{"error":{"message":"m","code":613}}`, header: map[string]string{"Retry-After": "1"}}
	broken := response{status: 503, body: `{"error":{"message":"m","code":2}}`}
	done := response{status: 200, body: doneAnswer}
	gone := response{status: 400, body: `{"error":{"message":"m","code":100}}`}
	later := response{status: 429, body: `{}`, header: map[string]string{"Retry-After": "60"}}
	for name, tc := range map[string]struct {
		responses []response
		requests  int
		code      int
		least     time.Duration
	}{
		"busy, then done":    {[]response{busy, done}, 2, 0, time.Second},
		"broken, then done":  {[]response{broken, broken, done}, 3, 0, 0},
		"broken for good":    {[]response{broken}, 3, 2, 0},
		"refused":            {[]response{gone}, 1, 100, 0},
		"broken, then gone":  {[]response{broken, gone}, 2, 100, 0},
		"asked to wait long": {[]response{later}, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, g := against(t, tc.responses...)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			start := time.Now()
			err := a.Terminate(ctx, wacid)
			require.Equal(t, tc.requests, g.count())
			require.GreaterOrEqual(t, time.Since(start), tc.least)
			if tc.responses[len(tc.responses)-1].status == 200 {
				require.NoError(t, err)
				return
			}
			var refused *sipbridge.CarrierError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tc.code, refused.Code)
		})
	}
}

func TestTerminateStopsWithItsContext(t *testing.T) {
	a, g := against(t, response{status: 503, body: `{}`, header: map[string]string{"Retry-After": "5"}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, a.Terminate(ctx, wacid), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 2*time.Second)
	require.Equal(t, 1, g.count())
}

// What cannot be a request never reaches the network.
func TestImpossibleRequests(t *testing.T) {
	a, g := against(t, response{status: 200, body: sentAnswer})
	long := strings.Repeat("x", 513)
	for name, do := range map[string]func() error{
		"no such user":   func() error { _, err := a.SendText(t.Context(), "Ann", "hello", ours); return err },
		"empty user":     func() error { _, err := a.RequestPermission(t.Context(), "", template(), ours); return err },
		"user is a path": func() error { _, err := a.Connect(t.Context(), "../1", sdp, ours); return err },
		"no text":        func() error { _, err := a.SendText(t.Context(), user, "", ours); return err },
		"text too long":  func() error { _, err := a.SendText(t.Context(), user, strings.Repeat("é", 4097), ours); return err },
		"no template name": func() error {
			_, err := a.RequestPermission(t.Context(), user, provider.Template{Language: "en"}, ours)
			return err
		},
		"no language": func() error {
			_, err := a.RequestPermission(t.Context(), user, provider.Template{Name: "n"}, ours)
			return err
		},
		"id too long":     func() error { _, err := a.SendText(t.Context(), user, "hello", long); return err },
		"opaque too long": func() error { _, err := a.Connect(t.Context(), user, sdp, long); return err },
		"accept opaque":   func() error { return a.Accept(t.Context(), wacid, sdp, long) },
		"no offer":        func() error { _, err := a.Connect(t.Context(), user, "", ours); return err },
		"no call id":      func() error { return a.Terminate(t.Context(), "") },
		"no call id, too": func() error { return a.Reject(t.Context(), "") },
	} {
		require.ErrorIs(t, do(), provider.ErrRequest, name)
	}
	require.Zero(t, g.count())
	_, err := a.SendText(t.Context(), user, strings.Repeat("é", 4096), ours)
	require.NoError(t, err)
}
