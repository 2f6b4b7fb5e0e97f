// Package eightx8 is a fake of the 8x8 Chat Apps API.
package eightx8

import (
	"context"
	"errors"
	"net/http"
)

var errSkeleton = errors.New("testbed/eightx8: not built yet")

// Config of the fake.
type Config struct {
	SubAccount    string
	Channel       string
	Key           string // API key that requests must bear
	Authorization string // static header that its webhooks carry
	WebhookURL    string
}

// Request is one API request that arrived.
type Request struct {
	Method, Path string
	Body         map[string]any
	Raw          []byte
}

// Fake is the fake API.
type Fake struct{}

// New returns the fake; it starts nothing.
func New(cfg Config) (*Fake, error) { return nil, errSkeleton }

// Handler serves POST /api/v1/subaccounts/{sub}/messages and callPermissions.
func (f *Fake) Handler() http.Handler { return nil }

// SetWebhook sets where webhooks go.
func (f *Fake) SetWebhook(url string) {}

// Requests are all API requests so far, in order.
func (f *Fake) Requests() []Request { return nil }

// Reply posts the sample of the 8x8 page (inbound_call_permission_reply.json)
// with fresh ids and times for msisdn ("+65…"), with the retry schedule of 8x8.
func (f *Fake) Reply(ctx context.Context, msisdn string, accept, permanent bool) error {
	return errSkeleton
}

// Text posts an inbound text message and returns its umid.
func (f *Fake) Text(ctx context.Context, msisdn, text string) (string, error) {
	return "", errSkeleton
}
