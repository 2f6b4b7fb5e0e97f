package callback

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// batch bounds how many rows one transaction moves.
const batch = 100

// Run marks what an earlier process left dialling as unknown, dials what is due
// until ctx ends and then waits for its dials. It sleeps until the next callback
// is due, one is added, or a dial ends.
func (s *Scheduler) Run(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	var dials sync.WaitGroup
	defer dials.Wait()
	free := make(chan struct{}, s.cfg.MaxDials) // one token for each dial under way
	timer := time.NewTimer(longestSleep)
	defer timer.Stop()
	for {
		due, next, err := s.claim(ctx, s.cfg.MaxDials-len(free))
		for _, c := range due { // also beside an error: their claim is durable
			free <- struct{}{} // never blocks: claim took no more than were free
			dials.Go(func() {
				s.dial(ctx, c)
				<-free
				s.changed()
			})
		}
		if err != nil {
			return unlessEnded(ctx, err)
		}
		timer.Reset(s.sleep(next, len(free) < s.cfg.MaxDials))
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// unlessEnded is err, or nil when it only says that ctx ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// horizon is what the scheduler waits for: the next dial and the next window
// that closes, zero for none.
type horizon struct{ due, ends time.Time }

// sleep is how long nothing happens unless someone wakes the scheduler. With
// every dial taken, only a closing window matters.
func (s *Scheduler) sleep(h horizon, free bool) time.Duration {
	until := h.ends
	if free && !h.due.IsZero() && (until.IsZero() || h.due.Before(until)) {
		until = h.due
	}
	if until.IsZero() {
		return longestSleep
	}
	return min(max(until.Sub(s.cfg.Now()), time.Millisecond), longestSleep)
}

// recover marks as unknown what was dialling when the process ended.
func (s *Scheduler) recover(ctx context.Context) error {
	return s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		found, err := list(ctx, tx, selectDialling)
		if err != nil {
			return err
		}
		for _, c := range found {
			c.State, c.Reason = Unknown, permissions.Reason(permissions.OutcomeUnknown)
			if err := s.move(ctx, tx, &c, Dialling, cause{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim ends what missed its window, moves up to n due callbacks to dialling,
// each with the id of its call, and says what to wait for next. It writes only
// when there is something to write.
func (s *Scheduler) claim(ctx context.Context, n int) ([]Callback, horizon, error) {
	h, err := s.ahead(ctx)
	if err != nil {
		return nil, h, err
	}
	now := s.cfg.Now()
	ripe := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if !ripe(h.ends) && (n == 0 || !ripe(h.due)) {
		return nil, h, nil
	}
	var claimed []Callback
	err = s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if err := s.expire(ctx, tx); err != nil {
			return err
		}
		now := tx.Now().UnixMilli()
		due, err := list(ctx, tx, selectDue, now, now, min(n, batch))
		if err != nil {
			return err
		}
		for _, c := range due {
			c.State, c.Reason, c.CallID = Dialling, "", s.cfg.NewID()
			if err := s.move(ctx, tx, &c, Pending, cause{}); err != nil {
				return err
			}
			claimed = append(claimed, c)
		}
		return nil
	})
	if err != nil {
		return nil, h, err
	}
	h, err = s.ahead(ctx)
	return claimed, h, err
}

func (s *Scheduler) ahead(ctx context.Context) (h horizon, err error) {
	for query, t := range map[string]*time.Time{selectNextDue: &h.due, selectNextEnd: &h.ends} {
		var ms sql.NullInt64
		if err := s.cfg.Read.QueryRowContext(ctx, query).Scan(&ms); err != nil {
			return h, fmt.Errorf("read next callback: %w", err)
		}
		if ms.Valid {
			*t = fromMillis(ms.Int64)
		}
	}
	return h, nil
}

// expire fails the callbacks whose window closed before they could be dialled.
func (s *Scheduler) expire(ctx context.Context, tx *audit.Tx) error {
	passed, err := list(ctx, tx, selectPassed, tx.Now().UnixMilli(), batch)
	if err != nil {
		return err
	}
	for _, c := range passed {
		c.State, c.Reason = Failed, WindowPassed
		if err := s.move(ctx, tx, &c, Pending, cause{}); err != nil {
			return err
		}
	}
	return nil
}

// dial places the call of one claimed callback and writes how it ended. What it
// cannot write stays dialling and becomes unknown at the next start.
func (s *Scheduler) dial(ctx context.Context, c Callback) {
	outcome, err := s.cfg.Dialer.Dial(ctx, Dial{
		CallID: c.CallID, Callback: c.ID, Business: c.Business, User: c.User,
		Purpose: c.Purpose, Agent: c.Agent, Order: c.Order,
	})
	stopped := ctx.Err() != nil && err != nil
	s.conclude(&c, outcome, err)
	ctx = context.WithoutCancel(ctx) // the end of a call is written also while stopping
	err = s.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if stopped {
			if err := s.spare(ctx, tx, &c); err != nil {
				return err
			}
		}
		if c.State == Pending {
			if err := s.putBack(ctx, tx, &c); err != nil {
				return err
			}
		}
		return s.move(ctx, tx, &c, Dialling, cause{})
	})
	if err != nil && s.cfg.Logger != nil {
		s.cfg.Logger.ErrorContext(ctx, "callback's end not written", "callback", c.ID, "state", c.State, "error", err)
	}
}

// spare puts back a callback that was claimed while the process began to stop,
// when no attempt was reserved for it; with one, the outcome is unknown.
func (s *Scheduler) spare(ctx context.Context, tx *audit.Tx, c *Callback) error {
	if c.State != Failed {
		return nil
	}
	reserved, err := s.cfg.Ledger.Reserved(ctx, tx, c.CallID)
	switch {
	case err != nil:
		return err
	case reserved:
		c.State, c.Reason = Unknown, permissions.Reason(permissions.OutcomeUnknown)
	default:
		c.State, c.Reason = Pending, ""
	}
	return nil
}

// putBack asks the gate once more before a callback waits again: a revocation
// that came while it was dialling has cancelled only what was pending.
func (s *Scheduler) putBack(ctx context.Context, tx *audit.Tx, c *Callback) error {
	if now := tx.Now(); c.due.Before(now) {
		c.due = now
	}
	err := s.admit(ctx, tx, c)
	if refusal, ok := errors.AsType[*permissions.Refusal](err); ok {
		c.State, c.Reason = Refused, refusal.Decision.Reason
		return nil
	}
	return err
}

// conclude turns what the dialer said into the callback's next state. A refusal
// that waiting cures within the window puts it back.
func (s *Scheduler) conclude(c *Callback, outcome permissions.Outcome, err error) {
	var refusal *permissions.Refusal
	switch {
	case errors.As(err, &refusal):
		c.State, c.Reason = Refused, refusal.Decision.Reason
		if at, ok := retryAt(refusal.Decision, s.cfg.Now(), c.NotAfter); ok {
			c.State, c.due = Pending, at
		}
	case outcome == permissions.OutcomeConnected:
		c.State, c.Reason = Completed, ""
	case outcome == permissions.OutcomeRefused:
		// The provider knows no permission: the grant is in doubt until it is read
		// back, and this call is not tried again.
		c.State, c.Reason = Refused, permissions.PermissionUnverified
	case outcome == permissions.OutcomeUnknown:
		c.State, c.Reason = Unknown, permissions.Reason(outcome)
	case outcome == "" || err != nil && outcome == permissions.OutcomeFailed:
		c.State, c.Reason = Failed, DialFailed
	default:
		c.State, c.Reason = Failed, permissions.Reason(outcome)
	}
}
