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
// before that was known, to whoever has it now; and the BSUIDs that were seen with
// nothing else.
func (l *Ledger) handOver(ctx context.Context, tx *audit.Tx, r *recording, line, next string) error {
	all, err := scanEvents(ctx, tx, selectSubjectEvents, r.subject)
	if err != nil {
		return err
	}
	var going []Recorded
	staying := make(map[string]bool) // holders
	for _, e := range all {
		if e.Line == line && e.At.After(r.At) && e.Kind != IDChanged {
			going = append(going, e)
		} else {
			staying[e.Holder] = true
		}
	}
	staying[r.Holder] = true
	for _, e := range going {
		if _, err := tx.ExecContext(ctx, moveEvent, next, e.AuditIndex); err != nil {
			return fmt.Errorf("move event: %w", err)
		}
		if staying[e.Holder] || e.Holder == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, moveAlias, next, e.Holder); err != nil {
			return fmt.Errorf("move alias: %w", err)
		}
	}
	if len(going) == 0 {
		return nil
	}
	return l.settleNext(ctx, tx, r, going, line, next)
}

// settleNext projects what was handed over.
func (l *Ledger) settleNext(ctx context.Context, tx *audit.Tx, r *recording, going []Recorded, line, next string) error {
	_, err := tx.ExecContext(ctx, moveLineSightings, next, r.subject, line, r.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("move sightings: %w", err)
	}
	for _, e := range going {
		if e.Pair.Business == "" {
			continue
		}
		events, err := l.pairEvents(ctx, tx, next, e.Pair.Business)
		if err != nil {
			return err
		}
		if err := l.project(ctx, tx, next, e.Pair.Business, fold(events)); err != nil {
			return err
		}
	}
	if err := l.refreshDoNotCall(ctx, tx, next); err != nil {
		return err
	}
	return l.refreshDoNotCall(ctx, tx, r.subject)
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
