// Package meta speaks Meta's Graph API, its webhooks and its calls.
//
// An [Account] is one business phone number. Webhooks are checked over their raw
// bytes ([Account.Authenticate]) and read element by element ([Account.Decode]):
// one that cannot be read is named in Delivery.Unknown and costs no sibling.
// Facts that narrow a permission or end a call are taken even when something
// about them is unreadable; facts that widen one are not.
package meta

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// Values of Config that stand for empty ones.
const (
	DefaultBaseURL = "https://graph.facebook.com"
	DefaultVersion = "v26.0"
)

// name of the provider in errors and in event ids.
const name = "meta"

// Config is one business phone number at Meta.
type Config struct {
	Name          string // account name; required
	Business      geo.E164
	PhoneNumberID string // digits; required, webhooks name it
	// BusinessAccountID is the id of the WhatsApp Business Account, digits. When it
	// is set, webhooks that name another business account are refused.
	BusinessAccountID string
	BaseURL           string        // DefaultBaseURL when empty; https, or http to loopback
	Version           string        // DefaultVersion when empty
	Token             string        // access token; required
	AppSecret         string        // signs webhooks; required, at least provider.MinSecret bytes
	VerifyToken       string        // for the hub.challenge handshake; required, as long
	Timeout           time.Duration // of one request; provider.DefaultTimeout when zero
	HTTP              *http.Client  // a new one when nil
	Now               func() time.Time
	Logger            *slog.Logger // silent when nil
}

// Account implements provider.Provider, provider.Challenger and, for Graph
// calling, sipbridge.Carrier. Safe for concurrent use.
type Account struct {
	cfg   Config
	api   *provider.API
	path  string // /{version}/{phone number id}
	retry retryPolicy
}

var (
	_ provider.Provider   = (*Account)(nil)
	_ provider.Challenger = (*Account)(nil)
	_ sipbridge.Carrier   = (*Account)(nil)
)

var (
	digits  = regexp.MustCompile(`^[0-9]{1,32}$`)
	version = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)
)

// New checks cfg; errors wrap provider.ErrConfig and name the key, never a value.
func New(cfg Config) (*Account, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	if cfg.Version == "" {
		cfg.Version = DefaultVersion
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	api, err := provider.NewAPI(cfg.HTTP, cfg.BaseURL, cfg.Token, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: meta account %q: %w", provider.ErrConfig, cfg.Name, err)
	}
	return &Account{
		cfg: cfg, api: api,
		path:  "/" + cfg.Version + "/" + cfg.PhoneNumberID,
		retry: retryPolicy{tries: 3, first: 250 * time.Millisecond, longest: 10 * time.Second},
	}, nil
}

func (cfg *Config) check() error {
	_, phone := provider.ParseUser(string(cfg.Business))
	for _, rule := range []struct {
		ok   bool
		what string
	}{
		{cfg.Name != "", "name is empty"},
		{phone && cfg.Business[0] == '+', "business is no number with plus"},
		{digits.MatchString(cfg.PhoneNumberID), "phone number id is not digits"},
		{cfg.BusinessAccountID == "" || digits.MatchString(cfg.BusinessAccountID), "business account id is not digits"},
		{version.MatchString(cfg.Version), "version is not like v26.0"},
		{len(cfg.AppSecret) >= provider.MinSecret, "app secret is shorter than 16 bytes"},
		{len(cfg.VerifyToken) >= provider.MinSecret, "verify token is shorter than 16 bytes"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: meta account %q: %s", provider.ErrConfig, cfg.Name, rule.what)
		}
	}
	return nil
}
