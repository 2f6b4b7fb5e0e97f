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
	optOut   *Event    // the latest opt-out in force that reaches every purpose, nil for none
	anew     bool      // opted out before: only a user's own new grant counts
	epoch    int64     // events that narrow
	updated  time.Time

	doubt    *Event            // the provider's refusal that no read-back has resolved yet, nil for none
	read     *Event            // the last read-back, nil for none
	stopped  *Event            // the message stop in force, nil for none; one of every category before one of marketing
	purposes map[string]*Event // opt-outs in force that reach calls of one purpose only
	zone     string            // the customer's own time zone, "" when not given
	failed   *Event            // the last Delivered that failed with no later one delivered, nil for none

	listed  []*Event          // every opt-out in force, in order
	stops   map[string]*Event // message stops in force by category
	left    map[string]bool   // lines that are the user's no longer
	holders holders           // who had which line
	placed  []call            // see calls
}

// project is the state of a pair at now: a pure function of the set of events,
// so that order and repetition of deliveries do not matter.
func project(pair Pair, subject string, events []Event, p *pack, now time.Time) Permission {
	h := fold(events)
	return h.permission(pair, subject, p, now)
}

// fold replays the set in the order of time. Ties are replayed from the most
// permissive to the strictest, so that the strictest has the last word. The set
// is what [Ledger.pairEvents] loads: an opt-out in it reaches the pair.
func fold(events []Event) *history {
	h := &history{events: slices.Clone(events)}
	slices.SortFunc(h.events, compareEvents)
	seen := make(map[string]bool, len(h.events))
	h.events = slices.DeleteFunc(h.events, func(e Event) bool {
		again := seen[e.ID]
		seen[e.ID] = true
		return again
	})
	h.holders = holdersOf(h.events)
	for i := range h.events {
		h.apply(&h.events[i])
	}
	h.confirmByReference()
	h.weighRefusals()
	return h
}

func (h *history) apply(e *Event) {
	if e.At.After(h.updated) && e.Kind != sighted {
		h.updated = e.At
	}
	switch e.Kind {
	case Granted:
		h.applyGrant(e)
	case ReadBack:
		h.applyReadBack(e)
	case Declined, Revoked:
		h.takeAway(e)
	case OptedOut:
		h.applyOptOut(e)
	case OptOutLifted:
		h.listed = slices.DeleteFunc(h.listed, func(o *Event) bool { return e.lifts(o) })
		h.relist()
	case IDChanged:
		h.applyIDChange(e)
	case MessagesStopped, MessagesResumed, Located, Delivered:
		h.applyContact(e)
	case Requested, Messaged, Attempted, Settled, Called, Confirmed, Reported:
		// Counted where a limit asks for them.
	case Willing, Expired, Expiring, sighted:
		// Of no effect.
	}
}

func (h *history) takeAway(e *Event) {
	h.grant, h.bar = nil, e
	h.epoch++
}

// applyGrant lets a later grant replace an earlier one. An automatic grant (the
// user called us), or an operator's, never overcomes an opt-out, and an automatic
// one never replaces a permanent grant; nothing is granted while the user is on the do-not-call list, nor by
// whoever had the user's number before.
func (h *history) applyGrant(e *Event) {
	switch {
	case h.optOut != nil, h.anew && !e.own():
		return
	case h.left[e.Line], h.holders.elseHolds(e):
		return
	case h.grant != nil && h.grant.Permanent && e.Automatic:
		return
	}
	h.anew = false
	h.grant, h.expires = e, e.Expires
	h.verified = e.Auth == AuthHMAC || e.Auth == AuthReadBack
}

// applyOptOut lists the user. One that reaches a purpose only leaves the grant to
// the other purposes.
func (h *history) applyOptOut(e *Event) {
	h.listed = append(h.listed, e)
	if e.purposeOnly() {
		h.epoch++
	} else {
		h.takeAway(e)
		h.anew = true
	}
	h.relist()
}

// relist sets what bars from the opt-outs that are in force; the latest stands
// for the others.
func (h *history) relist() {
	h.optOut, h.purposes = nil, nil
	for _, o := range h.listed {
		if !o.purposeOnly() {
			h.optOut = o
			continue
		}
		if h.purposes == nil {
			h.purposes = make(map[string]*Event)
		}
		h.purposes[o.Purpose] = o
	}
}

// applyContact keeps what concerns messages and the user's whereabouts, not calls.
func (h *history) applyContact(e *Event) {
	switch e.Kind {
	case MessagesStopped:
		if h.stops == nil {
			h.stops = make(map[string]*Event)
		}
		h.stops[e.Category] = e
	case MessagesResumed:
		delete(h.stops, e.Category)
		if e.Category == "" {
			h.stops = nil
		}
	case Located:
		if !h.left[e.Line] && !h.holders.elseHolds(e) { // else it is where the number's user before was
			h.zone = e.Zone
		}
		return
	case Delivered:
		h.applyDelivery(e)
		return
	default:
		return
	}
	h.stopped = h.stops[""]
	if h.stopped != nil {
		return
	}
	for _, s := range h.stops {
		if h.stopped == nil || compareEvents(*s, *h.stopped) > 0 {
			h.stopped = s
		}
	}
}

// applyDelivery follows whether messages reach the user. One that was only sent
// tells neither.
func (h *history) applyDelivery(e *Event) {
	switch e.Delivery {
	case deliveryFailed:
		h.failed = e
	case deliveryArrived, deliveryRead:
		h.failed = nil
	}
}

// expiry is the effective expiry of the standing grant under a pack, zero for
// never: the earlier of the provider's and the pack's, from the grant's time.
func (h *history) expiry(p *pack) time.Time {
	g := h.grant
	ends := h.expires
	if g.Permanent && ends.IsZero() && p.Grant.Permanent == permanentHonour {
		return time.Time{}
	}
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
		Requests:  len(within(h.asked(p), now, longest(p.Requests.Limits))),
		Requested: h.lastRequest(), Unanswered: h.streak(), Zone: h.zone, MessagesStopped: h.stopped != nil,
	}
	if h.read != nil {
		s.ReadAt = h.read.At
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
	s.Verified, s.ProviderEx, s.Doubted = h.verified, h.expires, h.doubt != nil
	s.Attempts = h.used(p)
	s.Expires = h.expiry(p)
	switch {
	case p.Grant.Permanent == permanentRefuse && h.grant.Permanent && h.expires.IsZero():
		s.Reason = NoPermission
	case !s.Expires.IsZero() && !now.Add(p.Grant.ClockSkew.duration()).Before(s.Expires):
		s.Reason = PermissionExpired
	case h.grant.Permanent && h.expires.IsZero():
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
