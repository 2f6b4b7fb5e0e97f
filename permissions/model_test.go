package permissions

import (
	"slices"
	"strings"
	"time"
)

// observed is the part of a pair's state that the model predicts.
type observed struct {
	Status                                            Status
	Reason                                            Reason
	Grant                                             string
	Expires                                           time.Time
	Verified, DoNotCall                               bool
	Requests, Connected, Attempts, Streak             int
	Epoch                                             int64
	Doubt, Read, Stopped, Failed, Zone, Only, Entries string
}

func id(e *Event) string {
	if e == nil {
		return ""
	}
	return e.ID
}

// seen is what the code under test says.
func seen(h *history, p *pack, now time.Time) observed {
	s := h.permission(testPair, "s", p, now)
	var only, entries []string
	for purpose, e := range h.purposes {
		only = append(only, purpose+"="+e.ID)
	}
	for _, e := range h.entries() {
		entries = append(entries, e.ID)
	}
	slices.Sort(only)
	return observed{
		s.Status, s.Reason, s.Grant, s.Expires, s.Verified, s.DoNotCall, s.Requests, s.Connected, s.Attempts, s.Unanswered,
		s.Epoch, id(h.doubt), id(h.read), id(h.stopped), id(h.failed), h.zone, strings.Join(only, ","), strings.Join(entries, ","),
	}
}

// model says what holds by looking at the set as a whole, never replaying it: it
// asks of each event whether another one stands in its way.
type model struct{ events []Event }

func (m model) any(f func(Event) bool) bool { return slices.ContainsFunc(m.events, f) }

func (m model) count(f func(Event) bool) (n int) {
	for _, e := range m.events {
		if f(e) {
			n++
		}
	}
	return n
}

// The kinds by what they let a person do at one instant, the most first.
var leniency = []EventKind{
	Granted, OptOutLifted, MessagesResumed, ReadBack, IDChanged, Declined, Revoked, OptedOut, MessagesStopped,
}

// precedes is the order in which events count.
func precedes(a, b Event) bool {
	rank := func(e Event) int {
		if i := slices.Index(leniency, e.Kind); i >= 0 {
			return i
		}
		return len(leniency)
	}
	switch {
	case !a.At.Equal(b.At):
		return a.At.Before(b.At)
	case rank(a) != rank(b):
		return rank(a) < rank(b)
	}
	if a.Kind == Granted {
		switch {
		case a.Automatic != b.Automatic:
			return a.Automatic
		case a.Permanent != b.Permanent:
			return a.Permanent
		case !a.Expires.Equal(b.Expires):
			return a.Expires.IsZero() || !b.Expires.IsZero() && a.Expires.After(b.Expires)
		}
	}
	if a.Kind == Delivered && (a.Delivery == "failed") != (b.Delivery == "failed") {
		return b.Delivery == "failed"
	}
	return a.ID < b.ID
}

// last is the latest event of those that f picks, nil for none.
func (m model) last(f func(Event) bool) *Event {
	var out *Event
	for i, e := range m.events {
		if f(e) && (out == nil || precedes(*out, e)) {
			out = &m.events[i]
		}
	}
	return out
}

func limited(o Event) bool { return o.Scope == ScopePurpose && o.Purpose != "" }

// inForce: the opt-out came before t and nothing lifted it in between.
func (m model) inForce(o, t Event) bool {
	return o.Kind == OptedOut && precedes(o, t) && !m.any(func(l Event) bool {
		return l.Kind == OptOutLifted && precedes(o, l) && precedes(l, t) && (l.Lifts == nil || slices.Contains(l.Lifts, o.ID))
	})
}

func (m model) barredAt(t Event) bool {
	return m.any(func(o Event) bool { return m.inForce(o, t) && !limited(o) })
}

func byUser(g Event) bool { return g.Kind == Granted && !g.Automatic && g.Auth != AuthOperator }

// counts: the grant was not void from the start.
func (m model) counts(g Event) bool {
	if g.Kind != Granted || m.barredAt(g) || m.strange(g) {
		return false
	}
	return byUser(g) || !m.any(func(o Event) bool {
		return o.Kind == OptedOut && !limited(o) && precedes(o, g) && !m.any(func(u Event) bool {
			return byUser(u) && precedes(o, u) && precedes(u, g) && m.counts(u)
		})
	})
}

// strange: another person gave the grant, as far as anybody can tell.
func (m model) strange(g Event) bool {
	gone := m.last(func(c Event) bool {
		return c.Kind == IDChanged && c.NewNumber && precedes(c, g) && g.Line != "" && (c.From == g.Line || c.To == g.Line)
	})
	if gone != nil && gone.To != g.Line {
		return true
	}
	return m.passedOn(g, Event.line, Event.holder) || m.passedOn(g, Event.holder, Event.line)
}

// today is the BSUID that the platform replaced a holder's by.
func (m model) today(holder string) string {
	c := m.last(func(c Event) bool { return c.Kind == IDChanged && !c.NewNumber && c.From == holder && holder != "" })
	if c == nil {
		return holder
	}
	return c.To
}

func (e Event) line() string   { return e.Line }
func (e Event) holder() string { return e.Holder }

// passedOn: what the grant names by one is with another, or was at the time.
func (m model) passedOn(g Event, of, with func(Event) string) bool {
	if of(g) == "" {
		return false
	}
	both := func(e Event) bool {
		elsewhere := []EventKind{OptedOut, OptOutLifted, IDChanged, Located} // of any business, whose BSUIDs are others
		return e.Line != "" && e.Holder != "" && !slices.Contains(elsewhere, e.Kind)
	}
	latest := func(of, with func(Event) string, key string) (string, bool) {
		var name string
		var at time.Time
		certain := true
		for _, e := range m.events {
			if !both(e) || of(e) != key {
				continue
			}
			switch {
			case name == "" || e.At.After(at):
				name, at, certain = with(e), e.At, true
			case e.At.Equal(at) && with(e) != name:
				certain = false
			}
		}
		return name, certain
	}
	now, certain := latest(of, with, of(g))
	if now == "" {
		return false
	}
	if back, sure := latest(with, of, now); !certain || !sure || back != of(g) {
		return true
	}
	if with(g) != "" {
		return with(g) != now
	}
	others := m.any(func(e Event) bool { return both(e) && of(e) == of(g) && with(e) != now })
	known := m.any(func(e Event) bool { return both(e) && of(e) == of(g) && with(e) == now && !e.At.After(g.At) })
	since := m.any(func(e Event) bool { return both(e) && of(e) == of(g) && with(e) != now && !e.At.Before(g.At) })
	return others && (!known || since)
}

func denies(r Event) bool {
	return r.Kind == ReadBack && r.Provided != nil && r.Provided.Status == StatusNone
}

// takes says whether an event ends what was granted before it.
func (m model) takes(e Event) bool {
	switch {
	case e.Kind == Declined, e.Kind == Revoked, e.Kind == OptedOut && !limited(e), e.Kind == IDChanged && e.NewNumber:
		return true
	case !denies(e):
		return false
	}
	g := m.standing(e)
	if g == nil {
		return false
	}
	ends := m.ends(*g, e, false)
	return ends.IsZero() || ends.After(e.At)
}

// standing is the grant in force right before t, nil for none.
func (m model) standing(t Event) *Event {
	var alive []Event
	for _, g := range m.events {
		if g.Kind == Granted && precedes(g, t) && m.counts(g) &&
			!m.any(func(n Event) bool { return precedes(g, n) && precedes(n, t) && m.takes(n) }) {
			alive = append(alive, g)
		}
	}
	slices.SortFunc(alive, func(a, b Event) int {
		if precedes(a, b) {
			return -1
		}
		return 1
	})
	var current *Event
	for i := range alive {
		if current == nil || !alive[i].Automatic || !current.Permanent {
			current = &alive[i]
		}
	}
	return current
}

// ends is the provider's end of a standing grant as known at t: the earliest one.
func (m model) ends(g, t Event, named bool) time.Time {
	ends := g.Expires
	for _, r := range m.events {
		after := r.Ref == "" && precedes(g, r) && precedes(r, t)
		if r.Kind == ReadBack && !denies(r) && (after || named && r.Ref == g.ID) && !r.Expires.IsZero() &&
			(ends.IsZero() || r.Expires.Before(ends)) {
			ends = r.Expires
		}
	}
	return ends
}

// betrayed is the refusal of a call that ends a grant: one after a confirmation
// that came after another refusal.
func (m model) betrayed(grant string) *Event {
	refusal := func(e Event) bool { return e.Kind == Settled && e.Outcome == OutcomeRefused && e.Ref == grant }
	var first *Event
	for i, e := range m.events {
		ends := refusal(e) && m.any(func(c Event) bool {
			return m.confirms(c, grant) && precedes(c, e) && m.any(func(r Event) bool { return refusal(r) && precedes(r, c) })
		})
		if ends && (first == nil || precedes(e, *first)) {
			first = &m.events[i]
		}
	}
	return first
}

func (m model) confirms(r Event, grant string) bool {
	return r.Kind == ReadBack && !denies(r) && (r.Ref == "" || r.Ref == grant)
}

// doubted is the first refusal that nothing confirmed after.
func (m model) doubted(grant string) string {
	first := Event{}
	for _, e := range m.events {
		if e.Kind == Settled && e.Outcome == OutcomeRefused && e.Ref == grant && (first.ID == "" || precedes(e, first)) &&
			!m.any(func(c Event) bool { return m.confirms(c, grant) && precedes(e, c) }) {
			first = e
		}
	}
	return first.ID
}

var theEnd = Event{ID: "~", Kind: sighted, At: testBase.AddDate(100, 0, 0)}

func modelOf(events []Event, p *pack, now time.Time) observed {
	m := model{slices.Clone(events)}
	slices.SortFunc(m.events, func(a, b Event) int { return strings.Compare(a.ID, b.ID) })
	m.events = slices.CompactFunc(m.events, func(a, b Event) bool { return a.ID == b.ID })
	for i := range m.events {
		m.events[i].Holder = m.today(m.events[i].Holder)
	}
	o := observed{Status: StatusNone, Reason: NoPermission, DoNotCall: m.barredAt(theEnd)}
	m.contact(&o)
	m.limits(&o, now)
	o.Epoch = int64(m.count(func(e Event) bool { return m.takes(e) || e.Kind == OptedOut && limited(e) }))
	grants := map[string]bool{}
	for _, e := range m.events {
		if e.Kind == Settled && e.Ref != "" && !grants[e.Ref] && m.betrayed(e.Ref) != nil {
			grants[e.Ref] = true
			o.Epoch++
		}
	}
	g, bar := m.standing(theEnd), m.last(m.takes)
	if g != nil && grants[g.ID] {
		g, bar = nil, m.betrayed(g.ID)
	}
	switch {
	case o.DoNotCall:
		o.Reason = DoNotCall
	case g != nil:
		m.granted(&o, *g, p, now)
	case bar != nil && bar.Kind == Declined && !bar.Automatic:
		o.Reason = PermissionDeclined
	case bar != nil:
		o.Reason = PermissionRevoked
	}
	return o
}

// granted fills in what follows from the standing grant.
func (m model) granted(o *observed, g Event, p *pack, now time.Time) {
	o.Grant, o.Doubt = g.ID, m.doubted(g.ID)
	o.Verified = g.Auth == AuthHMAC || g.Auth == AuthReadBack || m.any(func(r Event) bool {
		return r.Kind == ReadBack && !denies(r) && (r.Ref == g.ID || r.Ref == "" && precedes(g, r))
	})
	o.Attempts = m.count(func(a Event) bool {
		since := g.Auth == AuthReadBack && a.Ref != "" && a.At.Compare(g.At) >= 0
		return a.Kind == Attempted && (a.Ref == g.ID || since)
	})
	strict := p.Name == "8x8-strict"
	ends := m.ends(g, theEnd, true)
	forever := g.Permanent && ends.IsZero()
	switch {
	case forever && !strict:
	case ends.IsZero() && strict:
		ends = g.At.Add(24 * time.Hour)
	case ends.IsZero():
		ends = g.At.Add(168 * time.Hour)
	}
	if strict && ends.Sub(g.At) > 24*time.Hour {
		ends = g.At.Add(24 * time.Hour)
	}
	o.Expires = ends
	switch {
	case !ends.IsZero() && ends.Sub(now) <= time.Minute:
		o.Reason = PermissionExpired
	case forever:
		o.Status, o.Reason = StatusPermanent, Allowed
	default:
		o.Status, o.Reason = StatusTemporary, Allowed
	}
}

// contact fills in what does not bear on calls, and the lists.
func (m model) contact(o *observed) {
	o.Read = id(m.last(func(e Event) bool { return e.Kind == ReadBack }))
	if z := m.last(func(e Event) bool { return e.Kind == Located && !m.strange(e) }); z != nil {
		o.Zone = z.Zone
	}
	if d := m.last(func(e Event) bool {
		return e.Kind == Delivered && slices.Contains([]string{"delivered", "read", "failed"}, e.Delivery)
	}); d != nil && d.Delivery == "failed" {
		o.Failed = d.ID
	}
	for _, category := range []string{"marketing", ""} {
		stop := m.last(func(e Event) bool {
			return (e.Kind == MessagesStopped || e.Kind == MessagesResumed) && e.Category == category || e.Kind == MessagesResumed && e.Category == ""
		})
		if stop != nil && stop.Kind == MessagesStopped {
			o.Stopped = stop.ID
		}
	}
	var only, entries []string
	var all []Event
	for _, e := range m.events {
		if m.inForce(e, theEnd) {
			all = append(all, e)
		}
	}
	reach := func(e Event) string {
		if e.Scope == ScopeAll {
			return "all"
		}
		if e.Scope == ScopeBrand {
			return e.Brand
		}
		return e.Brand + "/" + e.Purpose
	}
	slices.SortFunc(all, func(a, b Event) int {
		if precedes(a, b) {
			return -1
		}
		return 1
	})
	for i, e := range all {
		if !slices.ContainsFunc(all[:i], func(b Event) bool { return strings.TrimSuffix(reach(b), "/") == strings.TrimSuffix(reach(e), "/") }) {
			entries = append(entries, e.ID)
		}
		if limited(e) && !slices.ContainsFunc(all[i+1:], func(b Event) bool { return limited(b) && b.Purpose == e.Purpose }) {
			only = append(only, e.Purpose+"="+e.ID)
		}
	}
	slices.Sort(only)
	o.Only, o.Entries = strings.Join(only, ","), strings.Join(entries, ",")
}
