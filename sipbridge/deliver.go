package sipbridge

import (
	"context"
	"errors"
)

// Deliver hands a carrier's event to its call, or starts a call for a user's
// connect that is fresh and has no record yet. It reads the database but does not
// wait for the network. Duplicates and any order are fine. Events delivered before
// [Bridge.Ready] are kept, at most 1,000 of them, and taken then; after the end of
// Run they are dropped.
//
// A call that was live when the process died has no record. One of ours is
// terminated at its next event when [Bridge.Abandon] named it, and the ledger
// settles its attempt at the next start. Of a user's nothing is known here: its
// late events are ignored (a terminate leaves a log line), and a repeat of its
// connect rings again while it is fresh.
func (b *Bridge) Deliver(ctx context.Context, e Event) {
	if e.Wacid == "" || b.hold(e) {
		return
	}
	starts := e.Kind == CarrierConnect && (e.Direction == UserInitiated || (e.Direction == "" && e.SDPType == "offer"))
	b.mu.Lock() // once for all: a call that appears or goes in between would never hear of the event
	c := b.find(e)
	lost := c == nil && !starts && b.marks.found(e)
	switch {
	case c != nil:
		c.post(func() { c.onEvent(e) }) //nolint:contextcheck // a call outlives the webhook that speaks of it
	case !starts && !lost:
		b.marks.hold(e)
	}
	b.mu.Unlock()
	switch {
	case c != nil:
	case starts:
		b.receive(ctx, e)
	case lost:
		b.endLost(ctx, e)
	case e.Kind == CarrierTerminated:
		b.log.Info("terminate of a call that is not live", "account", e.Account, "direction", string(e.Direction))
	}
}

// find returns the live call that an event is about, by the provider's id or by
// the id of ours that the provider carries for us. The caller holds the lock.
func (b *Bridge) find(e Event) *call {
	c := b.wacids[e.Wacid]
	if c == nil && e.Opaque != "" {
		c = b.calls[e.Opaque]
		if c != nil && (c.direction != BusinessInitiated || c.bound) {
			return nil
		}
	}
	if c == nil || (e.Account != "" && c.account.Name != e.Account) {
		return nil
	}
	return c
}

// receive starts a call for a user's connect, unless the call is known to be
// over. A terminate that came first, or a connect too old, rings nobody but
// leaves its record.
func (b *Bridge) receive(ctx context.Context, e Event) {
	account := b.account(func(a *Account) bool { return a.Name == e.Account })
	if account == nil || !userPart.MatchString(e.User) {
		b.log.Warn("connect event without usable account or user")
		return
	}
	if b.recorded(ctx, e) {
		return
	}
	c := newCall(ctx, b, account, UserInitiated, b.cfg.NewID(), e.User)
	c.wacid, c.bound, c.agent = e.Wacid, true, account.Agent
	err := b.admit(c, func() { c.beginIncoming(e) }) //nolint:contextcheck // a call outlives the webhook that speaks of it
	if err != nil && !errors.Is(err, ErrDuplicateCall) {
		b.log.Warn("user's call not taken", "call", c.id, "error", err)
	}
}

// recorded says whether the call of an event has its record: then it is over,
// also when an earlier process wrote it.
func (b *Bridge) recorded(ctx context.Context, e Event) bool {
	var n int
	if err := b.cfg.Read.QueryRowContext(ctx, sqlRecorded, e.Wacid, e.Account, string(UserInitiated)).Scan(&n); err != nil {
		b.log.Error("cannot tell whether this user's call is over; taking it", "error", err)
	}
	return n > 0
}

// endLost ends a call that the provider made although the answer to our connect
// was lost and the call given up.
func (b *Bridge) endLost(ctx context.Context, e Event) {
	account := b.account(func(a *Account) bool { return a.Name == e.Account })
	if account == nil {
		return
	}
	b.mu.Lock()
	b.marks.bury(e.Wacid)
	live := b.phase == running
	if live {
		b.wg.Add(1)
	}
	b.mu.Unlock()
	if !live {
		return
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer b.wg.Done()
		if err := b.terminate(ctx, account.Carrier, e.Wacid); err != nil {
			b.log.Error("call of a lost connect not terminated", "call", e.Opaque, "error", err)
		}
	}()
}
