package permissions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
)

// Why a person cannot make a change; each is wrapped in [ErrChange].
var (
	errKind       = errors.New("it is not one that a person makes")
	errOperator   = errors.New("the rule pack allows no grants by an operator")
	errEnd        = errors.New("a grant is permanent or ends in the future")
	errPermanent  = errors.New("the rule pack refuses permanent grants")
	errOptedOut   = errors.New("the user opted out; only a grant that the user gives after the opt-out was lifted counts")
	errTimeZone   = errors.New("it needs an IANA time zone")
	errOvertaken  = errors.New("permission or messages were taken away after it was proposed; reject it, and propose it anew if it is still right")
	errPreference = errors.New("the user stopped marketing messages at the platform; only the user resumes them there")
)

// blank says whether a text that a person has to give is none.
func blank(s string) bool { return strings.TrimSpace(s) == "" }

// Apply records a change, or proposes it when the rule pack asks for a second
// person: then the approval is returned and nothing else has changed. What
// narrows is never proposed. A grant by an operator is no user's word: it
// overcomes no opt-out, and it is dialled on only after the provider confirmed it
// where the rule pack says so (grant.read_back). Putting a user on the
// do-not-call list who is on it changes nothing.
//
// Errors: [ErrUser], [ErrReason] without actor or reason, [ErrNotListed] when
// there is nothing to lift or resume, [ErrBusiness], and [ErrChange], wrapped
// with why, for what the rules do not let a person do.
func (l *Ledger) Apply(ctx context.Context, c Change) (*Approval, error) {
	var proposed *Approval
	err := l.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		c, err := l.checked(c, tx.Now())
		if err != nil {
			return err
		}
		if !c.widens() || l.persons(c.Kind, c.Pair.Business, tx.Now()) < 2 {
			_, err := l.change(ctx, tx, c, "")
			return err
		}
		if err := l.possible(ctx, tx, c); err != nil {
			return err
		}
		proposed, err = l.propose(ctx, tx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return proposed, nil
}

// checked is the change in canonical form, or why it is none that could ever be.
func (l *Ledger) checked(c Change, now time.Time) (Change, error) {
	c.Pair = c.Pair.Canonical()
	if !c.Pair.User.Valid() {
		return c, ErrUser
	}
	if blank(c.Actor) || blank(c.Reason) {
		return c, ErrReason
	}
	if _, known := l.businesses[c.Pair.Business]; !known && (c.Pair.Business != "" || !c.everywhere()) {
		return c, ErrBusiness
	}
	var why error
	switch c.Kind {
	case Granted:
		why = l.grantFault(c, now)
	case Located:
		if _, err := geo.Zone(c.Zone); err != nil {
			why = errTimeZone
		}
	case Revoked, OptedOut, OptOutLifted, MessagesResumed:
	default:
		why = errKind
	}
	if why != nil {
		return c, fmt.Errorf("%w: %w", ErrChange, why)
	}
	return c, nil
}

// everywhere says whether the change can be one for all businesses.
func (c *Change) everywhere() bool {
	return c.Kind == OptedOut || c.Kind == OptOutLifted || c.Kind == Located
}

// grantFault is why an operator cannot grant this, nil when nothing stands against it.
func (l *Ledger) grantFault(c Change, now time.Time) error {
	rules := l.pack(c.Pair.Business, now).Grant
	switch {
	case !rules.Operator:
		return errOperator
	case c.Permanent && rules.Permanent == permanentRefuse:
		return errPermanent
	case c.Permanent != c.Expires.IsZero(), !c.Permanent && !c.Expires.After(now):
		return errEnd
	}
	return nil
}

// possible says whether the state lets the change be made.
func (l *Ledger) possible(ctx context.Context, tx *audit.Tx, c Change) error {
	v, err := l.load(ctx, tx, c.Pair)
	if err != nil {
		return err
	}
	h := fold(v.events)
	switch c.Kind {
	case Granted:
		if h.optOut != nil || h.anew {
			return fmt.Errorf("%w: %w", ErrChange, errOptedOut)
		}
	case OptOutLifted:
		if _, listed, err := doNotCall(ctx, tx, c.Pair.User); err != nil || !listed {
			return orUsed(err, ErrNotListed)
		}
	case MessagesResumed:
		switch {
		case h.stopped == nil:
			return ErrNotListed
		case h.stopped.Category != "":
			return fmt.Errorf("%w: %w", ErrChange, errPreference)
		}
	default:
	}
	return nil
}

// change records the event that the change is, and returns its id, "" when it
// changes nothing.
func (l *Ledger) change(ctx context.Context, tx *audit.Tx, c Change, approval string) (string, error) {
	if err := l.possible(ctx, tx, c); err != nil {
		return "", err
	}
	if c.Kind == OptedOut && c.Pair.Business == "" {
		entry, listed, err := doNotCall(ctx, tx, c.Pair.User)
		if err != nil || listed && entry.Scope == ScopeAll {
			return "", err
		}
	}
	e := Event{
		ID: "callctl/operator/" + l.cfg.NewID(), Kind: c.Kind, Pair: c.Pair, At: tx.Now(), Auth: AuthOperator,
		Actor: c.Actor, Reason: c.Reason, Permanent: c.Permanent, Expires: c.Expires, Zone: c.Zone, Approval: approval,
		applied: true,
	}
	if c.Evidence != "" {
		e.Reason += "; evidence: " + c.Evidence
	}
	if _, err := l.RecordTx(ctx, tx, e); err != nil {
		return "", err
	}
	return e.ID, nil
}
