// Package eightx8 speaks the 8x8 Chat Apps API and its webhooks.
package eightx8

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/callctl/callctl/geo"
)

var errSkeleton = errors.New("eightx8: not built yet")

// Config is one WhatsApp channel at 8x8.
type Config struct {
	Name          string // account name
	Business      geo.E164
	BaseURL       string // https://chatapps.8x8.com
	SubAccount    string
	Channel       string // channel id (uuid) that webhooks name in recipient.channelId
	Key           string // API key
	Authorization string // the static Authorization header that webhooks must carry; >= 16 bytes
	HTTP          *http.Client
	Now           func() time.Time
	Logger        *slog.Logger
}

// Account implements provider.Provider.
type Account struct{}

// New checks cfg.
func New(cfg Config) (*Account, error) { return nil, errSkeleton }
