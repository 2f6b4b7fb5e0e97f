package permissions

import (
	"slices"
	"time"
)

// used counts the calls of the standing grant as the pack consumes them.
func (h *history) used(p *pack) int {
	n := 0
	for _, e := range h.events {
		if e.Ref != h.grant.ID {
			continue
		}
		switch {
		case e.Kind == Attempted && p.Calls.ConsumedAt == consumedAtAttempt,
			e.Kind == Settled && p.Calls.ConsumedAt == consumedAtConnected && mayHaveConnected(e.Outcome):
			n++
		}
	}
	return n
}

// connected are the times of connected business-initiated calls, in order. With
// doubtful those whose outcome a crash hid are among them: they count against a
// limit, but reset none.
func (h *history) connected(doubtful bool) []time.Time {
	var out []time.Time
	for _, e := range h.events {
		if e.Kind == Settled && (e.Outcome == OutcomeConnected || doubtful && e.Outcome == OutcomeUnknown) {
			out = append(out, e.At)
		}
	}
	return out
}

// requests are the times of permission requests since the last connected call in
// either direction, when the pack resets them by it. The reset is dated to the
// beginning of the call, because the platform's comes when it connects: a request
// made during the call counts.
func (h *history) requests(p *pack) []time.Time {
	var out []time.Time
	began := make(map[string]time.Time)
	for _, e := range h.events {
		switch {
		case e.Kind == Requested:
			out = append(out, e.At)
		case e.Kind == Attempted && e.CallID != "":
			began[e.CallID] = e.At
		case p.Requests.Reset && (e.Kind == Settled || e.Kind == Called) && e.Outcome == OutcomeConnected:
			at, ok := began[e.CallID]
			if !ok {
				at = e.At
			}
			out = slices.DeleteFunc(out, func(t time.Time) bool { return t.Before(at) })
		}
	}
	return out
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

// streak counts the business-initiated calls that were not answered or were
// declined, since the last connected call in either direction or the last grant
// that the user gave.
func (h *history) streak() int { return 0 }
