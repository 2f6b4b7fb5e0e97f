// Package notify delivers the audit log to other systems: outgoing webhooks.
//
// The audit log is the queue: an event's sequence is its audit index, and there
// is no second outbox. A [Subscription] keeps the index up to which everything
// that it wants was taken. Each delivery is one CloudEvents 1.0 event in JSON,
// signed as Standard Webhooks says, posted in the order of the log, at least
// once: the index moves, durably, only after an answer of 2xx, so a receiver
// drops what it has seen by webhook-id. What is not taken is tried again for 72
// hours, and then, or at once after 410 Gone, the subscription is disabled; what
// it missed is still in the log.
//
// Events carry the payloads of the log, and those hold phone numbers and message
// texts: whoever may make a subscription decides to send them to its address. A
// payload that was erased is not sent any more; what was sent is the receiver's
// to erase.
//
// An address outside of this machine's control is only ever posted to after a
// look at where it leads: see [Config.AllowPrivate].
package notify

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callctl/callctl/compliance/audit"
)

// Resolver looks host names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what a Notifier needs.
type Config struct {
	Log  *audit.Log
	Read *sql.DB
	// AllowPrivate lets subscriptions lead to loopback and to private networks, by
	// plain http on loopback and at any port: for the demo, and for installations
	// whose receivers stand beside them. Without it only https at port 443 of
	// public addresses is posted to. Link-local addresses and the metadata
	// services of clouds are refused always.
	AllowPrivate bool
	RootCAs      *x509.CertPool   // whose certificates are trusted; the system's when nil
	Resolver     Resolver         // net.DefaultResolver when nil
	Now          func() time.Time // time.Now when nil
	NewID        func() string    // random UUIDs when nil
	Rand         io.Reader        // source of secrets; crypto/rand when nil
	Logger       *slog.Logger     // discards when nil
}

func (c *Config) complete() error {
	if c.Log == nil || c.Read == nil {
		return fmt.Errorf("%w: Log and Read are needed", ErrConfig)
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = uuid.NewString
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Notifier keeps the subscriptions and delivers to them. Safe for concurrent use.
type Notifier struct {
	cfg       Config
	transport *http.Transport
	client    *http.Client
	wake      chan struct{} // the subscriptions changed
	deleted   sync.Map      // ids whose courier sends nothing more, though it may not know yet
}

// New checks cfg; it starts nothing.
func New(cfg Config) (*Notifier, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := &Notifier{cfg: cfg, wake: make(chan struct{}, 1)}
	n.transport = newTransport(cfg)
	n.client = &http.Client{
		Transport: n.transport,
		Timeout:   postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is an answer that is not 2xx
		},
	}
	return n, nil
}

// reloadPause is how long to wait before the subscriptions are read again after
// that failed.
const reloadPause = 5 * time.Second

// Run delivers until ctx ends, then spends up to five seconds on what the log
// holds by then, and returns nil. A subscription that fails disturbs no other.
// It is called once.
func (n *Notifier) Run(ctx context.Context) error {
	defer n.transport.CloseIdleConnections()
	var couriers sync.WaitGroup
	defer couriers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := map[string]context.CancelCauseFunc{}
	for {
		var again <-chan time.Time
		if err := n.reconcile(ctx, &couriers, running); err != nil && ctx.Err() == nil {
			n.cfg.Logger.ErrorContext(ctx, "webhook subscriptions could not be read", "error", err)
			again = time.After(reloadPause)
		}
		select {
		case <-n.wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// reconcile starts a courier for every subscription that has none, and ends
// those of subscriptions that are gone.
func (n *Notifier) reconcile(ctx context.Context, couriers *sync.WaitGroup, running map[string]context.CancelCauseFunc) error {
	subs, err := n.load(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, s := range subs {
		if s.State == Disabled {
			continue
		}
		wanted[s.ID] = true
		if running[s.ID] != nil {
			continue
		}
		c, err := n.newCourier(s)
		if err != nil {
			n.cfg.Logger.ErrorContext(ctx, "webhook subscription cannot be served", "subscription", s.ID, "error", err)
			continue
		}
		own, cancel := context.WithCancelCause(ctx)
		running[s.ID] = cancel
		couriers.Go(func() { c.run(own) })
	}
	for id, cancel := range running {
		if !wanted[id] {
			cancel(errEnded)
			delete(running, id)
		}
	}
	return nil
}

func (n *Notifier) changed() {
	select {
	case n.wake <- struct{}{}:
	default: // already awake
	}
}
