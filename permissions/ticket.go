package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Ticket is one reserved attempt. There is no other way to a dial. Safe for
// concurrent use.
type Ticket struct {
	ledger     *Ledger
	attempt    Attempt
	pair       Pair // canonical
	subject    string
	decision   Decision
	permission Permission
	pack       *pack
}

// CallID is the attempt's call.
func (t *Ticket) CallID() string { return t.attempt.CallID }

// Decision is what allowed it.
func (t *Ticket) Decision() Decision { return t.decision }

// Permission is the state that the decision relied on.
func (t *Ticket) Permission() Permission { return t.permission }

// Confirm re-checks, right before the network is touched, that the attempt is
// still open and that nothing took the permission away since Authorize; it fails
// with [*Refusal] when something did, with the reason DoNotCall,
// PermissionExpired or Superseded. The refusal is audited. The attempt stays
// open: the caller settles it.
func (t *Ticket) Confirm(ctx context.Context) error {
	reason, err := t.recheck(ctx)
	if err != nil || reason == Allowed {
		return err
	}
	d := t.decision
	d.Allow, d.Reason, d.At, d.RetryAfter = false, reason, t.ledger.cfg.Now().UTC(), time.Time{}
	d.Rules = append(slices.Clone(d.Rules), Rule{
		Name: "confirm", Reason: reason, Source: sourceReply, Inputs: map[string]string{"decision": t.decision.ID},
	})
	err = t.ledger.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		e := &evaluation{v: &view{pair: t.pair, subject: t.subject}}
		return t.ledger.auditDecision(ctx, tx, &d, e, asked{CallID: t.attempt.CallID, Callback: t.attempt.Callback, Purpose: t.attempt.Purpose})
	})
	if err != nil {
		d.AuditIndex = -1
		return errors.Join(&Refusal{Decision: d}, err)
	}
	return &Refusal{Decision: d}
}

// recheck reads the whole state once more: a read-back that brings the expiry
// forward moves no epoch, and an old fact that arrived late moves it and changes
// nothing.
func (t *Ticket) recheck(ctx context.Context) (Reason, error) {
	l := t.ledger
	var v *view
	var open bool
	err := l.snapshot(ctx, func(q querier) error {
		var err error
		if v, err = l.load(ctx, q, t.pair); err != nil {
			return err
		}
		open, err = exists(ctx, q, selectAttemptOpen, t.attempt.CallID)
		return err
	})
	if err != nil {
		return "", err
	}
	s := project(v.pair, v.subject, v.events, t.pack, l.cfg.Now().UTC())
	switch {
	case s.DoNotCall:
		return DoNotCall, nil
	case s.Reason == PermissionExpired:
		return PermissionExpired, nil
	case !open, s.Reason != Allowed, s.Epoch != t.decision.Epoch && s.Grant != t.decision.Grant:
		return Superseded, nil
	}
	return Allowed, nil
}

// Settle ends the attempt within the caller's transaction. Settling twice with
// the same outcome is no error, with another is [ErrSettled]. OutcomeRefused is
// the provider's word that there is no permission and revokes it here.
func (t *Ticket) Settle(ctx context.Context, tx *audit.Tx, o Outcome) error {
	return t.ledger.settle(ctx, tx, t.attempt.CallID, o, t.pair.User)
}

func (o Outcome) valid() bool {
	switch o {
	case OutcomeConnected, OutcomeUnanswered, OutcomeRejected, OutcomeCancelled, OutcomeFailed, OutcomeRefused, OutcomeUnknown:
		return true
	}
	return false
}

// settle closes an open attempt and records its outcome. User may be empty: then
// the user's first address stands for them.
func (l *Ledger) settle(ctx context.Context, tx *audit.Tx, call string, o Outcome, user User) error {
	if !o.valid() {
		return fmt.Errorf("%w: %q", ErrOutcome, o)
	}
	var subject, business, grant, purpose string
	err := tx.QueryRowContext(ctx, settleAttempt, string(o), tx.Now().UnixMilli(), call).Scan(&subject, &business, &grant, &purpose)
	if errors.Is(err, sql.ErrNoRows) {
		return settledAs(ctx, tx, call, o)
	}
	if err != nil {
		return fmt.Errorf("settle attempt: %w", err)
	}
	if user == "" {
		if user, err = l.addressOf(ctx, tx, subject); err != nil {
			return err
		}
	}
	pair := Pair{Business: geo.E164(business), User: user}
	account := l.businesses[pair.Business].Account
	events := []Event{{
		ID: "callctl/settled/" + call, Kind: Settled, Pair: pair, At: tx.Now(), Account: account,
		Auth: AuthSelf, Ref: grant, CallID: call, Purpose: purpose, Outcome: o,
	}}
	if o == OutcomeRefused {
		events = append(events, Event{
			ID: "callctl/refused/" + call, Kind: Revoked, Pair: pair, At: tx.Now(), Account: account,
			Auth: AuthReadBack, Reason: "the provider refused the call for want of permission", Ref: grant, CallID: call,
		})
	}
	_, err = l.RecordTx(ctx, tx, events...)
	return err
}

func settledAs(ctx context.Context, tx *audit.Tx, call string, o Outcome) error {
	var was string
	err := tx.QueryRowContext(ctx, selectOutcome, call).Scan(&was)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && was != string(o):
		return ErrSettled
	case err != nil:
		return fmt.Errorf("read attempt: %w", err)
	}
	return nil
}

// addressOf is the first address of a subject, of the one it was merged into
// when it was.
func (l *Ledger) addressOf(ctx context.Context, q querier, subject string) (User, error) {
	var current string
	if err := q.QueryRowContext(ctx, selectCurrent, subject).Scan(&current); err != nil {
		return "", fmt.Errorf("read subject: %w", err)
	}
	aliases, err := aliasesOf(ctx, q, current)
	if err != nil {
		return "", err
	}
	if len(aliases) == 0 {
		return "", ErrUser
	}
	return aliases[0], nil
}

// Reserved says whether an attempt was ever reserved for a call: without one,
// nothing was dialled.
func (l *Ledger) Reserved(ctx context.Context, tx *audit.Tx, call string) (bool, error) {
	return exists(ctx, tx, selectCallSeen, call)
}

// Recover settles as OutcomeUnknown every attempt that an earlier process left
// open and returns their calls, the oldest first. Called once at start, before
// anything can dial.
func (l *Ledger) Recover(ctx context.Context) (calls []string, err error) {
	err = l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if calls, err = column[string](ctx, tx, selectOpenAttempts); err != nil {
			return err
		}
		for _, call := range calls {
			if err := l.settle(ctx, tx, call, OutcomeUnknown, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return calls, nil
}
