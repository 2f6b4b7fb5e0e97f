package meta

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/callctl/callctl/testbed/handset"
)

// Request is one Graph request that arrived, whether or not it was granted.
type Request struct {
	Method, Path string
	Query        string
	Body         map[string]any // nil when it was no JSON object
	Raw          []byte
	Time         time.Time
	Status       int // what was answered; 0 while it is being answered
}

// Fake is the fake API. Handler serves Graph; Run owns calls and webhook posts.
// Its methods are safe for concurrent use.
type Fake struct {
	cfg    Config
	client *http.Client
	work   chan func(context.Context)
	done   chan struct{}

	mu         sync.Mutex
	webhook    string
	knobs      Knobs
	users      map[string]*user
	requests   []*Request
	calls      []*call
	byID       map[string]*call
	deliveries []Delivery
	changed    chan struct{}
	ended      bool
	number     number
	templates  map[string]string // statuses by name
	categories map[string]string // by name of the template
	faults     map[string][]Fault
	away       *outage // nil while webhooks arrive

	questions *rate.Limiter // of call_permissions, nil for none
}

// New returns the fake; it starts nothing.
func New(cfg Config) (*Fake, error) {
	if cfg.MediaHost == "" {
		cfg.MediaHost = "127.0.0.1"
	}
	if _, err := netip.ParseAddr(cfg.MediaHost); err != nil {
		return nil, fmt.Errorf("testbed/meta: media host: %w", err)
	}
	cfg.Limits, cfg.Timers = cfg.Limits.withDefaults(), cfg.Timers.withDefaults()
	return &Fake{
		cfg: cfg, webhook: cfg.WebhookURL,
		// 20 s is when Meta counts a delivery as failed.
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second}},
		work:   make(chan func(context.Context)), done: make(chan struct{}),
		users: map[string]*user{}, byID: map[string]*call{}, changed: make(chan struct{}),
		number: number{restrictions: map[string]time.Time{}}, templates: map[string]string{},
		categories: map[string]string{},
		faults:     map[string][]Fault{}, questions: questions(cfg.Limits.Questions),
	}, nil
}

// Run posts webhooks and runs handsets until ctx ends; then it ends every call
// and leaves no goroutine. It may be called once.
func (f *Fake) Run(ctx context.Context) error {
	var working sync.WaitGroup
	for {
		select {
		case fn := <-f.work:
			working.Go(func() { fn(ctx) })
			continue
		case <-ctx.Done():
		}
		break
	}
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	close(f.done)
	working.Wait()
	f.client.CloseIdleConnections()
	f.signal()
	return nil
}

// start hands fn to Run, which waits for it before it ends.
func (f *Fake) start(ctx context.Context, fn func(context.Context)) error {
	select {
	case f.work <- fn:
		return nil
	case <-f.done:
		return ErrNotRunning
	case <-ctx.Done():
		return fmt.Errorf("testbed/meta: is Run running? %w", ctx.Err())
	}
}

// SetWebhook sets where webhooks go.
func (f *Fake) SetWebhook(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.webhook = url
}

// SetKnobs sets how webhooks are disturbed from now on.
func (f *Fake) SetKnobs(k Knobs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.knobs = k
}

func (f *Fake) settings() (Knobs, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.knobs, f.webhook
}

// Requests are all Graph requests so far, in order.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Request, len(f.requests))
	for i, r := range f.requests {
		list[i] = *r
	}
	return list
}

// Calls are all calls so far, in order.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	calls := slices.Clone(f.calls)
	f.mu.Unlock()
	list := make([]Call, len(calls))
	for i, c := range calls {
		list[i] = c.snapshot()
	}
	return list
}

// PacketsIn is how many UDP datagrams have reached the media sockets of all calls.
func (f *Fake) PacketsIn() int64 {
	var n int64
	for _, c := range f.Calls() {
		n += c.Handset.PacketsIn()
	}
	return n
}

// SetUser sets what a user does when called. A user that was never set lets it
// ring.
func (f *Fake) SetUser(digits string, b handset.Behaviour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user(digits).behaviour = b
}

// user is the user's record; the caller holds mu.
func (f *Fake) user(digits string) *user {
	u := f.users[digits]
	if u == nil {
		u = &user{digits: digits, behaviour: handset.Behaviour{Then: "ignore"}}
		f.users[digits] = u
	}
	return u
}

// signal wakes those who wait.
func (f *Fake) signal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}
