// Package meta speaks Meta's Graph API, its webhooks and its calls.
package meta

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/callctl/callctl/geo"
)

var errSkeleton = errors.New("meta: not built yet")

// Config is one business phone number at Meta.
type Config struct {
	Name          string // account name
	Business      geo.E164
	PhoneNumberID string
	BaseURL       string // https://graph.facebook.com
	Version       string // v26.0 when empty
	Token         string // access token
	AppSecret     string // signs webhooks; required
	VerifyToken   string // for the hub.challenge handshake
	HTTP          *http.Client
	Now           func() time.Time
	Logger        *slog.Logger
}

// Account implements provider.Provider, provider.Challenger and, for Graph
// calling, sipbridge.Carrier.
type Account struct{}

// New checks cfg.
func New(cfg Config) (*Account, error) { return nil, errSkeleton }
