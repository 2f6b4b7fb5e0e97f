package eightx8

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
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
}

// user is a WhatsApp user as 8x8 knows it.
type user struct {
	status   string // "" for not_granted, temporary, permanent
	expires  time.Time
	request  string // umid of the latest permission request
	requests []time.Time
}

// New returns the fake; it starts nothing.
func New(cfg Config) (*Fake, error) {
	if cfg.Grant == 0 {
		cfg.Grant = 8 * time.Hour
	}
	if cfg.Retry == nil {
		cfg.Retry = []time.Duration{time.Second, 10 * time.Second, 30 * time.Second, 90 * time.Second}
	}
	return &Fake{
		cfg: cfg, webhook: cfg.WebhookURL, users: map[string]*user{}, changed: make(chan struct{}),
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second}},
	}, nil
}

// Close drops idle connections to the webhook's receiver.
func (f *Fake) Close() error {
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

// SetPermission sets what callPermissions says of a user, without a webhook: ""
// or "not_granted", "temporary" until expires, or "permanent". It is how an
// automatic grant or revocation looks, which 8x8 does not forward.
func (f *Fake) SetPermission(msisdn, status string, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status == "not_granted" {
		status = ""
	}
	u := f.user(msisdn)
	u.status, u.expires = status, expires
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
