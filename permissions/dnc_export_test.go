package permissions

import (
	"context"

	"github.com/callctl/callctl/compliance/audit"
)

// The tests list and lift without the second person that [Ledger.Apply] asks for.

// AddDoNotCall puts a user on the list for all businesses, with actor and reason.
// A user who is on it already stays under the first entry.
func (l *Ledger) AddDoNotCall(ctx context.Context, u User, actor, reason string) error {
	return l.operator(ctx, u, Event{Kind: OptedOut, Actor: actor, Reason: reason})
}

// RemoveDoNotCall lifts the entry; it restores no permission: only a grant that
// the user gives afterwards counts. [ErrNotListed] when there is none.
func (l *Ledger) RemoveDoNotCall(ctx context.Context, u User, actor, reason string) error {
	return l.operator(ctx, u, Event{Kind: OptOutLifted, Actor: actor, Reason: reason})
}

// operator records a do-not-call event that a person or program asked for.
func (l *Ledger) operator(ctx context.Context, u User, e Event) error {
	u = u.canonical()
	if !u.Valid() {
		return ErrUser
	}
	if e.Narrows() {
		ctx = audit.Ahead(ctx)
	}
	return l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		entry, listed, err := doNotCall(ctx, tx, u)
		switch {
		case err != nil:
			return err
		case e.Kind == OptedOut && listed && entry.Scope == ScopeAll:
			return nil
		case e.Kind == OptOutLifted && !listed:
			return ErrNotListed
		}
		e.ID, e.Pair, e.At, e.Auth = "callctl/dnc/"+l.cfg.NewID(), Pair{User: u}, tx.Now(), AuthOperator
		_, err = l.RecordTx(ctx, tx, e)
		return err
	})
}
