// Package sipbridge is the B2BUA: it joins a WhatsApp leg to a PBX leg.
//
// A call is one loop: one goroutine owns it and both its legs; SIP, the
// carrier's webhooks, media, timers and opt-outs post to it. No leg outlives the
// loop, in whatever order BYE, CANCEL, 200 and terminate arrive.
package sipbridge

import (
	"context"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Carrier is the WhatsApp side of calls for one account, such as the Graph API.
// Methods block until the provider answered; errors are *CarrierError when the
// provider refused.
type Carrier interface {
	// Connect places a business-initiated call and returns the provider's call
	// id. It is never repeated by the caller: when the answer is lost, the
	// connect event is correlated by opaque.
	Connect(ctx context.Context, to, offer, opaque string) (wacid string, err error)
	PreAccept(ctx context.Context, wacid, answer string) error
	Accept(ctx context.Context, wacid, answer, opaque string) error
	Reject(ctx context.Context, wacid string) error
	Terminate(ctx context.Context, wacid string) error
}

// CarrierError is a provider's refusal.
type CarrierError struct {
	Code    int    // the provider's code (protocol F), 0 when unknown
	Status  int    // HTTP status
	Message string // the provider's words, without numbers
}

// Error implements error.
func (e *CarrierError) Error() string { return "carrier: " + e.Message }

// EventKind says what a carrier reported.
type EventKind string

// The kinds of carrier event (protocol B2).
const (
	CarrierConnect    EventKind = "connect"
	CarrierRinging    EventKind = "ringing"
	CarrierAccepted   EventKind = "accepted"
	CarrierRejected   EventKind = "rejected"
	CarrierTerminated EventKind = "terminate"
)

// Direction of a call.
type Direction string

// The directions, in Meta's words.
const (
	BusinessInitiated Direction = "BUSINESS_INITIATED"
	UserInitiated     Direction = "USER_INITIATED"
)

// Event is what a carrier reported about a call, in any order, at least once.
type Event struct {
	Account   string
	Wacid     string
	Kind      EventKind
	Direction Direction // empty when the provider left it out
	User      string    // "+" and digits, or a BSUID
	SDPType   string    // offer or answer
	SDP       string
	Opaque    string
	At        time.Time // the provider's time
	Failed    bool      // terminate: status Failed
	Duration  time.Duration
	Codes     []int  // provider error codes, if any
	Payload   string // cta or deeplink payload
}

// Attempt is one outgoing call put before the gate.
type Attempt struct {
	Business   geo.E164
	User       string
	CallID     string
	CallbackID string
	Purpose    string
}

// Gate decides whether an outgoing WhatsApp call may be placed. A refusal is an
// error whose Reason method gives the machine word (see [Refusal]).
type Gate interface {
	Authorize(ctx context.Context, a Attempt) (Ticket, error)
}

// Refusal is implemented by the gate's refusals.
type Refusal interface {
	error
	Reason() string
	RetryAfter() time.Time
}

// Ticket is the gate's reservation of one attempt. Exactly one Settle ends it.
type Ticket interface {
	// Confirm re-checks right before the network is touched.
	Confirm(ctx context.Context) error
	// Settle records the outcome ("connected", "unanswered", "rejected",
	// "cancelled", "failed", "refused") in the transaction that writes the CDR.
	Settle(ctx context.Context, tx *audit.Tx, outcome string) error
	DecisionIndex() int64 // audit index of the decision
	Permission() string   // "temporary; expires=…" or "permanent", for X-Callctl-Permission
}

// Ledger hears of calls that users place, because they bear on permission.
type Ledger interface {
	// Called records a user-initiated call in the transaction that writes its CDR.
	Called(ctx context.Context, tx *audit.Tx, c UserCall) error
	// Subject is the opaque id under which the audit knows the user, created when new.
	Subject(ctx context.Context, tx *audit.Tx, user string) (string, error)
}

// UserCall is a call that a user placed.
type UserCall struct {
	Account   string
	Business  geo.E164
	User      string
	CallID    string
	Wacid     string
	At        time.Time
	Connected bool
}
