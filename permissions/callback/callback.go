// Package callback turns "call this person in this window" into dial attempts at
// a permitted, decent hour.
package callback

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

var errSkeleton = errors.New("callback: not built yet")

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
}

// ErrNotFound is returned for an unknown id.
var ErrNotFound = errors.New("callback: not found")

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
// gate itself. A refusal is returned as *permissions.Refusal.
type Dialer interface {
	Dial(ctx context.Context, d Dial) (permissions.Outcome, error)
}

// Config is what a Scheduler needs.
type Config struct {
	Log    *audit.Log
	Read   *sql.DB
	Ledger *permissions.Ledger
	Dialer Dialer
	Now    func() time.Time
	NewID  func() string
}

// Scheduler owns the callbacks. Safe for concurrent use.
type Scheduler struct{}

// New checks cfg and returns the scheduler.
func New(cfg Config) (*Scheduler, error) { return nil, errSkeleton }

// Run dials what is due until ctx ends and then waits for its dials.
func (s *Scheduler) Run(ctx context.Context) error { return errSkeleton }

// Add stores a callback durably. A zero NotBefore means now, a zero NotAfter one
// hour later. It fails with *permissions.Refusal when the gate would refuse for
// the whole window for a reason that waiting does not cure.
func (s *Scheduler) Add(ctx context.Context, c Callback) (Callback, error) {
	return Callback{}, errSkeleton
}

// Get returns one callback or ErrNotFound.
func (s *Scheduler) Get(ctx context.Context, id string) (Callback, error) {
	return Callback{}, errSkeleton
}

// List lists callbacks, newest first, by cursor.
func (s *Scheduler) List(ctx context.Context, p permissions.Page) (list []Callback, next string, err error) {
	return nil, "", errSkeleton
}

// Cancel ends a pending callback.
func (s *Scheduler) Cancel(ctx context.Context, id, actor string) (Callback, error) {
	return Callback{}, errSkeleton
}

// CancelUser cancels every pending callback of a user, in tx, and returns how
// many there were. A callback that is dialling is left to its call.
func (s *Scheduler) CancelUser(ctx context.Context, tx *audit.Tx, r permissions.Revocation) (int, error) {
	return 0, errSkeleton
}
