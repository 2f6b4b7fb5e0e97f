// Package meta is a fake of Meta's Graph API for messages and calling.
package meta

import (
	"context"
	"errors"
	"net/http"

	"github.com/callctl/callctl/testbed/handset"
)

var errSkeleton = errors.New("testbed/meta: not built yet")

// Config of the fake.
type Config struct {
	PhoneNumberID string
	Business      string // digits
	WABA          string
	Token         string
	AppSecret     string
	VerifyToken   string
	WebhookURL    string // where it posts; settable later by SetWebhook
	MediaHost     string // 127.0.0.1
}

// Request is one Graph request that arrived.
type Request struct {
	Method, Path string
	Body         map[string]any
	Raw          []byte
}

// Fake is the fake API. Handler serves Graph; Run owns calls and webhook posts.
type Fake struct{}

// New returns the fake; it starts nothing.
func New(cfg Config) (*Fake, error) { return nil, errSkeleton }

// Handler serves POST /{ver}/{pnid}/messages, /calls, GET call_permissions.
func (f *Fake) Handler() http.Handler { return nil }

// Run posts webhooks and runs handsets until ctx ends.
func (f *Fake) Run(ctx context.Context) error { return errSkeleton }

// SetWebhook sets where webhooks go.
func (f *Fake) SetWebhook(url string) {}

// Requests are all Graph requests so far, in order.
func (f *Fake) Requests() []Request { return nil }

// SetUser sets what a user does when called.
func (f *Fake) SetUser(digits string, b handset.Behaviour) {}

// Reply posts a signed call_permission_reply webhook for the latest request to
// the user: accept or reject, temporary unless permanent.
func (f *Fake) Reply(ctx context.Context, digits string, accept, permanent bool) error {
	return errSkeleton
}

// Text posts a signed text message from the user and returns its message id.
func (f *Fake) Text(ctx context.Context, digits, text string) (string, error) {
	return "", errSkeleton
}

// Call is one call at the fake, whichever side began it.
type Call struct {
	ID        string // wacid
	Direction string
	State     string // connecting, ringing, accepted, rejected, ended
	EndedBy   string // user, business, timeout
	Handset   *handset.Handset
}

// Call starts a user-initiated call and returns its wacid.
func (f *Fake) Call(ctx context.Context, digits string, b handset.Behaviour) (string, error) {
	return "", errSkeleton
}

// Calls are all calls so far, in order.
func (f *Fake) Calls() []Call { return nil }

// HangUp lets the user end a call.
func (f *Fake) HangUp(wacid string) error { return errSkeleton }

// Post sends any change value as a signed webhook, times times; for tests.
func (f *Fake) Post(ctx context.Context, field string, value any, times int) error {
	return errSkeleton
}
