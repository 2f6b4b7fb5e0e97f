package permissions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// maxAhead is how far a fact's time may be ahead of our clock. A time beyond it
// is no clock skew: the fact counts from its arrival, so that a forged future
// grant cannot outlast every revocation.
const maxAhead = 5 * time.Minute

// maxText is how much of a text the audit keeps, in bytes. WhatsApp's own limit
// is 4,096 characters; what is longer is cut, so that no message is too long to
// be recorded. Opt-out words are looked for in all of it.
const maxText = 64 << 10

// auditKind names the audit entry of each kind of event.
func auditKind(k EventKind) string {
	switch k {
	case Requested:
		return "permission.requested"
	case Granted:
		return "permission.granted"
	case Declined:
		return "permission.declined"
	case Revoked:
		return "permission.revoked"
	case ReadBack:
		return "permission.read_back"
	case OptedOut:
		return "dnc.added"
	case OptOutLifted:
		return "dnc.lifted"
	case Messaged:
		return "message.received"
	case Confirmed:
		return "message.confirmation_sent"
	case Attempted:
		return "call.attempted"
	case Settled:
		return "call.settled"
	case Called:
		return "call.received"
	}
	return ""
}

// Record stores events durably in one transaction: duplicates (by ID) change
// nothing, opt-out words in Messaged events become OptedOut. It returns how many
// events were new. Errors wrap [ErrEvent] when an event lacks its identity; then
// none is stored.
func (l *Ledger) Record(ctx context.Context, events ...Event) (int, error) {
	fresh := 0
	err := l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var err error
		fresh, err = l.RecordTx(ctx, tx, events...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return fresh, nil
}

// RecordTx is Record within a transaction of the caller.
func (l *Ledger) RecordTx(ctx context.Context, tx *audit.Tx, events ...Event) (int, error) {
	fresh := 0
	for _, e := range events {
		added, err := l.record(ctx, tx, e)
		if err != nil {
			return 0, err
		}
		if added {
			fresh++
		}
	}
	return fresh, nil
}

func (l *Ledger) record(ctx context.Context, tx *audit.Tx, e Event) (bool, error) {
	r, err := newRecording(e, tx.Now())
	if err != nil {
		return false, err
	}
	if r.Account == "" && r.Auth != AuthOperator {
		r.Account = l.businesses[r.Pair.Business].Account
	}
	if seen, err := exists(ctx, tx, selectEventSeen, e.ID); err != nil || seen {
		return false, err
	}
	if r.subject, r.merged, err = l.identify(ctx, tx, &r.Event); err != nil {
		return false, err
	}
	if r.Request, err = requestOf(ctx, tx, r.Ref); err != nil {
		return false, err
	}
	if err := l.store(ctx, tx, r); err != nil {
		return false, err
	}
	if e.Kind == Messaged && l.words.match(e.Text) {
		return true, l.store(ctx, tx, r.optOut())
	}
	return true, nil
}

// store appends the event to the audit, keeps it and brings the projection of
// every pair that it concerns up to date.
func (l *Ledger) store(ctx context.Context, tx *audit.Tx, r *recording) error {
	if err := r.takesEffect(ctx, tx); err != nil {
		return err
	}
	payload, events, err := l.payload(ctx, tx, r)
	if err != nil {
		return err
	}
	index, err := tx.Append(ctx, audit.Record{Kind: auditKind(r.Kind), Subject: r.subject, Payload: payload})
	if err != nil {
		return fmt.Errorf("audit event: %w", err)
	}
	if err := insert(ctx, tx, r, index); err != nil {
		return err
	}
	everywhere := r.Kind == OptedOut || r.Kind == OptOutLifted
	if everywhere {
		if err := l.refreshDoNotCall(ctx, tx, r.subject); err != nil {
			return err
		}
	}
	switch {
	case everywhere || r.merged:
		return l.refreshAll(ctx, tx, r)
	case r.stateless():
		return nil
	}
	return l.refresh(ctx, tx, r, r.Pair.Business, events)
}

// payload is what the audit keeps of an event, and the events of its pair with
// the new one among them; none when the event bears on no permission.
func (l *Ledger) payload(ctx context.Context, tx *audit.Tx, r *recording) (recorded, []Event, error) {
	p := l.pack(r.Pair.Business, tx.Now())
	payload := recorded{
		Event: r.Event, Business: r.Pair.Business, User: r.Pair.User, Aliases: r.Aliases, RulePack: p.cite(),
	}
	if len(r.Text) > maxText {
		payload.Text, payload.Cut = strings.ToValidUTF8(r.Text[:maxText], ""), len(r.Text)
	}
	if !r.claimed.IsZero() {
		payload.Claimed = &r.claimed
	}
	if r.Kind == OptedOut && r.Ref != "" {
		payload.Words = l.words.version
	}
	if r.stateless() {
		return payload, nil, nil
	}
	events, err := stateEvents(ctx, tx, r.subject, r.Pair.Business)
	if err != nil {
		return payload, nil, err
	}
	payload.Before = standingOf(project(r.Pair, r.subject, events, p, tx.Now()))
	events = append(events, r.Event)
	payload.After = standingOf(project(r.Pair, r.subject, events, p, tx.Now()))
	return payload, events, nil
}

// insert keeps the event without its text, which only the audit holds.
func insert(ctx context.Context, tx *audit.Tx, r *recording, index int64) error {
	kept := r.Event
	kept.Text = ""
	body, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = tx.ExecContext(ctx, insertEvent, index, r.ID, r.subject, string(r.Pair.Business), string(r.Kind),
		r.At.UnixMilli(), r.Received.UnixMilli(), string(body))
	if err != nil {
		return fmt.Errorf("store event: %w", err)
	}
	return nil
}

// exists says whether a query finds a row.
func exists(ctx context.Context, q querier, query string, args ...any) (bool, error) {
	var one int
	err := q.QueryRowContext(ctx, query, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read ledger: %w", err)
	}
	return true, nil
}
