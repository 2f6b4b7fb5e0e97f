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
	"github.com/callctl/callctl/geo"
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
	if err := r.notBeforeItsGrant(ctx, tx); err != nil {
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

// recording is an event on its way into the ledger.
type recording struct {
	Event
	subject string
	merged  bool      // its addresses belonged to several subjects until now
	claimed time.Time // the time that the event came with, when it was not believed
}

// newRecording checks an event's identity and fixes its times: milliseconds,
// UTC, and not ahead of our clock by more than any clock is.
func newRecording(e Event, now time.Time) (*recording, error) {
	everywhere := e.Kind == OptedOut || e.Kind == OptOutLifted
	switch {
	case e.ID == "":
		return nil, fmt.Errorf("%w: no id", ErrEvent)
	case auditKind(e.Kind) == "":
		return nil, fmt.Errorf("%w: unknown kind %q", ErrEvent, e.Kind)
	case strings.TrimSpace(string(e.Pair.User)) == "":
		return nil, fmt.Errorf("%w: no user", ErrEvent)
	case e.Pair.Business == "" && !everywhere:
		return nil, fmt.Errorf("%w: no business", ErrEvent)
	}
	r := &recording{Event: e}
	r.Pair = e.Pair.canonical()
	r.Received = now.UTC().Truncate(time.Millisecond)
	r.At = e.At.UTC().Truncate(time.Millisecond)
	if e.At.IsZero() {
		r.At = r.Received
	}
	if r.At.After(r.Received.Add(maxAhead)) {
		r.claimed, r.At = r.At, r.Received
	}
	if !e.Expires.IsZero() {
		r.Expires = e.Expires.UTC()
	}
	return r, nil
}

// notBeforeItsGrant moves a revocation that we dated to the time of the grant
// that it takes away, when the provider's clock that dated the grant is ahead of
// ours: on the tie the revocation wins.
func (r *recording) notBeforeItsGrant(ctx context.Context, q querier) error {
	provider := r.Auth == AuthHMAC || r.Auth == AuthBearer
	if provider || r.Kind != Declined && r.Kind != Revoked {
		return nil
	}
	events, err := stateEvents(ctx, q, r.subject, r.Pair.Business)
	if err != nil {
		return err
	}
	g := fold(events).grant
	if g != nil && g.At.After(r.At) && g.At.Sub(r.At) <= maxAhead {
		r.claimed, r.At = r.At, g.At
	}
	return nil
}

// optOut is the event that a message with opt-out words amounts to.
func (r *recording) optOut() *recording {
	return &recording{
		Event: Event{
			ID: r.ID + "/optout", Kind: OptedOut, Pair: r.Pair, At: r.At, Received: r.Received,
			Account: r.Account, Auth: r.Auth, Reason: "opt-out words in a message", Ref: r.ID, Webhook: r.Webhook,
		},
		subject: r.subject, claimed: r.claimed,
	}
}

// recorded is the audit payload of an event: the fact with the addresses and the
// text, which are nowhere else, what it changed and by which rules.
type recorded struct {
	Event
	Business geo.E164   `json:"business,omitempty"`
	User     User       `json:"user"`
	Aliases  []User     `json:"aliases,omitempty"`
	Claimed  *time.Time `json:"claimedAt,omitempty"`
	Cut      int        `json:"textLength,omitempty"` // of a text that was cut, in bytes
	Before   *standing  `json:"before,omitempty"`
	After    *standing  `json:"after,omitempty"`
	RulePack string     `json:"rulePack"`
	Words    string     `json:"optOutWords,omitempty"`
}

// standing is the part of a Permission that an event can change.
type standing struct {
	Status    Status    `json:"status"`
	Reason    Reason    `json:"reason"`
	Expires   time.Time `json:"expiresAt,omitzero"`
	Grant     string    `json:"grant,omitempty"`
	DoNotCall bool      `json:"doNotCall,omitempty"`
	Epoch     int64     `json:"epoch"`
}

func standingOf(s Permission) *standing {
	return &standing{Status: s.Status, Reason: s.Reason, Expires: s.Expires, Grant: s.Grant, DoNotCall: s.DoNotCall, Epoch: s.Epoch}
}

// stateless are the events that bear on no permission.
func (e *Event) stateless() bool { return e.Kind == Messaged || e.Kind == Confirmed }

// store appends the event to the audit, keeps it and brings the projection of
// every pair that it concerns up to date.
func (l *Ledger) store(ctx context.Context, tx *audit.Tx, r *recording) error {
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
	var events []Event
	if !r.stateless() {
		var err error
		if events, err = stateEvents(ctx, tx, r.subject, r.Pair.Business); err != nil {
			return err
		}
		payload.Before = standingOf(project(r.Pair, r.subject, events, p, tx.Now()))
		events = append(events, r.Event)
		payload.After = standingOf(project(r.Pair, r.subject, events, p, tx.Now()))
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
