package meta_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/meta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Values that the fixtures in testdata use.
const (
	business    = "+15551441906"
	numberID    = "518638374672395"
	user        = "+14085551234"
	userBSUID   = "US.13491208655302741918"
	parentBSUID = "US.ENT.11815799212886844830"
	wacid       = "wacid.HBgLMTIxOTU1NTA3MTQVAgASGCAzODg1NTE5NEU1NTBEMTc1RTFFQUY5NjNCQ0FCRkEzRhwYCzE3MDE1NTU4ODU3FQIAAA=="
	appSecret   = "0123456789abcdef0123456789abcdef"
	verifyToken = "verify-token-of-the-tests"
)

// arrival is the clock of the account in tests, later than every event.
func arrival() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func config() meta.Config {
	return meta.Config{
		Name: "acme", Business: business, PhoneNumberID: numberID,
		Token: "graph-token", AppSecret: appSecret, VerifyToken: verifyToken,
		Now: arrival, Logger: slog.New(slog.DiscardHandler),
	}
}

func account(tb testing.TB) *meta.Account {
	tb.Helper()
	a, err := meta.New(config())
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
	for name, spoil := range map[string]func(*meta.Config){
		"no name":               func(c *meta.Config) { c.Name = "" },
		"no business":           func(c *meta.Config) { c.Business = "" },
		"business without plus": func(c *meta.Config) { c.Business = "15551441906" },
		"no phone number id":    func(c *meta.Config) { c.PhoneNumberID = "" },
		"path in number id":     func(c *meta.Config) { c.PhoneNumberID = "1/../2" },
		"no token":              func(c *meta.Config) { c.Token = "" },
		"no app secret":         func(c *meta.Config) { c.AppSecret = "" },
		"short app secret":      func(c *meta.Config) { c.AppSecret = appSecret[:15] },
		"no verify token":       func(c *meta.Config) { c.VerifyToken = "" },
		"short verify token":    func(c *meta.Config) { c.VerifyToken = verifyToken[:15] },
		"odd version":           func(c *meta.Config) { c.Version = "v26.0/x" },
		"plain http":            func(c *meta.Config) { c.BaseURL = "http://graph.facebook.com" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			spoil(&cfg)
			_, err := meta.New(cfg)
			require.ErrorIs(t, err, provider.ErrConfig)
			require.NotContains(t, err.Error(), appSecret[:15])
			require.NotContains(t, err.Error(), verifyToken[:15])
		})
	}
	_, err := meta.New(config())
	require.NoError(t, err)
}
