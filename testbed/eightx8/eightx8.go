package eightx8

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Fake is the fake API. Its methods are safe for concurrent use.
type Fake struct {
	cfg    Config
	client *http.Client

	mu       sync.Mutex
	webhook  string
	users    map[string]*user // by msisdn with +
	requests []*Request
	changed  chan struct{}
	knobs    Knobs
	faults   map[string][]Fault
	away     *outage // nil while webhooks arrive
	abroad   bool    // calls of the business are not to be had in its country

	restrictions map[string]time.Time // until when, zero for open-ended
	categories   map[string]string    // by name of the template

	questions *rate.Limiter // of callPermissions, nil for none
	closing   sync.Once
	closed    chan struct{}
}

// New returns the fake; it starts nothing.
func New(cfg Config) (*Fake, error) {
	if cfg.Grant == 0 {
		cfg.Grant = 8 * time.Hour
	}
	if cfg.Retry == nil {
		cfg.Retry = []time.Duration{time.Second, 10 * time.Second, 30 * time.Second, 90 * time.Second}
	}
	cfg.Limits = cfg.Limits.withDefaults()
	return &Fake{
		cfg: cfg, webhook: cfg.WebhookURL, users: map[string]*user{}, changed: make(chan struct{}),
		knobs: Knobs{Duplicate: cfg.Duplicate}, faults: map[string][]Fault{},
		restrictions: map[string]time.Time{}, categories: map[string]string{},
		questions: cfg.Limits.questions(), closed: make(chan struct{}),
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second}},
	}, nil
}

// Close ends the retries of webhooks and drops idle connections to the receiver.
func (f *Fake) Close() error {
	f.closing.Do(func() { close(f.closed) })
	f.client.CloseIdleConnections()
	return nil
}

// SetWebhook sets where webhooks go.
func (f *Fake) SetWebhook(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.webhook = url
}

// Requests are all API requests so far, in order.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Request, len(f.requests))
	for i, r := range f.requests {
		list[i] = *r
	}
	return list
}

// WaitRequest waits until some answered request satisfies want and returns it.
func (f *Fake) WaitRequest(ctx context.Context, want func(Request) bool) (Request, error) {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		requests := f.Requests()
		if i := slices.IndexFunc(requests, func(r Request) bool { return r.Status != 0 && want(r) }); i >= 0 {
			return requests[i], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Request{}, fmt.Errorf("testbed/eightx8: waiting for a request: %w", ctx.Err())
		}
	}
}

// user is the user's record; the caller holds mu.
func (f *Fake) user(msisdn string) *user {
	u := f.users[msisdn]
	if u == nil {
		u = &user{}
		f.users[msisdn] = u
	}
	return u
}
