package sipbridge

import "context"

// Deliver hands a carrier's event to its call, or starts a call for a user's
// connect. It does not block on the network. Duplicates and any order are fine.
func (b *Bridge) Deliver(ctx context.Context, e Event) {
	if e.Wacid == "" {
		return
	}
	if c := b.find(e); c != nil {
		c.post(func() { c.onEvent(e) }) //nolint:contextcheck // a call outlives the webhook that speaks of it
		return
	}
	if e.Kind == CarrierConnect && (e.Direction == UserInitiated || (e.Direction == "" && e.SDPType == "offer")) {
		b.receive(ctx, e)
		return
	}
	b.mu.Lock()
	m := b.marks.peek(e.Opaque)
	lost := e.Opaque != "" && m != nil && m.lost && e.Kind != CarrierTerminated && e.Kind != CarrierRejected
	if lost {
		m.lost = false
	} else {
		b.marks.hold(e)
	}
	b.mu.Unlock()
	if lost {
		b.endLost(ctx, e)
	}
}

// find returns the live call that an event is about, by the provider's id or by
// the id of ours that the provider carries for us.
func (b *Bridge) find(e Event) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	b.mu.Lock()
	m := b.marks.peek(e.Wacid)
	over := m != nil && m.ended
	early := b.marks.claim(e.Wacid)
	b.mu.Unlock()
	if over || b.recorded(ctx, e) {
		return
	}
	c := newCall(ctx, b, account, UserInitiated, b.cfg.NewID(), e.User)
	c.wacid, c.bound, c.agent = e.Wacid, true, account.Agent
	for _, ev := range early {
		if ev.Kind == CarrierTerminated {
			c.post(func() { c.onEvent(ev) }) //nolint:contextcheck // as above
		}
	}
	c.post(func() { c.beginIncoming(e) }) //nolint:contextcheck // as above
	if err := b.admit(c); err != nil {
		b.log.Warn("user's call not taken", "call", c.id, "error", err)
	}
}

// recorded says whether the call of an event has its record: then it is over,
// also when an earlier process wrote it.
func (b *Bridge) recorded(ctx context.Context, e Event) bool {
	var n int
	if err := b.cfg.Read.QueryRowContext(ctx, sqlRecorded, e.Wacid, e.Account).Scan(&n); err != nil {
		b.log.Error("is this user's call over? Taking it", "error", err)
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
	running := b.running
	if running {
		b.wg.Add(1)
	}
	b.mu.Unlock()
	if !running {
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
