package permissions

import (
	"time"

	"github.com/callctl/callctl/geo"
)

// Change is what a person or program asks to do to a permission.
type Change struct {
	Kind      EventKind // Granted, Revoked, OptedOut, OptOutLifted, MessagesResumed or Located
	Pair      Pair      // Business may be empty for OptedOut, OptOutLifted and Located: then it holds for all
	Actor     string    // token name
	Reason    string    // required
	Permanent bool      // Granted
	Expires   time.Time // Granted: required unless permanent
	Evidence  string    // Granted: where the user's word can be found
	Zone      string    // Located
}

// Approval is a change that widens permission and waits for a second person, as
// the rule pack asks (grant.approvals).
type Approval struct {
	ID         string    `json:"id"`
	Kind       EventKind `json:"kind"`
	Business   geo.E164  `json:"business,omitempty"`
	User       User      `json:"user"`
	Permanent  bool      `json:"permanent,omitempty"`
	Expires    time.Time `json:"expiresAt,omitzero"`
	Reason     string    `json:"reason"`
	Evidence   string    `json:"evidence,omitempty"`
	ProposedBy string    `json:"proposedBy"`
	ProposedAt time.Time `json:"proposedAt"`
	State      string    `json:"state"`             // pending, approved, rejected, lapsed
	LapsesAt   time.Time `json:"lapsesAt,omitzero"` // while pending
	DecidedBy  string    `json:"decidedBy,omitempty"`
	DecidedAt  time.Time `json:"decidedAt,omitzero"`
	Event      string    `json:"event,omitempty"`     // id of the event that it became
	Rejection  string    `json:"rejection,omitempty"` // why it was rejected: said in the answer and in the audit
}

// The states of an approval.
const (
	approvalPending  = "pending"
	approvalApproved = "approved"
	approvalRejected = "rejected"
	approvalLapsed   = "lapsed" // nobody decided in time; evaluated against the clock
)

// approvalLasts is how long a proposal waits for a second person.
const approvalLasts = 7 * 24 * time.Hour

// widens says whether a change gives more than there was, so that a second person
// may be asked for. What narrows acts at once.
func (c *Change) widens() bool {
	switch c.Kind {
	case Granted, OptOutLifted, MessagesResumed:
		return true
	default:
		return false
	}
}
