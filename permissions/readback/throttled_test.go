package readback_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider/eightx8"
	"github.com/callctl/callctl/provider/meta"
)

// What the providers' own APIs say of asking too often reaches the turnstile.
func TestAProvidersOwnWordForTooOften(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"status": {http.StatusTooManyRequests, `{}`},
		"code":   {http.StatusBadRequest, `{"code":1009,"error":{"code":80007,"message":"too often"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Retry-After", "600")
				w.WriteHeader(answer.status)
				_, _ = w.Write([]byte(answer.body))
			}))
			t.Cleanup(api.Close)
			graph, err := meta.New(meta.Config{
				Name: "acme", Business: metaNumber, PhoneNumberID: "1", BaseURL: api.URL, Token: "token",
				AppSecret: "0123456789abcdef", VerifyToken: "0123456789abcdef",
			})
			require.NoError(t, err)
			chat, err := eightx8.New(eightx8.Config{
				Name: "acme", Business: eightNumber, BaseURL: api.URL, SubAccount: "s", Channel: "c", Key: "key",
				Authorization: "Bearer 0123456789abcdef",
			})
			require.NoError(t, err)
			l := &ledger{doubts: map[permissions.Pair]permissions.Doubt{
				onMeta: permissions.DoubtAge, onEight: permissions.DoubtAge,
			}}
			r, err := readback.New(readback.Config{Ledger: l, Accounts: []readback.Account{
				{Name: "meta", Business: metaNumber, Source: graph}, {Name: "8x8", Business: eightNumber, Source: chat},
			}})
			require.NoError(t, err)
			for i, p := range []permissions.Pair{onMeta, onEight} {
				require.Error(t, r.Before(t.Context(), p))
				require.ErrorIs(t, r.Before(t.Context(), p), readback.ErrPaused)
				require.Equal(t, i+1, asked)
			}
		})
	}
}
