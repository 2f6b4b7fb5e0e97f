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
	if !c.own && at.Before(c.began) {
		c.began = at
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

// book is the list of calls in the making.
type book struct {
	list  []call
	byKey map[string]int
}

// at finds or opens the call of a key.
func (b *book) at(key string, e *Event, own, inbound bool) *call {
	i, known := b.byKey[key]
	if !known {
		i = len(b.list)
		b.byKey[key] = i
		b.list = append(b.list, call{key: key, own: own, inbound: inbound, began: e.At, ended: e.At})
	}
	return &b.list[i]
}

func (h *history) assemble() []call {
	b := &book{list: []call{}, byKey: make(map[string]int)}
	for i := range h.events {
		b.enter(&h.events[i])
	}
	for i := range b.list {
		if c := &b.list[i]; c.began.After(c.ended) {
			c.began = c.ended // a clock that was set back
		}
	}
	own := slices.Clone(b.list)
	for i := range h.events {
		if e := &h.events[i]; e.Kind == Reported || e.Kind == Called {
			b.at(b.reported(e, own), e, false, e.comesIn()).hear(e.Outcome, e.At)
		}
	}
	slices.SortStableFunc(b.list, func(a, c call) int { return cmp.Or(a.ended.Compare(c.ended), cmp.Compare(a.key, c.key)) })
	return b.list
}

// enter notes what we saw of a call.
func (b *book) enter(e *Event) {
	switch e.Kind {
	case Attempted:
		if e.CallID == "" {
			return
		}
		c := b.at("own/"+e.CallID, e, true, false)
		c.began, c.grant = e.At, e.Ref
		if c.settled == "" {
			c.ended = e.At
		}
	case Settled:
		c := b.at("own/"+cmp.Or(e.CallID, e.ID), e, true, false)
		c.settled, c.ended, c.grant = e.Outcome, e.At, e.Ref
	default:
	}
}

// comesIn is true for a call that the user placed.
func (e *Event) comesIn() bool { return e.Inbound || e.Kind == Called }

// reported is the key of the call that a report is about.
func (b *book) reported(e *Event, own []call) string {
	name := cmp.Or(e.CallID, e.Ref, e.ID)
	if e.comesIn() {
		return "in/" + name
	}
	if _, ours := b.byKey["own/"+e.CallID]; ours && e.CallID != "" {
		return "own/" + e.CallID
	}
	return cmp.Or(during(own, e), "out/"+name)
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
