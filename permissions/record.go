package permissions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// Record stores events durably in one transaction: duplicates (by ID) change
// nothing, opt-out words in Messaged events become OptedOut. It returns how many
// events were new. Errors wrap [ErrEvent] when an event lacks its identity; then
// none is stored.
func (l *Ledger) Record(ctx context.Context, events ...Event) (int, error) {
	fresh := 0
	if slices.ContainsFunc(events, func(e Event) bool { return e.Narrows() }) {
		ctx = audit.Ahead(ctx)
	}
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
	if err := l.identify(ctx, tx, r); err != nil {
		return false, err
	}
	if r.Request, err = requestOf(ctx, tx, r.Ref); err != nil {
		return false, err
	}
	if r.Kind == Messaged {
		r.said = l.words.read(r.Text)
	}
	if err := l.store(ctx, tx, r); err != nil {
		return false, err
	}
	return true, l.obey(ctx, tx, r)
}

// obey records what the words of a message amount to. One that asks for messages
// again restores no calls.
func (l *Ledger) obey(ctx context.Context, tx *audit.Tx, r *recording) error {
	const why = "opt-out words in a message"
	var follow []*recording
	switch r.said.channels {
	case ChannelsCalls:
		follow = append(follow, r.follows("optout", OptedOut, why))
	case ChannelsMessages:
		follow = append(follow, r.follows("stop", MessagesStopped, why))
	case ChannelsAll:
		follow = append(follow, r.follows("optout", OptedOut, why), r.follows("stop", MessagesStopped, why))
	}
	if r.said.resume {
		follow = append(follow, r.follows("resume", MessagesResumed, "words in a message that ask for messages again"))
	}
	for _, f := range follow {
		if f.Kind == OptedOut {
			f.Channels = r.said.channels
		}
		if err := l.store(ctx, tx, f); err != nil {
			return err
		}
	}
	if r.said.channels == ChannelsMessages && l.cfg.StoppedTx != nil {
		stop := follow[0]
		return l.cfg.StoppedTx(ctx, tx, Revocation{
			Pair: stop.Pair, Subject: stop.subject, Event: stop.ID, At: stop.At, Account: stop.Account, Origin: true, Message: r.ID,
		})
	}
	return nil
}

// store appends the event to the audit, keeps it and brings the projection of
// every pair that it concerns up to date.
func (l *Ledger) store(ctx context.Context, tx *audit.Tx, r *recording) error {
	if r.stateless() {
		return l.storeTalk(ctx, tx, r)
	}
	var known []Event
	if !r.fresh {
		var err error
		if known, err = knownEvents(ctx, tx, r.subject, r.Pair.Business); err != nil {
			return err
		}
	}
	before := fold(reaching(known, r.Pair.Business, l.brandOf))
	if err := r.takesEffect(ctx, tx, known, before.grant); err != nil {
		return err
	}
	l.stampScope(r, known)
	r.stampLifts(known)
	after := fold(reaching(append(known, r.Event), r.Pair.Business, l.brandOf))
	payload := l.payload(r, tx.Now())
	p := l.pack(r.Pair.Business, tx.Now())
	payload.Before = standingOf(before.permission(r.Pair, r.subject, p, tx.Now()))
	payload.After = standingOf(after.permission(r.Pair, r.subject, p, tx.Now()))
	if err := keep(ctx, tx, r, payload); err != nil {
		return err
	}
	if err := l.afterwards(ctx, tx, r); err != nil {
		return err
	}
	if r.everywhere() || r.merged {
		return l.refreshAll(ctx, tx, r)
	}
	return l.refresh(ctx, tx, r, r.Pair.Business, before.stored(), after)
}

// afterwards does what an event changes beside the projection of pairs.
func (l *Ledger) afterwards(ctx context.Context, tx *audit.Tx, r *recording) error {
	switch r.Kind {
	case OptedOut, OptOutLifted:
		if err := l.refreshDoNotCall(ctx, tx, r.subject); err != nil {
			return err
		}
	case IDChanged:
		if err := l.depart(ctx, tx, r); err != nil {
			return err
		}
	default:
	}
	if r.Kind == OptedOut && r.since != "" {
		return l.repeatFor(ctx, tx, r.since, r.Event, "the number's user before opted out by "+r.ID)
	}
	return nil
}

// storeTalk keeps an event that bears on no permission by itself. The addresses
// that it came with can: they may show that the number is another person's.
func (l *Ledger) storeTalk(ctx context.Context, tx *audit.Tx, r *recording) error {
	if err := keep(ctx, tx, r, l.payload(r, tx.Now())); err != nil {
		return err
	}
	if err := l.receive(ctx, tx, r); err != nil {
		return err
	}
	news, err := l.sight(ctx, tx, r)
	if err != nil || !news && !r.merged {
		return err
	}
	return l.refreshAll(ctx, tx, r)
}

// keep appends the event to the audit and to the ledger.
func keep(ctx context.Context, tx *audit.Tx, r *recording, payload recorded) error {
	index, err := tx.Append(ctx, audit.Record{Kind: auditKind(r.Kind), Subject: r.subject, Payload: payload})
	if err != nil {
		return fmt.Errorf("audit event: %w", err)
	}
	return insert(ctx, tx, r, index)
}

// payload is what the audit keeps of an event, without what it changed.
func (l *Ledger) payload(r *recording, now time.Time) recorded {
	p := recorded{
		Event: r.Event, Business: r.Pair.Business, User: r.Pair.User, Aliases: r.Aliases,
		Previous: r.Previous, Current: r.Current, RulePack: l.pack(r.Pair.Business, now).cite(),
	}
	if len(r.Text) > maxText {
		p.Text, p.Cut = strings.ToValidUTF8(r.Text[:maxText], ""), len(r.Text)
	}
	if !r.claimed.IsZero() {
		p.Claimed = &r.claimed
	}
	if r.said != (meaning{}) {
		p.Words, p.Word, p.Review = l.words.Version(), r.said.word, r.said.review
	}
	return p
}

// insert keeps the event without its text, which only the audit holds.
func insert(ctx context.Context, tx *audit.Tx, r *recording, index int64) error {
	kept := r.Event
	kept.Text = ""
	body, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = tx.ExecContext(ctx, insertEvent, index, r.ID, r.subject, string(r.Pair.Business), r.rowKind(),
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
