package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

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
}

// CallID is the attempt's call.
func (t *Ticket) CallID() string { return t.attempt.CallID }

// Decision is what allowed it.
func (t *Ticket) Decision() Decision { return t.decision }

// Permission is the state that the decision relied on.
func (t *Ticket) Permission() Permission { return t.permission }

// Confirm asks the gate once more, right before the network is touched: by the
// same rules, over the state of now. It fails with [*Refusal] when the attempt is
// not open any more or its permission was taken away since Authorize (Superseded),
// when the permission has ended (PermissionExpired), the user opted out
// (DoNotCall), or any other rule refuses by now, quiet hours among them. The
// refusal is audited. The attempt stays open: the caller settles it.
func (t *Ticket) Confirm(ctx context.Context) error {
	d, e, err := t.ledger.reconfirm(ctx, t)
	if err != nil || d.Allow {
		return err
	}
	err = t.ledger.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		return t.ledger.auditDecision(ctx, tx, &d, e, asked{CallID: t.attempt.CallID, Callback: t.attempt.Callback})
	})
	if err != nil {
		d.AuditIndex = -1
		return errors.Join(&Refusal{Decision: d}, err)
	}
	return &Refusal{Decision: d}
}

// Settle ends the attempt within the caller's transaction. Settling twice with
// the same outcome is no error, with another is [ErrSettled]. OutcomeRefused is
// the provider's word that there is no permission: it puts the grant in doubt
// until it is read back, and ends it when it was confirmed after an earlier one.
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
	user, err = l.stillOf(ctx, tx, subject, user)
	if err != nil && !errors.Is(err, ErrUser) {
		return err
	}
	pair := Pair{Business: geo.E164(business), User: user}
	e := Event{
		ID: "callctl/settled/" + call, Kind: Settled, Pair: pair, At: tx.Now(),
		Account: l.businesses[pair.Business].Account, Auth: AuthSelf,
		Ref: grant, CallID: call, Purpose: purpose, Outcome: o,
	}
	if user != "" {
		_, err = l.RecordTx(ctx, tx, e)
		return err
	}
	// Whoever was called has no address any more: the outcome is theirs all the same.
	e.Received = tx.Now()
	if err := tx.QueryRowContext(ctx, selectCurrent, subject).Scan(&subject); err != nil {
		return fmt.Errorf("read subject: %w", err)
	}
	return l.store(ctx, tx, &recording{Event: e, subject: subject})
}

// stillOf is the address when it is the subject's, or another of theirs: during a
// call the platform may give the number to somebody else.
func (l *Ledger) stillOf(ctx context.Context, q querier, subject string, user User) (User, error) {
	aliases, err := l.addressesNow(ctx, q, subject)
	if err != nil {
		return "", err
	}
	if slices.Contains(aliases, user) {
		return user, nil
	}
	return aliases[0], nil
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
	aliases, err := l.addressesNow(ctx, q, subject)
	if err != nil {
		return "", err
	}
	return aliases[0], nil
}

// addressesNow are the addresses of a subject, of the one it was merged into when it
// was; at least one.
func (l *Ledger) addressesNow(ctx context.Context, q querier, subject string) ([]User, error) {
	var current string
	if err := q.QueryRowContext(ctx, selectCurrent, subject).Scan(&current); err != nil {
		return nil, fmt.Errorf("read subject: %w", err)
	}
	aliases, err := aliasesOf(ctx, q, current)
	if err == nil && len(aliases) == 0 {
		err = ErrUser
	}
	return aliases, err
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
