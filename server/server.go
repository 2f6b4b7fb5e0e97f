// Package server is everything that answers HTTP: the API, provider webhooks, the
// event stream, health and metrics.
//
// There are two handlers: [Server.Handler] for the outside, [Server.Admin] for
// the machine's own network. Every API route names the scope that a token needs;
// a route without one answers nobody. Nothing that a client sent is repeated in
// an error, because it may be a phone number.
package server

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/provider"
)

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
	Ledger    Ledger
	Callbacks Callbacks
	Bridge    Bridge
	Exporter  Exporter
	Reader    Reader               // nil when no provider can be asked: then nothing is reconciled
	Importer  Importer             // nil when lists cannot be imported
	Metrics   *prometheus.Registry // a new one when nil
	Now       func() time.Time     // time.Now when nil
	NewID     func() string        // random UUIDs when nil
	Logger    *slog.Logger         // discards when nil
	Version   map[string]string    // what /version answers: version, commit, go …
	// Checks are asked by /readyz, by name; an error makes the daemon not ready.
	Checks map[string]func(ctx context.Context) error
	// Heartbeat is how often an idle event stream is written to; 15 s when zero.
	Heartbeat time.Duration
	// Subscriptions keeps the receivers of outgoing webhooks; when nil, none can be made.
	Subscriptions Subscriptions
}

// Server holds the two HTTP handlers: the public one and the admin one.
type Server struct {
	cfg      Config
	accounts map[string]Account // by Kind + "/" + Name
	tokens   []credential
	run      string // names this process in idempotency rows
	metrics  *metrics
	api      huma.API
	scopes   map[string]Scope // by operation id
	handler  http.Handler
	admin    http.Handler
	ready    atomic.Bool
	inbound  intake
	streams  chan struct{} // one slot per event stream
	large    chan struct{} // held while a large body is worked on
	runs     reconciliations

	closing  context.Context //nolint:containedctx // ends with Shutdown, not with a request
	close    context.CancelFunc
	open     sync.WaitGroup // event streams and reconcile runs
	streamMu sync.Mutex     // orders joining a stream and closing
}

// maxStreams bounds the open event streams.
const maxStreams = 200

// New checks cfg and builds the handlers; it starts nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		accounts: map[string]Account{},
		scopes:   map[string]Scope{},
		run:      cfg.NewID(),
		inbound:  newIntake(),
		streams:  make(chan struct{}, maxStreams),
		large:    make(chan struct{}, 1),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	for _, a := range cfg.Accounts {
		s.accounts[a.Kind+"/"+a.Name] = a
	}
	var err error
	if s.tokens, err = credentials(cfg.Tokens); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg); err != nil {
		return nil, err
	}
	s.handler = s.public()
	s.admin = s.adminMux()
	return s, nil
}

// Handler serves the API, webhooks, /openapi.json and /docs.
func (s *Server) Handler() http.Handler { return s.handler }

// Admin serves /livez, /readyz, /metrics and /version.
func (s *Server) Admin() http.Handler { return s.admin }

// SetReady switches /readyz; it begins as not ready.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Shutdown ends the event streams and reconcile runs and waits for them, or for ctx; the
// http.Servers are the caller's, and are shut down after it. From then on new
// streams are refused with 503.
func (s *Server) Shutdown(ctx context.Context) error {
	s.streamMu.Lock()
	s.close()
	s.streamMu.Unlock()
	done := make(chan struct{})
	go func() {
		s.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
