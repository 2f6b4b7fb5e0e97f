// Package server is everything that answers HTTP: the API, provider webhooks, the
// event stream, health and metrics.
package server

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
	"github.com/prometheus/client_golang/prometheus"
)

var errSkeleton = errors.New("server: not built yet")

// Account is one business number and its provider.
type Account struct {
	Name     string
	Provider provider.Provider
	Kind     string // "meta" or "8x8": the webhook path
	Business geo.E164
	Template provider.Template // the permission request sent when a request names none
	Calling  bool              // the account can place calls
}

// Token lets a client use the API.
type Token struct {
	Name   string
	Secret string
	Scopes []string // admin, read, write, audit
}

// Config is what the server needs.
type Config struct {
	Accounts  []Account
	Tokens    []Token
	Log       *audit.Log
	Write     *sql.DB
	Read      *sql.DB
	Ledger    *permissions.Ledger
	Callbacks *callback.Scheduler
	Bridge    *sipbridge.Bridge
	Exporter  *compliance.Exporter
	Metrics   *prometheus.Registry
	Now       func() time.Time
	NewID     func() string
	Logger    *slog.Logger
	Version   map[string]string
}

// Server holds the two HTTP handlers: the public one and the admin one.
type Server struct{}

// New checks cfg and builds the handlers; it starts nothing.
func New(cfg Config) (*Server, error) { return nil, errSkeleton }

// Handler serves the API, webhooks, /openapi.json and /docs.
func (s *Server) Handler() http.Handler { return nil }

// Admin serves /livez, /readyz, /metrics and /version.
func (s *Server) Admin() http.Handler { return nil }

// SetReady switches /readyz; it begins as not ready.
func (s *Server) SetReady(ready bool) {}

// OpenAPI is the generated document, as served.
func (s *Server) OpenAPI() ([]byte, error) { return nil, errSkeleton }

// Shutdown ends the event streams; the http.Servers are the caller's.
func (s *Server) Shutdown(ctx context.Context) error { return errSkeleton }
