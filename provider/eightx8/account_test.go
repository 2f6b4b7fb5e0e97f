package eightx8_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Values of the samples on the 8x8 pages, which testdata holds unchanged.
const (
	business      = "+6531234567"
	subAccount    = "SubAccount-1"
	channel       = "4b2ba2df-deb0-4c29-8ba5-a266672daf49"
	textChannel   = "269a57f4-3522-eb11-8278-00155d9f27ac" // of inbound_text.json
	user          = "+12025550023"
	userBSUID     = "US.13491208655302741918"
	authorization = "Basic 0123456789abcdef"
)

// arrival is the clock of the account in tests, later than every event.
func arrival() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func config() eightx8.Config {
	return eightx8.Config{
		Name: "acme", Business: business, SubAccount: subAccount, Channel: channel,
		Key: "api-key", Authorization: authorization, Now: arrival,
	}
}

func account(tb testing.TB) *eightx8.Account {
	tb.Helper()
	a, err := eightx8.New(config())
	require.NoError(tb, err)
	return a
}

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return raw
}

func TestNewFailsClosed(t *testing.T) {
	for name, spoil := range map[string]func(*eightx8.Config){
		"no name":                  func(c *eightx8.Config) { c.Name = "" },
		"no business":              func(c *eightx8.Config) { c.Business = "" },
		"business without plus":    func(c *eightx8.Config) { c.Business = "6531234567" },
		"no sub-account":           func(c *eightx8.Config) { c.SubAccount = "" },
		"no channel":               func(c *eightx8.Config) { c.Channel = "" },
		"no key":                   func(c *eightx8.Config) { c.Key = "" },
		"no authorization":         func(c *eightx8.Config) { c.Authorization = "" },
		"short authorization":      func(c *eightx8.Config) { c.Authorization = "0123456789abcde" },
		"short behind its scheme":  func(c *eightx8.Config) { c.Authorization = "Basic 0123456789abcde" },
		"spaces for authorization": func(c *eightx8.Config) { c.Authorization = strings.Repeat(" ", 40) },
		"line break in it":         func(c *eightx8.Config) { c.Authorization = "Basic 0123456789\r\nabcdef" },
		"plain http":               func(c *eightx8.Config) { c.BaseURL = "http://chatapps.8x8.com" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			spoil(&cfg)
			_, err := eightx8.New(cfg)
			require.ErrorIs(t, err, provider.ErrConfig)
			require.NotContains(t, err.Error(), "0123456789")
		})
	}
}

func TestAuthenticate(t *testing.T) {
	auth, err := account(t).Authenticate(http.Header{"Authorization": {authorization}}, nil)
	require.NoError(t, err)
	require.Equal(t, permissions.AuthBearer, auth)

	cfg := config()
	cfg.Authorization = authorization + "\n"
	a, err := eightx8.New(cfg)
	require.NoError(t, err)
	_, err = a.Authenticate(http.Header{"Authorization": {authorization}}, nil)
	require.NoError(t, err, "the line break at the end of a secret's file is none of it")
}

func TestAuthenticateRefuses(t *testing.T) {
	for name, h := range map[string]http.Header{
		"missing":            {},
		"empty":              {"Authorization": {""}},
		"two, both right":    {"Authorization": {authorization, authorization}},
		"right and wrong":    {"Authorization": {authorization, "Basic x"}},
		"other scheme":       {"Authorization": {"Bearer 0123456789abcdef"}},
		"scheme in capitals": {"Authorization": {"BASIC 0123456789abcdef"}},
		"no scheme":          {"Authorization": {"0123456789abcdef"}},
		"upper case":         {"Authorization": {strings.ToUpper(authorization)}},
		"shorter":            {"Authorization": {authorization[:len(authorization)-1]}},
		"longer":             {"Authorization": {authorization + "0"}},
		"leading space":      {"Authorization": {" " + authorization}},
		"trailing space":     {"Authorization": {authorization + " "}},
		"two spaces":         {"Authorization": {"Basic  0123456789abcdef"}},
		"joined":             {"Authorization": {authorization + ", " + authorization}},
		"quoted":             {"Authorization": {`"` + authorization + `"`}},
		"other header":       {"Proxy-Authorization": {authorization}},
		"cookie":             {"Cookie": {authorization}},
		"signature":          {"X-8x8-Signature": {authorization}},
	} {
		auth, err := account(t).Authenticate(h, nil)
		require.ErrorIs(t, err, provider.ErrUnauthenticated, name)
		require.Empty(t, auth, name)
		require.NotContains(t, err.Error(), "0123456789", name)
	}
	for bit := range len(authorization) * 8 {
		value := []byte(authorization)
		value[bit/8] ^= 1 << (bit % 8)
		_, err := account(t).Authenticate(http.Header{"Authorization": {string(value)}}, nil)
		require.ErrorIs(t, err, provider.ErrUnauthenticated)
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add(authorization, "")
	f.Add(authorization, authorization)
	a := account(f)
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http.Header{"Authorization": {first}}
		if second != "" {
			h.Add("Authorization", second)
		}
		_, err := a.Authenticate(h, nil)
		if first == authorization && second == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, provider.ErrUnauthenticated)
	})
}
