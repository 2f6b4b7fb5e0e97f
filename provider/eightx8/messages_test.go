package eightx8_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
)

const queued = `{"umid":"bda3f1e5-cc3a-ef11-8b4e-00155d9f27ac","user":{"msisdn":"+6500000000"},"clientMessageId":"cpr-1",
	"status":{"state":"queued","timestamp":"2026-01-22T22:51:55.00Z"}}`

// request is what reached the API's stand-in.
type request struct{ line, authorization, body string }

func against(t *testing.T, status int, answer string, header ...string) (*eightx8.Account, chan request) {
	t.Helper()
	requests := make(chan request, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		requests <- request{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Authorization"), string(raw)}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	cfg := config()
	cfg.BaseURL, cfg.SubAccount, cfg.HTTP, cfg.Timeout = server.URL, "acme/wa", server.Client(), 2*time.Second
	a, err := eightx8.New(cfg)
	require.NoError(t, err)
	return a, requests
}

func template() provider.Template {
	return provider.Template{Name: "my_cpr", Language: "en_US", Params: []string{"Ann"}}
}

// Each request is the JSON of the 8x8 pages.
func TestRequests(t *testing.T) {
	bare := template()
	bare.Params = nil
	for name, do := range map[string]func(context.Context, *eightx8.Account) (string, error){
		"template": func(ctx context.Context, a *eightx8.Account) (string, error) {
			return a.RequestPermission(ctx, "+6500000000", template(), "cpr-1")
		},
		"template_bsuid": func(ctx context.Context, a *eightx8.Account) (string, error) {
			return a.RequestPermission(ctx, userBSUID, bare, "cpr-1")
		},
		"text": func(ctx context.Context, a *eightx8.Account) (string, error) {
			return a.SendText(ctx, "+6500000000", "You will not be called again.", "cpr-1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, requests := against(t, http.StatusOK, queued)
			umid, err := do(t.Context(), a)
			require.NoError(t, err)
			require.Equal(t, "bda3f1e5-cc3a-ef11-8b4e-00155d9f27ac", umid)
			got := <-requests
			require.Equal(t, "POST /api/v1/subaccounts/acme%2Fwa/messages", got.line)
			require.Equal(t, "Bearer api-key", got.authorization)
			require.JSONEq(t, string(fixture(t, "requests/"+name+".json")), got.body)
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		want   provider.APIError
	}{
		"bad number": {
			400, `{"code":1002,"message":"Invalid MSISDN +6500000000","errorId":"2a4b7e1c-0d52-4f4e-9c11-7b0a8f0f2a11","timestamp":"t"}`,
			provider.APIError{Status: 400, Code: 1002, Message: "Invalid MSISDN …", ID: "2a4b7e1c-0d52-4f4e-9c11-7b0a8f0f2a11"},
		},
		"unauthorised": {
			401, `{"code":"1200","message":"Unauthorized","errorId":"+6500000000"}`,
			provider.APIError{Status: 401, Code: 1200, Message: "Unauthorized"},
		},
		"no JSON": {503, `busy`, provider.APIError{Status: 503, Message: "the answer does not say why", RetryAfter: 3 * time.Second}},
		"rejected in an answer of success": {
			200, `{"umid":"u","status":{"state":"rejected","errorCode":1053,"errorMessage":"limit"}}`,
			provider.APIError{Status: 200, Code: 1053, Message: "the message was rejected: limit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			header := []string{}
			if tc.want.RetryAfter > 0 {
				header = []string{"Retry-After", "3"}
			}
			a, requests := against(t, tc.status, tc.answer, header...)
			_, err := a.RequestPermission(t.Context(), "+6500000000", template(), "cpr-1")
			var refused *provider.APIError
			require.ErrorAs(t, err, &refused)
			tc.want.Provider = "8x8"
			require.Equal(t, tc.want, *refused)
			require.NotContains(t, err.Error(), "6500000000")
			require.Len(t, requests, 1, "a message is sent once")
		})
	}
}

func TestUnreadableAnswers(t *testing.T) {
	for _, answer := range []string{"", "ok", "[]", "{}", `{"umid":""}`} {
		a, requests := against(t, http.StatusOK, answer)
		_, err := a.SendText(t.Context(), "+6500000000", "hello", "cpr-1")
		require.ErrorIs(t, err, provider.ErrAnswer, answer)
		require.Len(t, requests, 1)
	}
}

func TestImpossibleRequests(t *testing.T) {
	a, requests := against(t, http.StatusOK, queued)
	for name, do := range map[string]func() (string, error){
		"no such user": func() (string, error) { return a.SendText(t.Context(), "Ann", "hello", "1") },
		"no text":      func() (string, error) { return a.SendText(t.Context(), user, "", "1") },
		"text too long": func() (string, error) {
			return a.SendText(t.Context(), user, strings.Repeat("é", 4097), "1")
		},
		"id too long": func() (string, error) {
			return a.SendText(t.Context(), user, "hello", strings.Repeat("x", 51))
		},
		"no template": func() (string, error) {
			return a.RequestPermission(t.Context(), user, provider.Template{Language: "en"}, "1")
		},
		"no language": func() (string, error) {
			return a.RequestPermission(t.Context(), user, provider.Template{Name: "n"}, "1")
		},
	} {
		_, err := do()
		require.ErrorIs(t, err, provider.ErrRequest, name)
	}
	require.Empty(t, requests)
	_, err := a.SendText(t.Context(), user, "hello", strings.Repeat("x", 50))
	require.NoError(t, err)
}
