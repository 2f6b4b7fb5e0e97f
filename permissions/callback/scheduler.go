package callback

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// The defaults of a scheduler.
const (
	defaultWindow   = time.Hour
	defaultMaxDials = 32
	// retryBusy is how long a callback waits for the user's other call to end.
	retryBusy = 15 * time.Second
	// retryUnverified is how long it waits for a provider that gave no answer about
	// its grant. Each dial asks again.
	retryUnverified = 5 * time.Minute
	// longestSleep bounds how late a step of the wall clock is noticed.
	longestSleep = time.Minute
)

// Config is what a Scheduler needs.
type Config struct {
	Log      *audit.Log
	Read     *sql.DB
	Ledger   *permissions.Ledger
	Dialer   Dialer
	Now      func() time.Time // time.Now when nil
	NewID    func() string    // ids of callbacks and calls, unique for ever
	MaxDials int              // dials at a time, 32 when not positive
	Logger   *slog.Logger     // hears of what could not be written; nil for none
}

// Scheduler owns the callbacks. Safe for concurrent use; [Scheduler.Run] is
// called once.
type Scheduler struct {
	cfg  Config
	wake chan struct{} // holds at most one signal that the table changed
}

// New checks cfg and returns the scheduler. Errors wrap [ErrConfig].
func New(cfg Config) (*Scheduler, error) {
	if cfg.Log == nil || cfg.Read == nil || cfg.Ledger == nil || cfg.Dialer == nil || cfg.NewID == nil {
		return nil, fmt.Errorf("%w: Log, Read, Ledger, Dialer and NewID are needed", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxDials <= 0 {
		cfg.MaxDials = defaultMaxDials
	}
	return &Scheduler{cfg: cfg, wake: make(chan struct{}, 1)}, nil
}

// changed wakes Run.
func (s *Scheduler) changed() {
	select {
	case s.wake <- struct{}{}:
	default: // a signal is waiting already
	}
}

// Add stores a callback durably. A zero NotBefore means now, a zero NotAfter one
// hour later. It fails with *permissions.Refusal when the gate would refuse for
// the whole window for a reason that waiting does not cure, and wraps
// [ErrInvalid] when the callback makes no sense. The check and the row are one
// transaction: an opt-out cannot come between them.
func (s *Scheduler) Add(ctx context.Context, c Callback) (Callback, error) {
	err := s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if err := s.complete(&c, tx.Now()); err != nil {
			return err
		}
		if err := s.admit(ctx, tx, &c); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insertCallback, c.ID, string(c.Business), string(c.User),
			c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(), c.due.UnixMilli(), c.Purpose, c.Agent, c.Order,
			string(c.State), string(c.Reason), c.CallID, c.Actor, c.CreatedAt.UnixMilli(), c.UpdatedAt.UnixMilli())
		if err != nil {
			return fmt.Errorf("store callback: %w", err)
		}
		tx.OnCommit(s.changed)
		return s.append(ctx, tx, "callback.created", c, cause{actor: c.Actor})
	})
	if err != nil {
		return Callback{}, err
	}
	return c, nil
}

// complete fills in what a new callback leaves open, and writes its addresses as
// the ledger does, so that a revocation finds it.
func (s *Scheduler) complete(c *Callback, now time.Time) error {
	pair := permissions.Pair{Business: c.Business, User: c.User}.Canonical()
	c.Business, c.User = pair.Business, pair.User
	c.ID, c.State, c.Reason, c.CallID = s.cfg.NewID(), Pending, "", ""
	c.CreatedAt, c.UpdatedAt = now, now
	if c.NotBefore.IsZero() {
		c.NotBefore = now
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = c.NotBefore.Add(defaultWindow)
	}
	c.NotBefore, c.NotAfter = c.NotBefore.UTC().Truncate(time.Millisecond), c.NotAfter.UTC().Truncate(time.Millisecond)
	if c.Order == "" {
		c.Order = AgentFirst
	}
	c.due = c.NotBefore
	if c.due.Before(now) {
		c.due = now
	}
	switch {
	case c.Business == "" || c.User == "" || c.Agent == "":
		return fmt.Errorf("%w: business, user and agent are needed", ErrInvalid)
	case c.Order != AgentFirst && c.Order != UserFirst:
		return fmt.Errorf("%w: order is %s or %s", ErrInvalid, AgentFirst, UserFirst)
	case !c.due.Before(c.NotAfter):
		return fmt.Errorf("%w: the window is over or ends before it begins", ErrInvalid)
	}
	return nil
}

// admit asks the gate about the time of the next dial and moves it to where
// waiting cures a refusal. Another call to the user, and a grant that the provider
// has not confirmed yet, are of now: by the time of the dial they may be settled.
func (s *Scheduler) admit(ctx context.Context, tx *audit.Tx, c *Callback) error {
	d, err := s.cfg.Ledger.CheckTx(ctx, tx, permissions.Query{
		Pair: permissions.Pair{Business: c.Business, User: c.User}, Purpose: c.Purpose, At: c.due,
	})
	if err != nil || d.Allow {
		return err
	}
	at, ok := retryAt(d, c.due, c.NotAfter)
	if !ok {
		return &permissions.Refusal{Decision: d}
	}
	if slices.ContainsFunc(d.Rules, func(r permissions.Rule) bool { return !r.Allow && passes(r.Reason) == 0 }) {
		c.due = at
	}
	return nil
}

// passes is how long a dial waits for what ends at a time that no rule knows,
// zero for every other refusal: the user's other call, and the provider's answer
// about a grant that is read back before each dial.
func passes(r permissions.Reason) time.Duration {
	switch r {
	case permissions.AttemptInProgress:
		return retryBusy
	case permissions.PermissionUnverified:
		return retryUnverified
	default:
		return 0
	}
}

// retryAt is when a refused dial may be tried again, ok false when waiting does
// not help within the window: the time that the decision names, or when something
// passing is among what refused, the last of the times that the rules name and of
// the waits for it.
func retryAt(d permissions.Decision, now, notAfter time.Time) (at time.Time, ok bool) {
	if !d.RetryAfter.IsZero() {
		return d.RetryAfter, d.RetryAfter.Before(notAfter)
	}
	waits := false // for what no rule knows the end of; else the decision's word that there is no time is the last
	for _, r := range d.Rules {
		turn := r.RetryAt
		if wait := passes(r.Reason); wait > 0 {
			turn, waits = now.Add(wait), true
		}
		switch {
		case r.Allow:
		case turn.IsZero():
			return time.Time{}, false
		case turn.After(at):
			at = turn
		}
	}
	return at, waits && at.After(now) && at.Before(notAfter)
}

// Get returns one callback or ErrNotFound.
func (s *Scheduler) Get(ctx context.Context, id string) (Callback, error) {
	return read(ctx, s.cfg.Read, id)
}

// List lists callbacks, newest first, by cursor.
func (s *Scheduler) List(ctx context.Context, p permissions.Page) ([]Callback, string, error) {
	created, id := int64(math.MaxInt64), ""
	if p.Cursor != "" {
		ms, last, ok := strings.Cut(p.Cursor, ".")
		var err error
		if created, err = strconv.ParseInt(ms, 10, 64); err != nil || !ok {
			return nil, "", permissions.ErrCursor
		}
		id = last
	}
	size := p.Size()
	found, err := list(ctx, s.cfg.Read, selectPage, created, id, size+1)
	if err != nil || len(found) <= size {
		return found, "", err
	}
	found = found[:size]
	last := found[size-1]
	return found, strconv.FormatInt(last.CreatedAt.UnixMilli(), 10) + "." + last.ID, nil
}

// Cancel ends a pending callback. A callback that was cancelled already is
// returned as it is; any other that is not pending is [ErrNotPending].
func (s *Scheduler) Cancel(ctx context.Context, id, actor string) (Callback, error) {
	var c Callback
	err := s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var err error
		if c, err = read(ctx, tx, id); err != nil || c.State == Cancelled {
			return err
		}
		if c.State != Pending {
			return ErrNotPending
		}
		c.State = Cancelled
		tx.OnCommit(s.changed)
		return s.move(ctx, tx, &c, Pending, cause{actor: actor})
	})
	if err != nil {
		return Callback{}, err
	}
	return c, nil
}

// CancelUser cancels every pending callback that a revocation bars, in tx, and
// returns how many there were: those of its pair; those of all businesses when the
// user opted out of everything; and of an opt-out from calls of one purpose those
// of that purpose and those whose purpose nobody named. A callback that is dialling
// is left to its call.
func (s *Scheduler) CancelUser(ctx context.Context, tx *audit.Tx, r permissions.Revocation) (int, error) {
	business := string(r.Pair.Business)
	if r.DoNotCall && (r.Scope == permissions.ScopeAll || r.Scope == "") {
		business = ""
	}
	found, err := list(ctx, tx, selectOfUser, business, business, r.Subject)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range found {
		if r.Scope == permissions.ScopePurpose && r.Purpose != "" && !permissions.SamePurpose(r.Purpose, c.Purpose) {
			continue
		}
		c.State, c.Reason = Cancelled, r.Reason
		if err := s.move(ctx, tx, &c, Pending, cause{event: r.Event}); err != nil {
			return n, err
		}
		n++
	}
	if n > 0 {
		tx.OnCommit(s.changed)
	}
	return n, nil
}
