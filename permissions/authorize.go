package permissions

import (
	"context"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Query asks for a decision.
type Query struct {
	Pair    Pair
	Action  Action // StartCall when empty
	Purpose string
	// Template is the request's, as name/language; a dry run of a request without
	// one looks at no template.
	Template string
	// At is the time that the question is about, now when zero. A time in the past is
	// answered by the facts dated up to it, but of the receipts of messages, of which
	// only the last of each kind is read, and with the addresses that are known now.
	At time.Time
}

// Check is the dry run of the gate: the same code and rules, nothing written.
func (l *Ledger) Check(ctx context.Context, q Query) (Decision, error) {
	var d Decision
	err := l.snapshot(ctx, func(ctx context.Context, tx querier) error {
		var err error
		d, err = l.check(ctx, tx, q, l.cfg.Now().UTC())
		return err
	})
	return d, err
}

// CheckTx is Check within a transaction of the caller: what it finds holds until
// the transaction ends.
func (l *Ledger) CheckTx(ctx context.Context, tx *audit.Tx, q Query) (Decision, error) {
	return l.check(ctx, tx, q, tx.Now())
}

func (l *Ledger) check(ctx context.Context, tx querier, q Query, now time.Time) (Decision, error) {
	q.Action = actionOf(q.Action)
	v, err := l.view(ctx, tx, q, now)
	if err != nil {
		return Decision{}, err
	}
	if !q.At.IsZero() {
		now = q.At.UTC()
	}
	d, _ := l.decide(v, q, now)
	return d, nil
}

func actionOf(a Action) Action {
	if a == "" {
		return StartCall
	}
	return a
}

// Attempt asks to place one call.
type Attempt struct {
	Pair     Pair
	CallID   string // ours, unique
	Callback string // callback id, empty for none
	Purpose  string
}

// Authorize decides and, when allowed, reserves one attempt, all in one durable
// transaction that also appends the decision to the audit. A refusal is a
// Decision with Allow false and a nil Ticket, not an error; it is audited too.
func (l *Ledger) Authorize(ctx context.Context, a Attempt) (*Ticket, Decision, error) {
	if a.CallID == "" {
		return nil, Decision{}, ErrCallID
	}
	var t *Ticket
	var d Decision
	err := l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if used, err := exists(ctx, tx, selectCallSeen, a.CallID); err != nil || used {
			return orUsed(err, ErrCallID)
		}
		q := Query{Pair: a.Pair, Action: StartCall, Purpose: a.Purpose}
		v, err := l.view(ctx, tx, q, tx.Now())
		if err != nil {
			return err
		}
		var e *evaluation
		d, e = l.decide(v, q, tx.Now())
		if err := l.auditDecision(ctx, tx, &d, e, asked{CallID: a.CallID, Callback: a.Callback}); err != nil || !d.Allow {
			return err
		}
		t = &Ticket{ledger: l, attempt: a, pair: v.pair, subject: v.subject, decision: d, permission: e.s}
		return l.reserve(ctx, tx, t)
	})
	if err != nil {
		return nil, Decision{}, err
	}
	return t, d, nil
}

// orUsed is err, or used when there is none.
func orUsed(err, used error) error {
	if err != nil {
		return err
	}
	return used
}

// reserve writes the open attempt and its event.
func (l *Ledger) reserve(ctx context.Context, tx *audit.Tx, t *Ticket) error {
	a, d := t.attempt, t.decision
	_, err := tx.ExecContext(ctx, insertAttempt, a.CallID, t.subject, string(t.pair.Business), a.Callback, a.Purpose,
		d.Grant, d.Epoch, d.AuditIndex, tx.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("reserve attempt: %w", err)
	}
	_, err = l.RecordTx(ctx, tx, Event{
		ID: "callctl/attempted/" + a.CallID, Kind: Attempted, Pair: t.pair, At: tx.Now(),
		Account: l.businesses[t.pair.Business].Account, Auth: AuthSelf,
		Ref: d.Grant, CallID: a.CallID, Purpose: a.Purpose,
	})
	return err
}

// asked is what the audit keeps of a question beside its answer.
type asked struct {
	CallID   string `json:"callId,omitempty"`
	Callback string `json:"callbackId,omitempty"`
	Ask      string `json:"requestId,omitempty"`
	Actor    string `json:"actor,omitempty"`
}

// decided is the audit payload of a decision. Its own index is no part of it.
type decided struct {
	Decision
	asked
	Business   geo.E164 `json:"business,omitempty"`
	User       User     `json:"user,omitempty"`
	Reasons    []Reason `json:"reasons,omitempty"` // of every rule that refused
	AuditIndex *int64   `json:"auditIndex,omitempty"`
}

// auditDecision gives the decision its id and its place in the audit. Who is
// asked about becomes a subject, so that the entry is sealed under their key; of
// an address that is none, nothing is kept.
func (l *Ledger) auditDecision(ctx context.Context, tx *audit.Tx, d *Decision, e *evaluation, a asked) error {
	d.ID = l.cfg.NewID()
	payload := decided{Decision: *d, asked: a, Business: e.v.pair.Business, Reasons: d.refusing()}
	if e.where().valid || e.v.subject != "" {
		var err error
		if e.v.subject, err = l.EnsureSubject(ctx, tx, e.v.pair.User); err != nil {
			return err
		}
		payload.User = e.v.pair.User
	}
	kind := "decision.allowed"
	if !d.Allow {
		kind = "decision.refused"
	}
	index, err := tx.Append(ctx, audit.Record{Kind: kind, Subject: e.v.subject, Payload: payload})
	if err != nil {
		return fmt.Errorf("audit decision: %w", err)
	}
	d.AuditIndex = index
	return nil
}
