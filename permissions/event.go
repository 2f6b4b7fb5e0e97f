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
	ReadBack     EventKind = "read_back"     // the provider's API told the state; Provided

	Willing         EventKind = "willing"          // a tapped quick reply such as "Allow calls": willingness, grants nothing
	Reported        EventKind = "reported"         // the provider's word on how a call ended; CallID or Ref, Outcome, Inbound
	Delivered       EventKind = "delivered"        // the provider's word on a message of ours; Ref, Delivery, Code
	MessagesStopped EventKind = "messages_stopped" // no messages wanted: requests are not sent; calls are not concerned
	MessagesResumed EventKind = "messages_resumed" // START, or the platform's preference: messages again, no calls
	IDChanged       EventKind = "id_changed"       // the platform gave the user another user id or number; Previous, Current
	Located         EventKind = "located"          // the customer's own time zone; Zone
	Expired         EventKind = "expired"          // the sweep saw a grant end; Ref. Changes nothing: expiry is evaluated when it matters
	Expiring        EventKind = "expiring"         // the sweep saw a grant about to end; Ref. Changes nothing
)

// Auth is how a fact was authenticated (promises L-01).
type Auth string

// The authentication grades, strongest claim first.
const (
	AuthHMAC     Auth = "hmac"     // signed by the provider over the raw body
	AuthReadBack Auth = "readback" // asked from the provider's API by us
	AuthBearer   Auth = "bearer"   // a static secret in the request
	AuthOperator Auth = "operator" // a person or program with an API token
	AuthImport   Auth = "import"   // a line of an imported list
	AuthSelf     Auth = "self"     // callctl itself
)

// sighted is no fact that is recorded: it stands in a fold for the talk (messages)
// that showed a line with its holder, which is not read for a decision.
const sighted EventKind = "sighted"

// vouchesFor says whether an event of this kind can have been authenticated so:
// a grant is the user's word and comes by the provider only, but for those that
// Apply makes after its own rules.
func (a Auth) vouchesFor(k EventKind) bool {
	switch a {
	case AuthHMAC, AuthReadBack, AuthBearer:
		return true
	case AuthOperator, AuthSelf:
		return k != Granted
	case AuthImport:
		return k == OptedOut || k == MessagesStopped // a list only narrows
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

	Scope    Scope          `json:"scope,omitempty"`    // OptedOut: how far it reaches, "" for all; set by Record from the rule pack in force at At
	Brand    string         `json:"brand,omitempty"`    // OptedOut with ScopeBrand or ScopePurpose: the brand that it reaches; set by Record
	Channels Channels       `json:"channels,omitempty"` // OptedOut: what it ends beside calls
	Category string         `json:"category,omitempty"` // MessagesStopped, MessagesResumed: "marketing" for the platform's preference, "" for all
	Inbound  bool           `json:"inbound,omitempty"`  // Reported: the user called us
	Delivery string         `json:"delivery,omitempty"` // Delivered: sent, delivered, read, failed
	Code     int            `json:"code,omitempty"`     // Delivered, Settled: the provider's error code, 0 for none
	Zone     string         `json:"zone,omitempty"`     // Located: IANA name
	Provided *ProviderState `json:"provided,omitempty"` // ReadBack: what the provider said
	Previous User           `json:"-"`                  // IDChanged: the address that is no longer the user's
	Current  User           `json:"-"`                  // IDChanged: the address that is
	Approval string         `json:"approval,omitempty"` // id of the approval that it came through

	// Line and Holder are opaque names of the phone number and of the BSUID that the
	// event was seen with, "" when it came without; set by Record. Two forms of one
	// number have one name. They tell a recycled number: a line that another holder
	// has now brings none of the earlier holder's grants.
	Line   string `json:"line,omitempty"`
	Holder string `json:"holder,omitempty"`
	// From and To are the opaque names of Previous and Current; set by Record.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// NewNumber is true for an IDChanged with which the user's phone number became
	// another one; set by Record. No grant from before outlives it.
	NewNumber bool `json:"newNumber,omitempty"`
	// Lifts are the ids of the opt-outs that an OptOutLifted ends, those known when
	// it was recorded; set by Record. Empty: all that are dated before it.
	Lifts []string `json:"lifts,omitempty"`

	applied bool // Granted by an operator: it came through Apply
}

// Narrows is true for the facts that nobody may act against once they are known;
// a message can be one.
func (e *Event) Narrows() bool {
	switch e.Kind {
	case Declined, Revoked, OptedOut, MessagesStopped, Messaged:
		return true
	default:
		return false
	}
}

// own is true for a grant that the user gave: not one that the platform gave for
// them, nor one that an operator wrote down.
func (e *Event) own() bool { return e.Kind == Granted && !e.Automatic && e.Auth != AuthOperator }

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

// Scope is how far a revocation reaches (FCC 47 CFR 64.1200(a)(10): a dated policy).
type Scope string

// The scopes of a revocation.
const (
	ScopeAll     Scope = "all"     // every business, every purpose
	ScopeBrand   Scope = "brand"   // every business number of the brand
	ScopePurpose Scope = "purpose" // calls of the purpose, by the brand; of the brand when the purpose is not known
)

// Channels is what an opt-out ends.
type Channels string

// The channels of an opt-out. The empty one is ChannelsCalls.
const (
	ChannelsCalls    Channels = "calls"
	ChannelsMessages Channels = "messages" // recorded as MessagesStopped, never as OptedOut
	ChannelsAll      Channels = "all"      // both: OptedOut and MessagesStopped
)

// ProviderState is what a provider's API says about a user and one of our numbers
// (protocol: Meta call_permissions, 8x8 callPermissions).
type ProviderState struct {
	Status  Status           `json:"status"`
	Expires time.Time        `json:"expiresAt,omitzero"` // of a temporary permission; zero when the provider does not say
	Actions []ProviderAction `json:"actions,omitempty"`
	// Asked is when the question was put, by our clock; the answer may be older than
	// what was heard since. Zero: now.
	Asked time.Time `json:"askedAt,omitzero"`
}

// ProviderAction is something that the provider lets the business do or not.
type ProviderAction struct {
	Name   string          `json:"name"` // the provider's word: send_call_permission_request, start_call
	Can    bool            `json:"can"`
	Limits []ProviderLimit `json:"limits,omitempty"`
}

// ProviderLimit is how often an action may be done in a period.
type ProviderLimit struct {
	Period string    `json:"period"` // ISO 8601 duration, such as PT24H
	Max    int       `json:"max"`
	Used   int       `json:"used"`
	Resets time.Time `json:"resetsAt,omitzero"` // when the action may be done again; zero when the limit is not reached
}
