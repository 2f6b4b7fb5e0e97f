package meta_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/meta"
)

// The settings are those of when they were asked for: a restriction that comes while
// the answer is under way is not in it.
func TestReadSettingsIsOfTheQuestion(t *testing.T) {
	asked := false
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		_, _ = w.Write([]byte(`{"calling":{"status":"ENABLED"}}`))
	}))
	t.Cleanup(api.Close)
	cfg := config()
	cfg.BaseURL, cfg.HTTP = api.URL, api.Client()
	cfg.Now = func() time.Time {
		if asked {
			return arrival().Add(time.Minute)
		}
		return arrival()
	}
	a, err := meta.New(cfg)
	require.NoError(t, err)
	notices, err := a.ReadSettings(t.Context())
	require.NoError(t, err)
	for _, n := range notices {
		require.Equal(t, arrival(), n.At)
	}
}

func TestReadSettings(t *testing.T) {
	a, g := against(t, response{status: 200, body: `{"calling":{"status":"ENABLED","call_icon_visibility":"DEFAULT",
		"restrictions":{"restrictions_list":[{"type":"RESTRICTED_BUSINESS_INITIATED_CALLING","reason":"Low quality","expiration":1767772800}]}}}`})
	notices, err := a.ReadSettings(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"GET /v25.0/" + numberID + "/settings"}, g.requests)
	require.Len(t, notices, 2)
	require.Equal(t, permissions.Settings, notices[0].Kind)
	require.Equal(t, "ENABLED", notices[0].Calling)
	require.Equal(t, permissions.RestrictionsRead, notices[1].Kind)
	require.Equal(t, permissions.RestrictedBusinessInitiated, notices[1].Restrictions[0].Type)
	require.Equal(t, int64(1767772800), notices[1].Restrictions[0].Until.Unix())
	for _, n := range notices {
		require.Equal(t, permissions.AuthReadBack, n.Auth)
		require.EqualValues(t, business, n.Business)
		require.Equal(t, arrival(), n.At)
	}
	a, _ = against(t, response{status: 200, body: `{"calling":{"status":"DISABLED"}}`})
	notices, err = a.ReadSettings(t.Context())
	require.NoError(t, err)
	require.Empty(t, notices[1].Restrictions)
	require.NotNil(t, notices[1].Restrictions, "none, and that is known")

	// What is not understood lifts no restriction.
	for _, body := range []string{``, `[]`, `5`, `{"calling":{"restrictions":{"restrictions_list":"none"}}}`, `{"calling":{"restrictions":{"restrictions_list":[{}]}}}`} {
		a, _ := against(t, response{status: 200, body: body})
		notices, err := a.ReadSettings(t.Context())
		require.ErrorIs(t, err, provider.ErrAnswer, body)
		require.Empty(t, notices)
	}
	a, _ = against(t, response{status: 401, body: `{"error":{"message":"m","code":190}}`})
	_, err = a.ReadSettings(t.Context())
	f, ok := provider.Classify(err)
	require.True(t, ok)
	require.Equal(t, provider.FaultRequest, f.Class)
}

// A refused call tells the bridge its code and the wiring everything else.
func TestRefusedCalls(t *testing.T) {
	for code, class := range map[string]provider.FaultClass{
		"138006": provider.FaultAsk, "138012": provider.FaultWait, "138014": provider.FaultNumber, "131044": provider.FaultNumber,
	} {
		a, _ := against(t, response{status: 400, body: `{"error":{"message":"m","code":` + code +
			`,"error_data":{"messaging_product":"whatsapp","details":"d","next_allowed_time":1768550400}}}`})
		_, err := a.Connect(t.Context(), user, sdp, "call-1")
		f, ok := provider.Classify(err)
		require.True(t, ok)
		require.Equal(t, class, f.Class, code)
		_, number := provider.NumberFault(err)
		require.Equal(t, class == provider.FaultNumber, number)
		if class == provider.FaultWait {
			require.Equal(t, int64(1768550400), provider.RetryAt(err, arrival().AddDate(-1, 0, 0)).Unix())
		}
	}
}
