package permissions

import "time"

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	Requested    EventKind = "requested"     // we asked for permission; Template names what was shown
	Granted      EventKind = "granted"       // a reply with accept; Permanent or Expires
	Declined     EventKind = "declined"      // a reply with reject, by the user or automatic
	Revoked      EventKind = "revoked"       // withdrawn by operator, API or provider error
	OptedOut     EventKind = "opted_out"     // "stop calls": do not call, stronger than Revoked
	OptOutLifted EventKind = "optout_lifted" // an operator removed the do-not-call entry
	Messaged     EventKind = "messaged"      // the user wrote to the business; Text
	Attempted    EventKind = "attempted"     // Authorize reserved a dial
	Settled      EventKind = "settled"       // the attempt's outcome; Outcome
	Called       EventKind = "called"        // the user called the business; Outcome connected or not
	Confirmed    EventKind = "confirmed"     // the opt-out confirmation was sent
	ReadBack     EventKind = "read_back"     // the provider's API confirmed the state
)

// Auth is how a fact was authenticated (promises L-01).
type Auth string

// The authentication grades, strongest claim first.
const (
	AuthHMAC     Auth = "hmac"     // signed by the provider over the raw body
	AuthReadBack Auth = "readback" // asked from the provider's API by us
	AuthBearer   Auth = "bearer"   // a static secret in the request
	AuthOperator Auth = "operator" // a person or program with an API token
	AuthSelf     Auth = "self"     // callctl itself
)

// vouchesFor says whether an event of this kind can have been authenticated so:
// a grant is the user's word and comes by the provider only.
func (a Auth) vouchesFor(k EventKind) bool {
	switch a {
	case AuthHMAC, AuthReadBack, AuthBearer:
		return true
	case AuthOperator, AuthSelf:
		return k != Granted
	}
	return false
}

// Event is a fact about a pair. Events are never changed or removed.
type Event struct {
	// ID makes the event unique for ever: a second event with the same ID is the
	// same fact. Providers' ids carry the provider's name: "meta/wamid.X", "8x8/<umid>".
	ID        string    `json:"id"`
	Kind      EventKind `json:"kind"`
	Pair      Pair      `json:"-"`
	At        time.Time `json:"at"`       // from when it counts: when it happened by the provider's clock, unless Record did not believe it
	Received  time.Time `json:"received"` // when it was recorded; set by Record
	Account   string    `json:"account,omitempty"`
	Auth      Auth      `json:"auth"`
	Actor     string    `json:"actor,omitempty"`  // token name, for operator events
	Reason    string    `json:"reason,omitempty"` // operator's or provider's words
	Permanent bool      `json:"permanent,omitempty"`
	Expires   time.Time `json:"expires,omitzero"` // the provider's expiry verbatim, zero when absent
	Automatic bool      `json:"automatic,omitempty"`
	Ref       string    `json:"ref,omitempty"`      // message, call or event id that this answers
	Request   string    `json:"request,omitempty"`  // id of the Requested event behind Ref; set by Record
	Text      string    `json:"text,omitempty"`     // Messaged: the message; Requested: the text shown. Kept in the audit only
	Template  string    `json:"template,omitempty"` // Requested: name/language
	CallID    string    `json:"callId,omitempty"`   // Attempted, Settled, Called
	Purpose   string    `json:"purpose,omitempty"`
	Outcome   Outcome   `json:"outcome,omitempty"`
	Webhook   int64     `json:"webhook,omitempty"` // row of the stored delivery, 0 for none
	Aliases   []User    `json:"-"`                 // other addresses of the same user seen with it
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of an attempt.
const (
	OutcomeConnected  Outcome = "connected"  // the user answered
	OutcomeUnanswered Outcome = "unanswered" // rang, or could not be reached
	OutcomeRejected   Outcome = "rejected"   // the user declined
	OutcomeCancelled  Outcome = "cancelled"  // ended by us before an answer
	OutcomeFailed     Outcome = "failed"     // never reached the user
	OutcomeRefused    Outcome = "refused"    // the provider refused for want of permission
	OutcomeUnknown    Outcome = "unknown"    // a crash hid it; never dialled again by itself
)
