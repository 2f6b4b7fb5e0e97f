package meta

import "time"

// Config of the fake.
type Config struct {
	PhoneNumberID string
	Business      string // digits
	WABA          string
	Token         string
	AppSecret     string
	VerifyToken   string
	WebhookURL    string // where it posts; settable later by SetWebhook
	MediaHost     string // 127.0.0.1 when empty

	// PermissionTemplates are the templates that carry a call permission request.
	// When there are none, every template counts as one.
	PermissionTemplates []string

	Limits Limits
	Timers Timers
}

// Limits are Meta's counters per user. 0 takes Meta's value, a negative one lifts
// the limit.
type Limits struct {
	RequestsPerDay  int // call permission requests in 24 hours: 1
	RequestsPerWeek int // in 7 days: 2
	CallsPerDay     int // connected business-initiated calls in 24 hours: 100
	Unanswered      int // consecutive unanswered calls until the permission is revoked: 4
	Questions       int // to call_permissions in a second: 5
}

// Timers are Meta's waiting times. 0 takes Meta's value.
type Timers struct {
	Grant   time.Duration // a temporary permission: 168 hours
	Ring    time.Duration // until an unanswered call of the business ends: 60 s
	Accept  time.Duration // for the business to accept a user's call: 30 s
	NoMedia time.Duration // without a packet from the business after the answer: 20 s
	Silence time.Duration // without a packet from the business later: 30 s
	Retry   time.Duration // for how long a webhook is tried: 7 days
}

// Knobs disturb the webhooks. The zero value does not.
type Knobs struct {
	Duplicate int           // how many times more each webhook is delivered
	Delay     time.Duration // before each webhook
	// Reorder gets the webhooks of one call that gathered within ReorderWindow
	// (200 ms when 0) and returns them as they shall be posted.
	Reorder       func([]Webhook) []Webhook
	ReorderWindow time.Duration
	// Retry are the waits before another try after a failure or an answer that is
	// not 2xx; nil takes at once, 250 ms, 500 ms, 1 s.
	Retry []time.Duration
	// CallbackPermission grants temporary permission when a user calls
	// (callback_permission_status ENABLED).
	CallbackPermission bool
	// MessageStatuses posts sent and delivered for every message.
	MessageStatuses bool
	// LoseConnectResponse makes connect place the call and then drop the HTTP
	// connection without an answer.
	LoseConnectResponse bool
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

func (l Limits) withDefaults() Limits {
	return Limits{
		RequestsPerDay:  orDefault(l.RequestsPerDay, 1),
		RequestsPerWeek: orDefault(l.RequestsPerWeek, 2),
		CallsPerDay:     orDefault(l.CallsPerDay, 100),
		Unanswered:      orDefault(l.Unanswered, 4),
		Questions:       orDefault(l.Questions, 5),
	}
}

func (t Timers) withDefaults() Timers {
	return Timers{
		Grant:   orDefault(t.Grant, 168*time.Hour),
		Ring:    orDefault(t.Ring, 60*time.Second),
		Accept:  orDefault(t.Accept, 30*time.Second),
		NoMedia: orDefault(t.NoMedia, 20*time.Second),
		Silence: orDefault(t.Silence, 30*time.Second),
		Retry:   orDefault(t.Retry, week),
	}
}
