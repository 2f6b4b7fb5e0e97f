package permissions

import (
	"cmp"
	"slices"
	"time"
)

// How far the provider's clock may date the end of a call of ours before it began
// or after it ended here.
const (
	reportEarly = 5 * time.Second
	reportLate  = time.Minute
)

// call is one call of a pair, put together from what we and the provider say of it.
type call struct {
	key     string
	grant   string // that our attempt relied on
	inbound bool   // the user called us
	own     bool   // we placed it
	settled Outcome
	said    Outcome // the provider's word
	began   time.Time
	ended   time.Time // when known, else when it began
}

// outcome is how the call ended, "" while it has not. What we saw counts, but the
// provider's word where we do not know, or did not wait for the user's answer.
func (c *call) outcome() Outcome {
	switch c.settled {
	case OutcomeConnected, OutcomeUnanswered, OutcomeRejected:
		return c.settled
	case OutcomeCancelled, OutcomeFailed, OutcomeRefused, OutcomeUnknown:
	}
	if c.said != "" {
		return c.said
	}
	return c.settled
}

// hear takes in one report; a connected call stays one.
func (c *call) hear(o Outcome, at time.Time) {
	if c.said != OutcomeConnected {
		c.said = o
	}
	if c.settled == "" && at.After(c.ended) {
		c.ended = at
	}
}

// calls are the calls of the pair in the order in which they ended. A call of ours
// that the provider reports as well is one call.
func (h *history) calls() []call {
	if h.placed == nil {
		h.placed = h.assemble()
	}
	return h.placed
}

func (h *history) assemble() []call {
	list := []call{}
	byKey := make(map[string]int)
	at := func(key string, e *Event, own, inbound bool) *call {
		i, known := byKey[key]
		if !known {
			i = len(list)
			byKey[key] = i
			list = append(list, call{key: key, own: own, inbound: inbound, began: e.At, ended: e.At})
		}
		return &list[i]
	}
	for i := range h.events {
		switch e := &h.events[i]; e.Kind {
		case Attempted:
			if e.CallID != "" {
				c := at("own/"+e.CallID, e, true, false)
				c.began, c.grant = e.At, e.Ref
			}
		case Settled:
			c := at("own/"+cmp.Or(e.CallID, e.ID), e, true, false)
			c.settled, c.ended, c.grant = e.Outcome, e.At, e.Ref
			if c.began.After(c.ended) {
				c.began = c.ended
			}
		case Called:
			at("in/"+cmp.Or(e.CallID, e.Ref, e.ID), e, false, true).hear(e.Outcome, e.At)
		default:
		}
	}
	own := slices.Clone(list)
	for i := range h.events {
		e := &h.events[i]
		if e.Kind != Reported {
			continue
		}
		key, inbound := "out/"+cmp.Or(e.CallID, e.Ref, e.ID), e.Inbound
		if _, ours := byKey["own/"+e.CallID]; inbound {
			key = "in/" + cmp.Or(e.CallID, e.Ref, e.ID)
		} else if ours && e.CallID != "" {
			key = "own/" + e.CallID
		} else if k := during(own, e); k != "" {
			key = k
		}
		at(key, e, false, inbound).hear(e.Outcome, e.At)
	}
	slices.SortStableFunc(list, func(a, b call) int { return cmp.Or(a.ended.Compare(b.ended), cmp.Compare(a.key, b.key)) })
	return list
}

// during finds the call of ours that a report without our id is about: the platform
// lets a business ring a user once at a time, so it is the one that was going on.
func during(list []call, e *Event) string {
	key := ""
	var began time.Time
	for _, c := range list {
		if !c.own || e.CallID != "" || c.began.After(e.At.Add(reportEarly)) {
			continue
		}
		if over := c.settled != "" && e.At.After(c.ended.Add(reportLate)); !over && (key == "" || c.began.After(began)) {
			key, began = c.key, c.began
		}
	}
	return key
}
