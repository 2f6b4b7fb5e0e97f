package permissions

import "time"

// rang is one call as the model of the limits sees it.
type rang struct {
	ours, connected, missed, hidden bool
	began, ended                    time.Time
}

// calls of the model: what we saw and what the provider says of one id is one call,
// and the provider's word counts where ours is none.
func (m model) calls() (out []rang) {
	done := map[string]bool{}
	for _, first := range m.events {
		switch first.Kind {
		case Attempted, Settled, Called, Reported:
		default:
			continue
		}
		in := first.Kind == Called || first.Inbound
		name := first.CallID + map[bool]string{true: "/in"}[in]
		if done[name] {
			continue
		}
		done[name] = true
		var seen, told Outcome
		var began, ended, heard time.Time
		for _, e := range m.events {
			if e.CallID != first.CallID || in != (e.Kind == Called || e.Inbound) {
				continue
			}
			switch e.Kind {
			case Attempted:
				began = e.At
			case Settled:
				seen, ended = e.Outcome, e.At
			case Called, Reported:
				if later := m.last(func(r Event) bool {
					return r.CallID == e.CallID && (r.Kind == Called || r.Kind == Reported) && in == (r.Kind == Called || r.Inbound)
				}); told != OutcomeConnected {
					told = later.Outcome
				}
				if e.Outcome == OutcomeConnected {
					told = OutcomeConnected
				}
				if heard.IsZero() || e.At.Before(heard) {
					heard = e.At
				}
			default:
			}
		}
		outcome := seen
		if told != "" && seen != OutcomeConnected && seen != OutcomeUnanswered && seen != OutcomeRejected {
			outcome = told
		}
		if ended.IsZero() {
			ended = began
			for _, e := range m.events {
				if e.CallID == first.CallID && (e.Kind == Called || e.Kind == Reported) && in == (e.Kind == Called || e.Inbound) && e.At.After(ended) {
					ended = e.At
				}
			}
		}
		switch {
		case began.IsZero() && seen != "":
			began = ended
		case began.IsZero():
			began = heard
		case began.After(ended):
			began = ended
		}
		out = append(out, rang{
			ours: !in, connected: outcome == OutcomeConnected, hidden: outcome == OutcomeUnknown,
			missed: outcome == OutcomeUnanswered || outcome == OutcomeRejected || outcome == OutcomeUnknown, began: began, ended: ended,
		})
	}
	return out
}

// limits fills in what is counted: requests in 7 days since the last connected
// call, connected calls in 24 hours, and missed calls in a row.
func (m model) limits(o *observed, now time.Time) {
	calls := m.calls()
	for _, e := range m.events {
		at := e.At // of a request, or when the provider took it
		for _, d := range m.events {
			if d.Kind == Delivered && d.Request == e.ID && (d.Delivery == "accepted" || d.Delivery == "sent") && d.At.After(at) {
				at = d.At
			}
		}
		fresh := e.Kind == Requested && now.Sub(at) < 168*time.Hour
		for _, c := range calls {
			fresh = fresh && (!c.connected || !c.began.After(at))
		}
		if fresh {
			o.Requests++
		}
	}
	for _, c := range calls {
		if c.ours && (c.connected || c.hidden) && now.Sub(c.ended) < 24*time.Hour {
			o.Connected++
		}
		inRow := c.ours && c.missed
		for _, r := range calls {
			inRow = inRow && (!r.connected || !r.ended.After(c.ended))
		}
		if inRow && !m.any(func(g Event) bool { return byUser(g) && !m.passedTo(g) && g.At.After(c.ended) }) {
			o.Streak++
		}
	}
}

// passedTo: the grant was somebody else's, by what was seen of the addresses.
func (m model) passedTo(g Event) bool {
	return m.passedOn(g, Event.line, Event.holder) || m.passedOn(g, Event.holder, Event.line)
}
