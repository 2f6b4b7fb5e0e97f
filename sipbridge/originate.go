package sipbridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/callctl/callctl/geo"
)

// Order of the legs of an outgoing call.
type Order string

// The orders.
const (
	AgentFirst Order = "agent_first"
	UserFirst  Order = "user_first"
)

// Originate asks for one outgoing call.
type Originate struct {
	CallID     string // empty: the bridge makes one
	CallbackID string
	Business   geo.E164
	User       string // "+" and digits, or a BSUID
	Agent      string // empty: the account's
	Purpose    string
	Order      Order // empty: agent_first
}

// Result is how a call ended.
type Result struct {
	CallID  string
	Outcome string
	Cause   string
}

// Originate puts the call before the gate and, when allowed, places it; it
// returns the call's id once the attempt is durable and the call's loop runs.
// done, when not nil, is called once with the result after the CDR is durable.
func (b *Bridge) Originate(ctx context.Context, o Originate, done func(Result)) (string, error) {
	account, err := b.checkOriginate(&o)
	if err != nil {
		return "", err
	}
	target, err := b.trunk.agentURI(o.Agent)
	if err != nil {
		return "", err
	}
	c := newCall(ctx, b, account, BusinessInitiated, o.CallID, o.User)
	c.agent, c.purpose, c.callback, c.order, c.done = o.Agent, o.Purpose, o.CallbackID, o.Order, done
	c.agentURI = target
	ticket, err := b.cfg.Gate.Authorize(ctx, c.attempt())
	if err != nil {
		return "", fmt.Errorf("sipbridge: authorize call: %w", err)
	}
	c.ticket = ticket
	if err := b.admit(c, c.beginOutgoing); err != nil { //nolint:contextcheck // a call outlives the request that began it
		return "", errors.Join(err, c.abandon()) //nolint:contextcheck // the attempt must be settled whatever became of the request
	}
	return c.id, nil
}

func (b *Bridge) checkOriginate(o *Originate) (*Account, error) {
	account := b.account(func(a *Account) bool { return a.Business == o.Business })
	if account == nil {
		return nil, ErrUnknownAccount
	}
	if !userPart.MatchString(o.User) {
		return nil, ErrUser
	}
	if o.Agent == "" {
		o.Agent = account.Agent
	}
	if o.Order == "" {
		o.Order = AgentFirst
	}
	if o.Order != AgentFirst && o.Order != UserFirst {
		return nil, ErrOrder
	}
	if o.CallID == "" {
		o.CallID = b.cfg.NewID()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != running {
		return nil, ErrNotRunning
	}
	if _, taken := b.calls[o.CallID]; taken {
		return nil, ErrDuplicateCall
	}
	return account, nil
}
