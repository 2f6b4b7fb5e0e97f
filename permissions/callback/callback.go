// Package callback turns "call this person in this window" into dial attempts at
// a permitted, decent hour.
//
// A [Callback] is a durable row. Its states are written together with their
// audit entries, before the dial that they announce: after a crash a callback
// that was dialling is unknown, and is never dialled again by itself.
package callback

import (
	"context"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// State of a callback.
type State string

// The states. Pending and Dialling are open, the others final.
const (
	Pending   State = "pending"
	Dialling  State = "dialling"
	Completed State = "completed" // the user answered and was joined to an agent
	Failed    State = "failed"
	Refused   State = "refused"   // by the gate; Reason says why
	Cancelled State = "cancelled" // by the API, or because permission was withdrawn
	Unknown   State = "unknown"   // a crash hid the outcome; not dialled again
)

// Reasons of a callback beside those of the gate. A dial that ended otherwise
// has its [permissions.Outcome] as reason.
const (
	WindowPassed permissions.Reason = "window_passed" // no dial was possible before NotAfter
	DialFailed   permissions.Reason = "dial_failed"   // the dialer broke before there was an outcome
)

// The orders in which the two legs are dialled.
const (
	AgentFirst = "agent_first"
	UserFirst  = "user_first"
)

// Callback is one promise to call.
type Callback struct {
	ID        string
	Business  geo.E164
	User      permissions.User
	NotBefore time.Time
	NotAfter  time.Time
	Purpose   string
	Agent     string // extension or SIP URI on the trunk
	Order     string // "agent_first" (default) or "user_first"
	State     State
	Reason    permissions.Reason
	CallID    string // last attempt
	CreatedAt time.Time
	UpdatedAt time.Time
	Actor     string

	due time.Time // next dial
}

// Dial is what the scheduler asks the dialer to do.
type Dial struct {
	CallID   string
	Callback string
	Business geo.E164
	User     permissions.User
	Purpose  string
	Agent    string
	Order    string
}

// Dialer places one call and blocks until it has ended; it authorises with the
// gate itself. A refusal is returned as *permissions.Refusal. When ctx ends the
// dialer stops what has not been answered and returns soon.
type Dialer interface {
	Dial(ctx context.Context, d Dial) (permissions.Outcome, error)
}
