package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/sipbridge"
)

// gate lets the bridge ask the ledger, which never imports it.
type gate struct {
	ledger  *permissions.Ledger
	reader  *readback.Reader
	decided func(permissions.Decision) // hears of every decision
}

var _ sipbridge.Gate = gate{}

// Authorize implements sipbridge.Gate. A doubtful grant is read back from the
// provider first; whether that went well or not, the gate decides by what the
// ledger knows then.
func (g gate) Authorize(ctx context.Context, a sipbridge.Attempt) (sipbridge.Ticket, error) {
	pair := permissions.Pair{Business: a.Business, User: permissions.User(a.User)}
	_ = g.reader.Before(ctx, pair) // logged there; the gate refuses what stayed doubtful
	t, d, err := g.ledger.Authorize(ctx, permissions.Attempt{
		Pair:     pair,
		CallID:   a.CallID,
		Callback: a.CallbackID,
		Purpose:  a.Purpose,
	})
	if err != nil {
		return nil, fmt.Errorf("authorize: %w", err)
	}
	g.decided(d)
	if t == nil {
		return nil, &gateRefusal{permissions.Refusal{Decision: d}}
	}
	return &ticket{Ticket: t, reader: g.reader, pair: pair}, nil
}

// gateRefusal is a refusal that both sides understand: the bridge by its methods, callers
// above it by unwrapping the ledger's own.
type gateRefusal struct{ permissions.Refusal }

var _ sipbridge.Refusal = (*gateRefusal)(nil)

// Reason implements sipbridge.Refusal.
func (r *gateRefusal) Reason() string { return string(r.Decision.Reason) }

// RetryAfter implements sipbridge.Refusal.
func (r *gateRefusal) RetryAfter() time.Time { return r.Decision.RetryAfter }

// Unwrap gives the ledger's refusal to errors.As.
func (r *gateRefusal) Unwrap() error { return &r.Refusal }

type ticket struct {
	*permissions.Ticket

	reader *readback.Reader
	pair   permissions.Pair
	denied atomic.Bool // by our own gate, right before the dial
}

var _ sipbridge.Ticket = (*ticket)(nil)

// Confirm implements sipbridge.Ticket.
func (t *ticket) Confirm(ctx context.Context) error {
	err := t.Ticket.Confirm(ctx)
	if refused, ok := errors.AsType[*permissions.Refusal](err); ok {
		t.denied.Store(true)
		return &gateRefusal{*refused}
	}
	return err
}

// Settle implements sipbridge.Ticket. A provider's refusal does not say whether
// permission is gone or the user cannot be reached: it is asked. Our own gate's
// refusal right before the dial says nothing about the permission: the call never
// reached the provider, and the ledger is told so.
func (t *ticket) Settle(ctx context.Context, tx *audit.Tx, outcome string) error {
	o := permissions.Outcome(outcome)
	switch {
	case o != permissions.OutcomeRefused:
	case t.denied.Load():
		o = permissions.OutcomeFailed
	default:
		tx.OnCommit(func() { t.reader.Refused(t.pair) })
	}
	return t.Ticket.Settle(ctx, tx, o)
}

// DecisionIndex implements sipbridge.Ticket.
func (t *ticket) DecisionIndex() int64 { return t.Decision().AuditIndex }

// Permission implements sipbridge.Ticket: what the call relies on, for the PBX's
// screen: "permanent", or "temporary; expires=" and the time.
func (t *ticket) Permission() string {
	p := t.Ticket.Permission()
	if p.Expires.IsZero() {
		return string(p.Status)
	}
	return string(p.Status) + "; expires=" + p.Expires.UTC().Format(time.RFC3339)
}

// userCalls tells the ledger of calls that users place.
type userCalls struct {
	ledger *permissions.Ledger
	reader *readback.Reader
}

var _ sipbridge.Ledger = userCalls{}

// Called implements sipbridge.Ledger.
func (u userCalls) Called(ctx context.Context, tx *audit.Tx, c sipbridge.UserCall) error {
	outcome := permissions.OutcomeUnanswered
	if c.Connected {
		outcome = permissions.OutcomeConnected
	}
	pair := permissions.Pair{Business: c.Business, User: permissions.User(c.User)}
	// A call can have granted permission, of which not every provider tells.
	tx.OnCommit(func() { u.reader.Called(pair) })
	_, err := u.ledger.RecordTx(ctx, tx, permissions.Event{
		ID:      "callctl/call/" + c.CallID,
		Kind:    permissions.Called,
		Pair:    pair,
		At:      c.At,
		Account: c.Account,
		Auth:    permissions.AuthSelf,
		CallID:  c.CallID,
		Ref:     c.Wacid,
		Outcome: outcome,
	})
	return err
}

// Subject implements sipbridge.Ledger.
func (u userCalls) Subject(ctx context.Context, tx *audit.Tx, user string) (string, error) {
	return u.ledger.EnsureSubject(ctx, tx, permissions.User(user))
}

// dialer lets the scheduler place calls over the bridge.
type dialer struct {
	bridge *sipbridge.Bridge
	ledger *permissions.Ledger
}

var _ callback.Dialer = dialer{}

// Dial implements callback.Dialer. When ctx ends the call is hung up and its
// end awaited, so that no dial outlives the scheduler.
func (d dialer) Dial(ctx context.Context, c callback.Dial) (permissions.Outcome, error) {
	ended := make(chan sipbridge.Result, 1)
	id, err := d.bridge.Originate(ctx, sipbridge.Originate{
		CallID:     c.CallID,
		CallbackID: c.Callback,
		Business:   c.Business,
		User:       string(c.User),
		Agent:      c.Agent,
		Purpose:    c.Purpose,
		Order:      sipbridge.Order(c.Order),
	}, func(r sipbridge.Result) { ended <- r })
	if err != nil {
		if refused, ok := errors.AsType[*permissions.Refusal](err); ok {
			return permissions.OutcomeRefused, refused
		}
		return permissions.OutcomeFailed, fmt.Errorf("dial: %w", err)
	}
	select {
	case r := <-ended:
		return d.result(ctx, c, r)
	case <-ctx.Done():
		d.bridge.HangUp(id, "shutdown")
		r := <-ended
		return permissions.Outcome(r.Outcome), nil
	}
}

// result is how a call ended. One that our own gate withheld right before the dial,
// when the agent was reached already, was refused by the gate and not by the
// provider: what the gate says now is why, and when to try again.
func (d dialer) result(ctx context.Context, c callback.Dial, r sipbridge.Result) (permissions.Outcome, error) {
	outcome := permissions.Outcome(r.Outcome)
	if outcome != permissions.OutcomeRefused || r.Cause == sipbridge.CauseCarrierRefused {
		return outcome, nil
	}
	decision, err := d.ledger.Check(ctx, permissions.Query{
		Pair: permissions.Pair{Business: c.Business, User: c.User}, Purpose: c.Purpose,
	})
	if err != nil || decision.Allow { // it passed since
		decision = permissions.Decision{Reason: permissions.Reason(r.Cause)}
	}
	return outcome, &permissions.Refusal{Decision: decision}
}

// noCalling is the dialer of a daemon whose accounts carry no calls.
type noCalling struct{}

var errNoCalling = errors.New("no account carries calls: set calling.mode")

// Dial implements callback.Dialer.
func (noCalling) Dial(context.Context, callback.Dial) (permissions.Outcome, error) {
	return permissions.OutcomeFailed, errNoCalling
}

// messenger sends texts by the account's provider.
type messenger map[string]provider.Provider

var errNoAccount = errors.New("no such account")

// SendText implements compliance.Messenger.
func (m messenger) SendText(ctx context.Context, account string, to permissions.User, text, id string) (string, error) {
	p, ok := m[account]
	if !ok {
		return "", fmt.Errorf("%w: %s", errNoAccount, account)
	}
	return p.SendText(ctx, to, text, id)
}
