package server

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	switch {
	case c.Log == nil, c.Read == nil:
		return fmt.Errorf("%w: the audit log and its database are missing", ErrConfig)
	case c.Ledger == nil:
		return fmt.Errorf("%w: the ledger is missing", ErrConfig)
	}
	seen := map[string]bool{}
	for _, a := range c.Accounts {
		switch {
		case a.Name == "" || a.Provider == nil:
			return fmt.Errorf("%w: account %q has no name or no provider", ErrConfig, a.Name)
		case a.Kind != "meta" && a.Kind != "8x8":
			return fmt.Errorf("%w: account %q is of unknown kind %q", ErrConfig, a.Name, a.Kind)
		case seen[a.Kind+"/"+a.Name]:
			return fmt.Errorf("%w: account %q is named twice", ErrConfig, a.Name)
		}
		seen[a.Kind+"/"+a.Name] = true
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = uuid.NewString
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = 15 * time.Second
	}
	return nil
}
