package permissions

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
)

// recording is an event on its way into the ledger.
type recording struct {
	Event
	subject string
	fresh   bool      // nothing was known of the subject until now
	merged  bool      // its addresses belonged to several subjects until now
	since   string    // who has its address now, when it is about who had it before
	said    meaning   // what the words of a message mean
	left    []User    // IDChanged: the addresses that are no longer the user's
	claimed time.Time // the time that the event came with, when it was not believed
}

// everywhere is true for the events that bear on every business.
func (r *recording) everywhere() bool {
	switch r.Kind {
	case OptedOut, OptOutLifted, IDChanged:
		return true
	default:
		return r.Pair.Business == ""
	}
}

// needsBusiness is false for the kinds that can hold for all businesses.
func needsBusiness(k EventKind) bool {
	switch k {
	case OptedOut, OptOutLifted, IDChanged, Located:
		return false
	default:
		return true
	}
}

// newRecording checks an event's identity and fixes its times: milliseconds,
// UTC, and not ahead of our clock by more than any clock is.
func newRecording(e Event, now time.Time) (*recording, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	r := &recording{Event: e}
	r.Pair = e.Pair.Canonical()
	r.Received = now.UTC().Truncate(time.Millisecond)
	r.At = e.At.UTC().Truncate(time.Millisecond)
	if e.At.IsZero() {
		r.At = r.Received
	}
	if r.At.After(r.Received.Add(maxAhead)) {
		r.redate(r.Received)
	}
	if !e.Expires.IsZero() {
		r.Expires = e.Expires.UTC()
	}
	return r, nil
}

func (e *Event) check() error {
	switch {
	case e.ID == "":
		return fmt.Errorf("%w: no id", ErrEvent)
	case auditKind(e.Kind) == "":
		return fmt.Errorf("%w: unknown kind %q", ErrEvent, e.Kind)
	case strings.TrimSpace(string(e.Pair.User)) == "":
		return fmt.Errorf("%w: no user", ErrEvent)
	case e.Pair.Business == "" && needsBusiness(e.Kind):
		return fmt.Errorf("%w: no business", ErrEvent)
	case !e.Auth.vouchesFor(e.Kind) && (!e.applied || e.Auth != AuthOperator):
		return fmt.Errorf("%w: %s is no way to authenticate %s", ErrEvent, strconv.Quote(string(e.Auth)), e.Kind)
	}
	return nil
}

// takesEffect moves an event behind what it takes away, where the clocks that
// dated the two do not tell their order. On the tie the stricter wins. Known are
// the events of its pair, standing is the grant that they make, nil for none.
func (r *recording) takesEffect(ctx context.Context, q querier, known []Event, standing *Event) error {
	switch r.Kind {
	case Declined, Revoked:
		r.notBeforeItsGrant(standing)
	case OptedOut:
		r.notBeforeALifting(known)
	case MessagesStopped:
		r.notBeforeAResumption(known)
	case OptOutLifted:
		return r.notBeforeWhatItLifts(ctx, q)
	default:
	}
	return nil
}

// notBeforeItsGrant is for a revocation that we dated, and for a provider's that
// counts from its arrival because our clock is behind: the grant that stands can
// carry a later time, but was known before.
func (r *recording) notBeforeItsGrant(g *Event) {
	provider := r.Auth == AuthHMAC || r.Auth == AuthBearer
	if provider && r.claimed.IsZero() || !provider && r.Received.Sub(r.At) > maxAhead {
		return // the provider's own order, or old news
	}
	if g == nil || !g.At.After(r.At) || provider && r.claimed.Before(g.At) {
		return
	}
	r.redate(g.At)
}

// notBeforeALifting lets an opt-out count from its arrival when it is dated
// before a lifting that is known already: whoever lifted the entry cannot have
// meant an opt-out that nobody here had heard of.
func (r *recording) notBeforeALifting(known []Event) {
	for _, e := range known {
		if e.Kind == OptOutLifted && r.At.Before(e.At) {
			r.redate(latest(r.Received, e.At))
		}
	}
}

// notBeforeAResumption is for a stop of messages that counts from its arrival because
// our clock is behind: the provider's dates it after what resumed them.
func (r *recording) notBeforeAResumption(known []Event) {
	for _, e := range known {
		if e.Kind == MessagesResumed && e.At.After(r.At) && !r.claimed.Before(e.At) {
			r.redate(e.At)
		}
	}
}

// notBeforeWhatItLifts dates a lifting of now after every opt-out that is known,
// which a tie would favour, and after every grant that is known, which would
// count as given after the lifting.
func (r *recording) notBeforeWhatItLifts(ctx context.Context, q querier) error {
	if r.At.Before(r.Received) {
		return nil // old news
	}
	events, err := readEvents(ctx, q, selectConsent, r.subject)
	if err != nil {
		return err
	}
	for _, e := range events {
		after := e.At
		if e.Kind == OptedOut {
			after = after.Add(time.Millisecond)
		}
		if after.After(r.At) {
			r.redate(after)
		}
	}
	return nil
}

// redate lets the event count from another time and remembers its own.
func (r *recording) redate(at time.Time) {
	if r.claimed.IsZero() {
		r.claimed = r.At
	}
	r.At = at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// follows is the event that a message amounts to.
func (r *recording) follows(id string, k EventKind, reason string) *recording {
	return &recording{
		Event: Event{
			ID: r.ID + "/" + id, Kind: k, Pair: r.Pair, At: r.At, Received: r.Received,
			Account: r.Account, Auth: r.Auth, Reason: reason, Ref: r.ID, Webhook: r.Webhook,
			Line: r.Line, Holder: r.Holder,
		},
		subject: r.subject, since: r.since, claimed: r.claimed, said: r.said,
	}
}

// recorded is the audit payload of an event: the fact with the addresses and the
// text, which are nowhere else, what it changed and by which rules.
type recorded struct {
	Event
	Business geo.E164   `json:"business,omitempty"`
	User     User       `json:"user"`
	Aliases  []User     `json:"aliases,omitempty"`
	Previous User       `json:"previous,omitempty"`
	Current  User       `json:"current,omitempty"`
	Claimed  *time.Time `json:"claimedAt,omitempty"`
	Cut      int        `json:"textLength,omitempty"` // of a text that was cut, in bytes
	Before   *standing  `json:"before,omitempty"`
	After    *standing  `json:"after,omitempty"`
	RulePack string     `json:"rulePack"`
	Words    string     `json:"optOutWords,omitempty"`
	Word     string     `json:"optOutWord,omitempty"` // entries of the list that a message was read by
	Review   bool       `json:"review,omitempty"`     // a message that may have been meant to end something: a person should read it
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

// stateless are the events that bear on no permission by themselves, or of which
// the last one tells all. They are not read for a fold, which knows them by their
// traces; the queries leave out the same kinds.
func (e *Event) stateless() bool {
	switch e.Kind {
	case Messaged, Confirmed, Willing, Expired, Expiring:
		return true
	case Delivered:
		return e.receipt()
	default:
		return false
	}
}

// receipt is true for the word on a message that carried no request of ours.
func (e *Event) receipt() bool { return e.Kind == Delivered && e.Request == "" }

// rowKind is the kind by which queries tell what a fold reads.
func (e *Event) rowKind() string {
	if e.receipt() {
		return "receipt"
	}
	return string(e.Kind)
}
