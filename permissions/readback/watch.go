package readback

import (
	"context"
	"math"
	"time"
)

const (
	// pulse is how often it is noted that we are alive.
	pulse = 30 * time.Second
	// shortest is the shortest gap that counts as an outage: two pulses.
	shortest = 2 * pulse
)

// vigil is what watching knows: until when webhooks were surely heard.
type vigil struct {
	known bool      // heard was read from the ledger
	heard time.Time // wall clock, which goes on while a machine is paused
}

// watch notes that we are alive and finds outages, until ctx ends.
func (r *Reader) watch(ctx context.Context) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	var v vigil
	for {
		r.beat(ctx, &v)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// beat compares the time with that of the last beat that could be noted: a
// process that was down, a machine that was paused and a ledger that could not be
// written all lose webhooks.
func (r *Reader) beat(ctx context.Context, v *vigil) {
	found := !v.known // in the ledger: nobody watched since
	if found {
		last, err := r.cfg.Ledger.LastAlive(ctx)
		if err != nil {
			r.cfg.Logger.ErrorContext(ctx, "when we were last alive cannot be read", "error", err)
			return
		}
		v.known, v.heard = true, last
	}
	now := r.cfg.Now().Round(0) // without the monotonic clock, which stands still with the machine
	if !v.heard.IsZero() {
		r.missed(ctx, length(now.Sub(v.heard), found))
	}
	if r.owes() {
		v.heard = now
		return
	}
	if err := r.cfg.Ledger.Alive(ctx); err != nil {
		if ctx.Err() == nil {
			r.cfg.Logger.ErrorContext(ctx, "that we are alive cannot be noted", "error", err)
		}
		return
	}
	v.heard = now
}

// length is how long a gap may have been. One that ends before it began was noted by
// a clock that has been set back: when nobody was running then nobody knows how long
// it was, and when we were, our own pulse shows that it was short.
func length(gap time.Duration, found bool) time.Duration {
	if found && gap < -shortest {
		return math.MaxInt64
	}
	return gap
}

// missed makes a gap in our hearing a reconcile run of the accounts whose
// providers do not retry for as long.
func (r *Reader) missed(ctx context.Context, gap time.Duration) {
	if gap <= shortest {
		return
	}
	for _, d := range r.desks {
		if gap > d.account.Retries {
			r.cfg.Logger.WarnContext(ctx, "webhooks may have been lost in an outage: reconciling with the provider",
				"account", d.account.Name, "outage", gap.Round(time.Second), "retries", d.account.Retries)
			d.debt.owe()
		}
	}
}

func (r *Reader) owes() bool {
	for _, d := range r.desks {
		if d.debt.owed() {
			return true
		}
	}
	return false
}
