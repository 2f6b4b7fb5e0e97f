package permissions

import (
	"cmp"
	"slices"
	"time"
)

// used counts the calls of the standing grant as the pack consumes them.
func (h *history) used(p *pack) int {
	n := 0
	if p.Calls.ConsumedAt == consumedAtConnected {
		for _, c := range h.calls() {
			if h.relies(c.grant, c.began) && mayHaveConnected(c.outcome()) {
				n++
			}
		}
		return n
	}
	for _, e := range h.events {
		if e.Kind == Attempted && h.relies(e.Ref, e.At) {
			n++
		}
	}
	return n
}

// relies says whether a call of ours on a grant, placed at a time, is one on the
// standing grant. When that was read back, it held already while we called on what
// was known before of the same word of the user.
func (h *history) relies(grant string, at time.Time) bool {
	return grant == h.grant.ID || grant != "" && h.grant.Auth == AuthReadBack && !at.Before(h.grant.At)
}

// connected are the times of connected business-initiated calls, in order. With
// doubtful those whose outcome a crash hid are among them: they count against a
// limit, but reset none.
func (h *history) connected(doubtful bool) []time.Time {
	var out []time.Time
	for _, c := range h.calls() {
		if o := c.outcome(); !c.inbound && (o == OutcomeConnected || doubtful && o == OutcomeUnknown) {
			out = append(out, c.ended)
		}
	}
	return out
}

// streak counts the business-initiated calls that were not answered or were
// declined, since the last connected call in either direction or the last grant
// that the user gave. One whose outcome a crash hid counts with them. At one
// instant the reset comes first.
func (h *history) streak() int {
	type turn struct {
		at   time.Time
		miss int // 1 for a call that missed the user, 0 begins the count anew
	}
	var turns []turn
	for _, c := range h.calls() {
		switch o := c.outcome(); {
		case o == OutcomeConnected:
			turns = append(turns, turn{at: c.ended})
		case !c.inbound && (o == OutcomeUnanswered || o == OutcomeRejected || o == OutcomeUnknown):
			turns = append(turns, turn{at: c.ended, miss: 1})
		}
	}
	if len(turns) == 0 {
		return 0
	}
	for i := range h.events {
		if e := &h.events[i]; e.own() && !h.holders.elseHolds(e) {
			turns = append(turns, turn{at: e.At})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.miss, b.miss)) })
	n := 0
	for _, t := range turns {
		n = (n + 1) * t.miss
	}
	return n
}

// cycle counts the requests since the last grant.
func (h *history) cycle() int {
	n := 0
	for _, e := range h.events {
		if e.Kind == Requested {
			n++
		}
		if e.Kind == Granted {
			n = 0
		}
	}
	return n
}

func (h *history) lastRequest() time.Time {
	var last time.Time
	for _, e := range h.events {
		if e.Kind == Requested {
			last = e.At
		}
	}
	return last
}

func mayHaveConnected(o Outcome) bool { return o == OutcomeConnected || o == OutcomeUnknown }

// within are the times that a window of the period ending at now still holds.
func within(times []time.Time, now time.Time, period time.Duration) []time.Time {
	i, _ := slices.BinarySearchFunc(times, now, func(t, now time.Time) int {
		if t.Add(period).After(now) {
			return 1
		}
		return -1
	})
	return times[i:]
}

func longest(limits []limit) time.Duration {
	var d time.Duration
	for _, l := range limits {
		d = max(d, l.Period.duration())
	}
	return d
}
