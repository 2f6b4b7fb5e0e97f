// Package eightx8 speaks the 8x8 Chat Apps API and its webhooks.
//
// An [Account] is one WhatsApp channel. 8x8 does not sign webhooks: they carry a
// static Authorization header, so what [Account.Decode] returns is marked
// permissions.AuthBearer, and the ledger decides what such a grant is worth.
package eightx8

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/provider"
)

// DefaultBaseURL is the API of the Asia-Pacific region; the others are
// chatapps.us.8x8.com, chatapps.8x8.uk and chatapps.8x8.id.
const DefaultBaseURL = "https://chatapps.8x8.com"

// name of the provider in errors and in event ids.
const name = "8x8"

// Config is one WhatsApp channel at 8x8.
type Config struct {
	Name       string // account name; required
	Business   geo.E164
	BaseURL    string // DefaultBaseURL when empty; https, or http to loopback
	SubAccount string // required, webhooks name it
	Channel    string // channel id (uuid) that webhooks name in recipient.channelId; required
	// BusinessAccountID is the id of the WhatsApp Business Account. When it is set,
	// account events that name another business account are refused.
	BusinessAccountID string
	Key               string // API key; required
	Authorization     string // the static Authorization header that webhooks must carry; >= 16 bytes after its scheme
	Timeout           time.Duration
	HTTP              *http.Client // a new one when nil
	Now               func() time.Time
	Logger            *slog.Logger // silent when nil
}

// Account implements provider.Provider. Safe for concurrent use.
type Account struct {
	cfg    Config
	api    *provider.API
	path   string            // of the sub-account
	secret [sha256.Size]byte // digest of cfg.Authorization
}

var _ provider.Provider = (*Account)(nil)

// New checks cfg; errors wrap provider.ErrConfig and name the key, never a value.
func New(cfg Config) (*Account, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Authorization = strings.TrimSpace(cfg.Authorization)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	api, err := provider.NewAPI(cfg.HTTP, cfg.BaseURL, cfg.Key, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: 8x8 account %q: %w", provider.ErrConfig, cfg.Name, err)
	}
	return &Account{
		cfg: cfg, api: api,
		path:   "/api/v1/subaccounts/" + url.PathEscape(cfg.SubAccount),
		secret: sha256.Sum256([]byte(cfg.Authorization)),
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
		{cfg.SubAccount != "", "subaccount is empty"},
		{cfg.Channel != "", "channel is empty"},
		{len(credentials(cfg.Authorization)) >= provider.MinSecret, "webhook authorization is shorter than 16 bytes"},
		{!strings.ContainsFunc(cfg.Authorization, unprintable), "webhook authorization is no header value"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: 8x8 account %q: %s", provider.ErrConfig, cfg.Name, rule.what)
		}
	}
	return nil
}

// credentials is the secret part of an Authorization header: what follows the
// scheme, if there is one (RFC 9110 section 11.6.2).
func credentials(authorization string) string {
	if _, secret, found := strings.Cut(authorization, " "); found {
		return strings.TrimSpace(secret)
	}
	return authorization
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }
