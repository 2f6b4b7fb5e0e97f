package permissions

import (
	"slices"
	"time"
)

// observed is the part of a Permission that the model predicts.
type observed struct {
	Status                        Status
	Reason                        Reason
	Grant                         string
	Expires                       time.Time
	Verified, DoNotCall           bool
	Requests, Connected, Attempts int
	Epoch                         int64
}

func seen(s Permission) observed {
	return observed{s.Status, s.Reason, s.Grant, s.Expires, s.Verified, s.DoNotCall, s.Requests, s.Connected, s.Attempts, s.Epoch}
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

// barredAt: an opt-out came before t and was not lifted in between.
func (m model) barredAt(t time.Time) bool {
	return m.any(func(o Event) bool {
		return o.Kind == OptedOut && o.At.Before(t) && !m.any(func(l Event) bool {
			return l.Kind == OptOutLifted && l.At.After(o.At) && l.At.Before(t)
		})
	})
}

// counts: the grant was not void from the start.
func (m model) counts(g Event) bool {
	if g.Kind != Granted || m.barredAt(g.At) {
		return false
	}
	if !g.Automatic {
		return true
	}
	return !m.any(func(o Event) bool {
		return o.Kind == OptedOut && o.At.Before(g.At) && !m.any(func(u Event) bool {
			return !u.Automatic && u.At.After(o.At) && u.At.Before(g.At) && m.counts(u)
		})
	})
}

func narrows(e Event) bool { return e.Kind == Declined || e.Kind == Revoked || e.Kind == OptedOut }

// standing is the grant in force, nil for none.
func (m model) standing() *Event {
	var alive []Event
	for _, g := range m.events {
		if m.counts(g) && !m.any(func(n Event) bool { return narrows(n) && !n.At.Before(g.At) }) {
			alive = append(alive, g)
		}
	}
	slices.SortFunc(alive, compareEvents)
	var current *Event
	for i := range alive {
		if current == nil || !alive[i].Automatic || !current.Permanent {
			current = &alive[i]
		}
	}
	return current
}

func modelOf(events []Event, p *pack, now time.Time) observed {
	m := model{events}
	never := testBase.AddDate(100, 0, 0)
	connected := func(e Event) bool { return (e.Kind == Settled || e.Kind == Called) && e.Outcome == OutcomeConnected }
	o := observed{
		Status: StatusNone, Reason: NoPermission, DoNotCall: m.barredAt(never), Epoch: int64(m.count(narrows)),
		Requests: m.count(func(r Event) bool {
			return r.Kind == Requested && now.Sub(r.At) < 168*time.Hour &&
				!m.any(func(c Event) bool { return connected(c) && c.At.After(r.At) })
		}),
		Connected: m.count(func(s Event) bool {
			return s.Kind == Settled && s.Outcome != OutcomeUnanswered && now.Sub(s.At) < 24*time.Hour
		}),
	}
	if o.DoNotCall {
		o.Reason = DoNotCall
		return o
	}
	g := m.standing()
	if g == nil {
		var last Event
		for _, e := range m.events {
			if narrows(e) && (last.ID == "" || compareEvents(e, last) > 0) {
				last = e
			}
		}
		switch {
		case last.Kind == Declined && !last.Automatic:
			o.Reason = PermissionDeclined
		case last.ID != "":
			o.Reason = PermissionRevoked
		}
		return o
	}
	o.Grant, o.Verified = g.ID, g.Auth != AuthBearer
	ends := g.Expires
	for _, r := range m.events {
		if r.Kind != ReadBack || r.Ref != g.ID && (r.Ref != "" || r.At.Before(g.At)) {
			continue
		}
		o.Verified = true
		if !r.Expires.IsZero() && (ends.IsZero() || r.Expires.Before(ends)) {
			ends = r.Expires
		}
	}
	strict := p.Name == "8x8-strict"
	switch {
	case g.Permanent && !strict:
		ends = time.Time{}
	case ends.IsZero() && strict:
		ends = g.At.Add(24 * time.Hour)
	case ends.IsZero():
		ends = g.At.Add(168 * time.Hour)
	}
	if strict && ends.Sub(g.At) > 24*time.Hour {
		ends = g.At.Add(24 * time.Hour)
	}
	o.Expires = ends
	o.Attempts = m.count(func(a Event) bool { return a.Kind == Attempted && a.Ref == g.ID })
	switch {
	case !ends.IsZero() && ends.Sub(now) <= time.Minute:
		o.Reason = PermissionExpired
	case g.Permanent:
		o.Status, o.Reason = StatusPermanent, Allowed
	default:
		o.Status, o.Reason = StatusTemporary, Allowed
	}
	return o
}
