package permissions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Ask is a call permission request about to be sent.
type Ask struct {
	Pair     Pair
	ID       string // ours, unique; becomes the provider's opaque id where it has one
	Template string // name/language
	Text     string // the text shown
	Purpose  string
	Actor    string
}

// AuthorizeRequest is Authorize for asking: it decides, and when allowed records
// the Requested event before anything is sent, so that a request whose sending
// failed counts against the limits. The returned Decision is audited. An id that
// was used before is [ErrAskID].
func (l *Ledger) AuthorizeRequest(ctx context.Context, a Ask) (Decision, error) {
	if a.ID == "" {
		return Decision{}, ErrAskID
	}
	var d Decision
	err := l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if used, err := exists(ctx, tx, selectEventSeen, requestEvent(a.ID)); err != nil || used {
			return orUsed(err, ErrAskID)
		}
		q := Query{Pair: a.Pair, Action: RequestPermission, Purpose: a.Purpose, Template: a.Template}
		v, err := l.view(ctx, tx, q, tx.Now())
		if err != nil {
			return err
		}
		var e *evaluation
		d, e = l.decide(v, q, tx.Now())
		if err := l.auditDecision(ctx, tx, &d, e, asked{Ask: a.ID, Actor: a.Actor}); err != nil || !d.Allow {
			return err
		}
		_, err = l.RecordTx(ctx, tx, Event{
			ID: requestEvent(a.ID), Kind: Requested, Pair: v.pair, At: tx.Now(),
			Account: v.business.Account, Auth: AuthSelf, Actor: a.Actor,
			Text: a.Text, Template: a.Template, Purpose: a.Purpose,
		})
		return err
	})
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

// requestEvent is the id of the Requested event of an ask.
func requestEvent(ask string) string { return "callctl/request/" + ask }

// LinkRequest ties the provider's id of the message that carried a request to
// the request, so that the reply that names it is known to answer it, and notes
// that the provider took it: the provider's windows begin there, not when we asked
// ourselves whether to send. Linking the same twice is no error; an unknown ask is
// [ErrAskID].
func (l *Ledger) LinkRequest(ctx context.Context, askID, providerMessageID string) error {
	message := messageKey(providerMessageID)
	if askID == "" || message == "" {
		return ErrAskID
	}
	return l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		event := requestEvent(askID)
		linked, err := requestOf(ctx, tx, message)
		if err != nil || linked == event {
			return err
		}
		if linked != "" {
			return fmt.Errorf("%w: the message carried another request", ErrAskID)
		}
		var subject string
		var business geo.E164
		err = tx.QueryRowContext(ctx, selectRequestPair, event).Scan(&subject, &business)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrAskID
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := link(ctx, tx, subject, event, message); err != nil {
			return err
		}
		user, err := l.addressOf(ctx, tx, subject)
		if err != nil {
			return err
		}
		_, err = l.RecordTx(ctx, tx, Event{
			ID: "callctl/accepted/" + askID, Kind: Delivered, Pair: Pair{Business: business, User: user}, At: tx.Now(),
			Auth: AuthSelf, Ref: message, Delivery: deliveryAccepted,
		})
		return err
	})
}

func link(ctx context.Context, tx *audit.Tx, subject, event, message string) error {
	payload := struct {
		Request string `json:"request"`
		Message string `json:"message"`
	}{event, message}
	index, err := tx.Append(ctx, audit.Record{Kind: "permission.request_sent", Subject: subject, Payload: payload})
	if err != nil {
		return fmt.Errorf("audit request: %w", err)
	}
	if _, err := tx.ExecContext(ctx, insertRequestMessage, message, event, tx.Now().UnixMilli(), index); err != nil {
		return fmt.Errorf("link request: %w", err)
	}
	return nil
}

// The words of a Delivered event for a request that left: accepted is ours for the
// provider's answer to the sending, sent is the provider's later word.
const (
	deliveryAccepted = "accepted"
	deliverySent     = "sent"
)

// asked are the times of the permission requests that count against the limits of
// a pack, in order. A request counts from when the provider took it, as far as
// that is known, and else from when it was decided on; it may have been sent. What
// was sent before the last connected call counts no more, where the pack resets by
// one; the reset is dated to the beginning of the call, because the platform's
// comes when it connects.
func (h *history) asked(p *pack) []time.Time {
	sent := make(map[string]time.Time)
	for i := range h.events {
		e := &h.events[i]
		taken := e.Kind == Delivered && (e.Delivery == deliveryAccepted || e.Delivery == deliverySent)
		if taken && e.Request != "" && e.At.After(sent[e.Request]) {
			sent[e.Request] = e.At
		}
	}
	var reset time.Time
	if p.Requests.Reset {
		for _, c := range h.calls() {
			if c.outcome() == OutcomeConnected && c.began.After(reset) {
				reset = c.began
			}
		}
	}
	var out []time.Time
	for i := range h.events {
		e := &h.events[i]
		if at := latest(e.At, sent[e.ID]); e.Kind == Requested && !at.Before(reset) {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// providerPrefix is the provider's name that ids in the ledger carry.
var providerPrefix = regexp.MustCompile(`^[a-z0-9]{1,16}/`)

// messageKey is a provider's message id without the provider's name, because
// replies quote it bare.
func messageKey(id string) string { return providerPrefix.ReplaceAllString(id, "") }

// requestOf is the id of the Requested event that the message carried, "" when
// none did.
func requestOf(ctx context.Context, q querier, message string) (string, error) {
	if message == "" {
		return "", nil
	}
	var event string
	err := q.QueryRowContext(ctx, selectRequestMessage, messageKey(message)).Scan(&event)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read request: %w", err)
	}
	return event, nil
}
