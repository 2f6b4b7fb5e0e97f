package permissions

import (
	"context"
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
	State      string    `json:"state"` // pending, approved, rejected, lapsed
	DecidedBy  string    `json:"decidedBy,omitempty"`
	DecidedAt  time.Time `json:"decidedAt,omitzero"`
	Event      string    `json:"event,omitempty"` // id of the event that it became
}

// Apply records a change, or proposes it when the rule pack asks for a second
// person: then the approval is returned and nothing else has changed. What
// narrows is never proposed. Errors: [ErrUser], [ErrReason], [ErrNotListed],
// [ErrBusiness], [ErrChange].
func (l *Ledger) Apply(_ context.Context, _ Change) (*Approval, error) { return nil, errSkeleton }

// Approve lets a proposed change take effect. The actor must be another than who
// proposed it ([ErrSameActor]); a change that is not pending any more is
// [ErrDecided].
func (l *Ledger) Approve(_ context.Context, _, _ string) (Approval, error) {
	return Approval{}, errSkeleton
}

// Reject ends a proposed change. Who proposed it may withdraw it so.
func (l *Ledger) Reject(_ context.Context, _, _, _ string) (Approval, error) {
	return Approval{}, errSkeleton
}

// Approvals lists them by cursor, the newest first; pending ones only on request.
func (l *Ledger) Approvals(_ context.Context, _ bool, _ Page) (list []Approval, next string, err error) {
	return nil, "", errSkeleton
}
