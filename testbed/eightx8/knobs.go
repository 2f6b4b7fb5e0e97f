package eightx8

import (
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Limits are the provider's counters per user. 0 takes WhatsApp's value, a
// negative one lifts the limit.
type Limits struct {
	RequestsPerDay  int // call permission requests in 24 hours: 1
	RequestsPerWeek int // in 7 days: 2
	CallsPerDay     int // connected calls of the business in 24 hours: 100
	Unanswered      int // consecutive unanswered calls until the permission is revoked: 4
	Questions       int // to callPermissions in a second: 5
}

// SandboxLimits are the limits of sandbox accounts and public test numbers.
func SandboxLimits() Limits {
	return Limits{RequestsPerDay: 25, RequestsPerWeek: 100, Unanswered: 10}
}

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		limit *int
		value int
	}{
		{&l.RequestsPerDay, 1},
		{&l.RequestsPerWeek, 2},
		{&l.CallsPerDay, 100},
		{&l.Unanswered, 4},
		{&l.Questions, 5},
	} {
		if *field.limit == 0 {
			*field.limit = field.value
		}
	}
	return l
}

func (l Limits) questions() *rate.Limiter {
	if l.Questions < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(l.Questions), l.Questions)
}

func reached(used, limit int) bool { return limit >= 0 && used >= limit }

// Knobs disturb the webhooks. The zero value does not.
type Knobs struct {
	// Version is that of inbound messages: 3 names users by their BSUID where
	// SetIdentity gave one; anything else is 2.
	Version int
	Delay   time.Duration // before each webhook
	// Duplicate is how many times more each webhook is delivered.
	Duplicate int
	// Reorder gets the webhooks that an outage held back and returns them as they
	// shall be posted.
	Reorder func([]json.RawMessage) []json.RawMessage
	// CallbackPermission grants temporary permission when a user calls. 8x8 sends
	// no webhook of it.
	CallbackPermission bool
	// MessageStatuses posts sent and delivered for every message.
	MessageStatuses bool
}

// SetKnobs sets how webhooks are disturbed from now on.
func (f *Fake) SetKnobs(k Knobs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.knobs = k
}

func (f *Fake) settings() Knobs {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.knobs
}

// Fault is an answer that the fake gives instead of its own.
type Fault struct {
	Status     int // HTTP
	Code       int // 8x8's
	Message    string
	RetryAfter time.Duration // in the header Retry-After, whole seconds
}

// FailNext answers the next n requests to an endpoint (messages or
// callPermissions) with fault.
func (f *Fake) FailNext(endpoint string, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.faults[endpoint] = append(f.faults[endpoint], fault)
	}
}

// faultOf takes the next fault of a path's endpoint, nil when there is none.
func (f *Fake) faultOf(path string) *apiError {
	endpoint := path[strings.LastIndexByte(path, '/')+1:]
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.faults[endpoint]
	if len(waiting) == 0 {
		return nil
	}
	next := waiting[0]
	f.faults[endpoint] = waiting[1:]
	return &apiError{status: next.Status, code: next.Code, message: next.Message, retryAfter: next.RetryAfter}
}
