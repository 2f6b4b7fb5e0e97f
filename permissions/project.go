package permissions

import (
	"slices"
	"time"
)

// history is the fold of a set of events of one pair: what holds irrespective of
// the clock and the rule pack. It is a pure function of the set.
type history struct {
	events []Event // each once, in the order in which they count

	grant    *Event    // the grant that stands, nil for none; expiry not considered
	expires  time.Time // its provider expiry, narrowed by read-backs
	verified bool      // it came signed or was read back
	bar      *Event    // the latest event that took permission away
	optOut   *Event    // the opt-out in force, nil when lifted
	anew     bool      // opted out before: only a user's own new grant counts
	epoch    int64     // events that narrow
	updated  time.Time

	doubt    *Event            // the provider's refusal that no read-back has resolved yet, nil for none
	read     *Event            // the last read-back, nil for none
	stopped  *Event            // the message stop in force, nil for none
	purposes map[string]*Event // opt-outs in force that reach calls of one purpose only
	zone     string            // the customer's own time zone, "" when not given
	failed   *Event            // the last Delivered that failed with no later one delivered, nil for none
}

// project is the state of a pair at now: a pure function of the set of events,
// so that order and repetition of deliveries do not matter.
func project(pair Pair, subject string, events []Event, p *pack, now time.Time) Permission {
	h := fold(events)
	return h.permission(pair, subject, p, now)
}

// fold replays the set in the order of time. Ties are replayed from the most
// permissive to the strictest, so that the strictest has the last word.
func fold(events []Event) *history {
	h := &history{events: slices.Clone(events)}
	slices.SortFunc(h.events, compareEvents)
	seen := make(map[string]bool, len(h.events))
	h.events = slices.DeleteFunc(h.events, func(e Event) bool {
		again := seen[e.ID]
		seen[e.ID] = true
		return again
	})
	for i := range h.events {
		h.apply(&h.events[i])
	}
	h.confirmByReference()
	return h
}

func (h *history) apply(e *Event) {
	if e.At.After(h.updated) {
		h.updated = e.At
	}
	switch e.Kind {
	case Granted:
		h.applyGrant(e)
	case ReadBack:
		if h.grant != nil && e.Ref == "" {
			h.confirm(e)
		}
	case Declined, Revoked:
		h.grant, h.bar = nil, e
		h.epoch++
	case OptedOut:
		h.grant, h.bar, h.optOut, h.anew = nil, e, e, true
		h.epoch++
	case OptOutLifted:
		h.optOut = nil
	case Requested, Messaged, Attempted, Settled, Called, Confirmed:
		// Counted where a limit asks for them.
	}
}

// applyGrant lets a later grant replace an earlier one. An automatic grant (the
// user called us) never overcomes an opt-out and never replaces a permanent
// grant; nothing is granted while the user is on the do-not-call list.
func (h *history) applyGrant(e *Event) {
	switch {
	case h.optOut != nil, h.anew && e.Automatic:
		return
	case h.grant != nil && h.grant.Permanent && e.Automatic:
		return
	}
	h.anew = false
	h.grant, h.expires = e, e.Expires
	h.verified = e.Auth == AuthHMAC || e.Auth == AuthReadBack
}

// confirm takes a read-back as the provider's word for the standing grant. The
// earlier of the two expiries counts.
func (h *history) confirm(e *Event) {
	h.verified = true
	if !e.Expires.IsZero() && (h.expires.IsZero() || e.Expires.Before(h.expires)) {
		h.expires = e.Expires
	}
}

// confirmByReference applies the read-backs that name the standing grant; they
// do not depend on whose clock was ahead.
func (h *history) confirmByReference() {
	if h.grant == nil {
		return
	}
	for i := range h.events {
		if e := &h.events[i]; e.Kind == ReadBack && e.Ref == h.grant.ID {
			h.confirm(e)
		}
	}
}

// expiry is the effective expiry of the standing grant under a pack, zero for
// never: the earlier of the provider's and the pack's, from the grant's time.
func (h *history) expiry(p *pack) time.Time {
	g := h.grant
	if g.Permanent && p.Grant.Permanent == permanentHonour {
		return time.Time{}
	}
	ends := h.expires
	if ends.IsZero() && !g.Permanent {
		ends = g.At.Add(p.Grant.DefaultAge.duration())
	}
	if limit := p.Grant.MaxAge.duration(); limit > 0 {
		if capped := g.At.Add(limit); ends.IsZero() || capped.Before(ends) {
			ends = capped
		}
	}
	return ends
}

// permission is the state at now. The interval of a grant is half open and ends
// a clock-skew margin early.
func (h *history) permission(pair Pair, subject string, p *pack, now time.Time) Permission {
	s := Permission{
		Pair: pair, Subject: subject, Status: StatusNone, Reason: NoPermission,
		DoNotCall: h.optOut != nil, Epoch: h.epoch, UpdatedAt: h.updated,
		Connected: len(within(h.connected(true), now, longest(p.Calls.Connected))),
		Requests:  len(within(h.requests(p), now, longest(p.Requests.Limits))),
		Requested: h.lastRequest(),
	}
	switch {
	case h.optOut != nil:
		s.Reason = DoNotCall
	case h.grant == nil && h.bar != nil:
		s.Reason = barReason(h.bar)
	case h.grant != nil:
		h.describeGrant(&s, p, now)
	}
	return s
}

func (h *history) describeGrant(s *Permission, p *pack, now time.Time) {
	s.Grant, s.GrantedAt, s.GrantAuth = h.grant.ID, h.grant.At, h.grant.Auth
	s.Verified, s.ProviderEx = h.verified, h.expires
	s.Attempts = h.used(p)
	s.Expires = h.expiry(p)
	switch {
	case !s.Expires.IsZero() && !now.Add(p.Grant.ClockSkew.duration()).Before(s.Expires):
		s.Reason = PermissionExpired
	case h.grant.Permanent:
		s.Status, s.Reason = StatusPermanent, Allowed
	default:
		s.Status, s.Reason = StatusTemporary, Allowed
	}
}

// barReason names what took permission away. The user's own reject is an answer;
// the platform's automatic one after unanswered calls is a revocation, and so is
// an opt-out that was lifted since.
func barReason(e *Event) Reason {
	if e.Kind == Declined && !e.Automatic {
		return PermissionDeclined
	}
	return PermissionRevoked
}
