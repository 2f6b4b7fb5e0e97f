package permissions

import (
	"context"
	"fmt"

	"github.com/callctl/callctl/compliance/audit"
)

// depart takes the addresses that a user left away from them.
func (l *Ledger) depart(ctx context.Context, tx *audit.Tx, r *recording) error {
	for _, u := range r.left {
		if u == r.Current {
			continue
		}
		if err := l.release(ctx, tx, r, u); err != nil {
			return err
		}
	}
	return nil
}

// release makes an address a subject of its own, free for whoever has it next.
// What was said of it before the change stays with the user who left it, but
// opt-outs hold for the address as well.
func (l *Ledger) release(ctx context.Context, tx *audit.Tx, r *recording, u User) error {
	a, err := lookUp(ctx, tx, u)
	if err != nil {
		return err
	}
	_, number := u.Number()
	until := always
	if number {
		until = r.At.UnixMilli()
	}
	if a.former == r.subject {
		_, err := tx.ExecContext(ctx, departAgain, until, a.token, until)
		if err != nil {
			return fmt.Errorf("store alias: %w", err)
		}
		return nil
	}
	if a.subject != r.subject {
		return nil // it is another person's since
	}
	next, err := l.newSubject(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, departAlias, until, next, tx.Now().UnixMilli(), a.token); err != nil {
		return fmt.Errorf("store alias: %w", err)
	}
	if number {
		if err := l.handOver(ctx, tx, r, a.token, next); err != nil {
			return err
		}
	}
	events, err := readEvents(ctx, tx, selectOptOuts, r.subject)
	if err != nil {
		return err
	}
	for _, o := range fold(events).entries() {
		if o.At.After(r.At) && number {
			continue
		}
		if err := l.repeatFor(ctx, tx, next, *o, "the address's user before opted out by "+o.ID); err != nil {
			return err
		}
	}
	return nil
}

// handOver gives what was said of a number after its user left it, and was recorded
// before that was known, to whoever has it now.
func (l *Ledger) handOver(ctx context.Context, tx *audit.Tx, r *recording, line, next string) error {
	rows, err := l.lineEvents(ctx, tx, r, line)
	if err != nil || len(rows) == 0 {
		return err
	}
	for _, e := range rows {
		if _, err := tx.ExecContext(ctx, moveEvent, next, e.AuditIndex); err != nil {
			return fmt.Errorf("move event: %w", err)
		}
	}
	for _, e := range rows {
		events, err := l.pairEvents(ctx, tx, next, e.Pair.Business)
		if err != nil {
			return err
		}
		if e.Pair.Business != "" {
			if err := l.project(ctx, tx, next, e.Pair.Business, fold(events)); err != nil {
				return err
			}
		}
	}
	if err := l.refreshDoNotCall(ctx, tx, next); err != nil {
		return err
	}
	return l.refreshDoNotCall(ctx, tx, r.subject)
}

// lineEvents are the events of the user's that came by a line after they left it.
func (l *Ledger) lineEvents(ctx context.Context, q querier, r *recording, line string) ([]Recorded, error) {
	all, err := scanEvents(ctx, q, selectSubjectEvents, r.subject)
	if err != nil {
		return nil, err
	}
	var out []Recorded
	for _, e := range all {
		if e.Line == line && e.At.After(r.At) && e.Kind != IDChanged && e.Auth != AuthOperator {
			out = append(out, e)
		}
	}
	return out, nil
}

// repeatFor records an opt-out for a further subject, with the reach that it has.
func (l *Ledger) repeatFor(ctx context.Context, tx *audit.Tx, subject string, o Event, reason string) error {
	user, err := l.addressOf(ctx, tx, subject)
	if err != nil {
		return err
	}
	id := o.ID + "/" + subject
	if seen, err := exists(ctx, tx, selectEventSeen, id); err != nil || seen {
		return err
	}
	r := &recording{
		Event: Event{
			ID: id, Kind: OptedOut, Pair: Pair{Business: o.Pair.Business, User: user}, At: o.At,
			Received: tx.Now(), Auth: AuthSelf, Reason: reason,
			Scope: o.Scope, Brand: o.Brand, Purpose: o.Purpose, Channels: o.Channels,
		},
		subject: subject,
	}
	return l.store(ctx, tx, r)
}
