package eightx8

import (
	"errors"
	"time"
)

// Config of the fake.
type Config struct {
	SubAccount    string
	Channel       string
	Account       string // accountId of account events
	WABA          string // businessAccountId of account events
	Business      string // digits, in account events
	Key           string // API key that requests must bear
	Authorization string // static header that its webhooks carry
	WebhookURL    string
	// Grant is how long a temporary permission lasts: 8 hours, as in the sample,
	// when 0.
	Grant time.Duration
	// Retry are the waits before another try after a timeout, 4xx or 5xx; nil takes
	// 8x8's 1, 10, 30 and 90 s, an empty slice none.
	Retry []time.Duration
	// Duplicate is how many times more each webhook is delivered, until SetKnobs.
	Duplicate int
	Limits    Limits
}

// Request is one API request that arrived, whether or not it was granted.
type Request struct {
	Method, Path string
	Query        string
	Body         map[string]any // nil when it was no JSON object
	Raw          []byte
	Time         time.Time
	Status       int // what was answered; 0 while it is being answered
}

var (
	// ErrNoWebhook is returned when no webhook URL is set.
	ErrNoWebhook = errors.New("testbed/eightx8: no webhook URL")
	// ErrNotDelivered is returned when the receiver never answered 2xx.
	ErrNotDelivered = errors.New("testbed/eightx8: webhook not delivered")
	// ErrSample is returned when a sample of the 8x8 pages has lost a field.
	ErrSample = errors.New("testbed/eightx8: the sample has no such field")
)
