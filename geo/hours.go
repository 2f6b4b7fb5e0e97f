package geo

import (
	"math"
	"strings"
	"time"
)

// daySeconds is the length of a civil day; days that DST shortens or lengthens
// are made of the same wall clock.
const daySeconds = 24 * 60 * 60

// horizon bounds the search for the next change: a leap year.
const horizon = 366 * daySeconds

// Hours are the times of the week at which a person may be called, with holidays.
// Immutable and safe for concurrent use; a nil *Hours is open at all hours, the
// zero value at none. The JSON form is documented in docs/rule-packs.md:
//
//	{"weekly": {"mon": ["08:00-21:00"], …}, "holidays": [{"date": "2026-12-25", "region": "SG", "hours": []}]}
//
// A day that weekly leaves out is closed. A holiday replaces the hours of its date,
// in its region or, without one, everywhere. An interval is half open and may end
// at 24:00.
type Hours struct {
	weekly   [7]daily            // by time.Weekday
	holidays map[int64][]holiday // by days since 1970-01-01
}

// daily is the open intervals of one date, in order, without overlap.
type daily []interval

// interval is half open, in seconds of the wall clock's day.
type interval struct{ from, to int64 }

// holiday replaces the hours of a date.
type holiday struct {
	region string // "" for everywhere
	hours  daily
}

// Spell is the answer of [Hours.At].
type Spell struct {
	Open bool
	// Next is when Open changes: exact across DST, in UTC, zero when it never does
	// within a year.
	Next time.Time
	// Zone is the first of the zones in which it is closed, with its local time,
	// when not Open; "" when no zone was given.
	Zone  string
	Local time.Time
}

// At says whether t is within the hours in every one of the zones, for a person in
// region ("" when not known; then every region's holidays of that date hold).
//
// The holiday of the region itself goes before that of its country, and that
// before one without a region. A holiday of a part of the region (of "US-CA" for
// "US") may hold for the person: then it must be open under its hours too.
//
// Without any zone nobody knows what time it is for the person: that is open only
// if the hours have no end at all.
func (h *Hours) At(t time.Time, region string, zones ...*time.Location) Spell {
	if h == nil || h.always() {
		return Spell{Open: true}
	}
	if len(zones) == 0 {
		return Spell{}
	}
	now := t.Unix()
	limit := now + horizon
	open, next, shut := h.every(now, limit, region, zones)
	out := Spell{Open: open}
	if !open {
		out.Zone, out.Local = shut.String(), t.In(shut)
		next = h.opening(next, limit, region, zones)
	}
	if next < limit {
		out.Next = time.Unix(next, 0).UTC()
	}
	return out
}

// opening is the first instant from next on at which all zones are open, or limit.
func (h *Hours) opening(next, limit int64, region string, zones []*time.Location) int64 {
	const week = 7 * daySeconds
	for from := next; next < limit; {
		again, later, _ := h.every(next, limit, region, zones)
		if again {
			return next
		}
		// No instant before later is open in the zone that opens last; at later
		// another one may have closed.
		next = later
		if next-from < week {
			continue
		}
		// A week without an open moment is like the next one, as long as no clock
		// changes and no holiday comes.
		if stable := h.stable(from, zones); next < stable {
			next = min(stable, limit)
		}
		from = next
	}
	return limit
}

// stable is the instant from which on, seen from an earlier one, the hours may not
// repeat every week: a zone changes its clocks, or a holiday begins or ends
// somewhere.
func (h *Hours) stable(from int64, zones []*time.Location) int64 {
	until := int64(math.MaxInt64)
	for _, loc := range zones {
		until = min(until, clockAt(from, loc).end)
	}
	for day := range h.holidays {
		begin, end := (day-1)*daySeconds, (day+2)*daySeconds // in UTC, with room for every zone
		switch {
		case from < begin:
			until = min(until, begin)
		case from < end:
			until = min(until, end)
		}
	}
	return until
}

// every says whether all zones are open at now. When they are, next is the first
// closing of any; when not, it is the last of the next openings of those that are
// closed, and shut the first of those. At limit or later next says never.
func (h *Hours) every(now, limit int64, region string, zones []*time.Location) (open bool, next int64, shut *time.Location) {
	open, next = true, limit
	for _, loc := range zones {
		clock := clockAt(now, loc)
		isOpen, _ := h.on(clock.day(now), clock.second(now), region)
		switch {
		case isOpen && open:
			next = h.change(clock, now, next, region) // a later one than the earliest known does not matter
		case isOpen: // some other zone is closed
		case open:
			open, next, shut = false, h.change(clock, now, limit, region), clock.loc
		default:
			next = max(next, h.change(clock, now, limit, region))
		}
	}
	return open, next, shut
}

// change is the first instant after now at which the hours open or close on this
// clock, or limit when that is not before it.
func (h *Hours) change(c clock, now, limit int64, region string) int64 {
	was, until := h.on(c.day(now), c.second(now), region)
	for now < limit {
		// The wall clock runs evenly up to the end of its offset; what it would
		// have shown after that does not happen.
		now += until - c.second(now)
		if c.end <= now {
			now = c.end
			c = clockAt(now, c.loc)
		}
		var is bool
		if is, until = h.on(c.day(now), c.second(now), region); is != was {
			return min(now, limit)
		}
	}
	return limit
}

// on says whether second of day is open, and until which second of that day the
// answer is known to hold.
func (h *Hours) on(day, second int64, region string) (open bool, until int64) {
	base := h.weekly[weekday(day)]
	lines := h.holidays[day]
	if len(lines) == 0 {
		return base.at(second)
	}
	rank := farAway
	for _, line := range lines {
		if r := standing(line.region, region); r > rank {
			rank, base = r, line.hours
		}
	}
	open, until = base.at(second)
	for _, line := range lines {
		if standing(line.region, region) == perhapsHere {
			also, end := line.hours.at(second)
			open, until = open && also, min(until, end)
		}
	}
	return open, until
}

// How a holiday's region stands to the person's, the stronger one higher.
const (
	perhapsHere = -1 // the region is a part of the person's, or the person's is not known
	farAway     = iota - 1
	everywhere
	country
	exactly
)

func standing(holiday, person string) int {
	switch {
	case holiday == "":
		return everywhere
	case holiday == person:
		return exactly
	case person == "", strings.HasPrefix(holiday, person+"-"):
		return perhapsHere
	case strings.HasPrefix(person, holiday+"-"):
		return country
	}
	return farAway
}

// at says whether a second of the day is open, and until when that holds.
func (d daily) at(second int64) (open bool, until int64) {
	for _, i := range d {
		if second < i.from {
			return false, i.from
		}
		if second < i.to {
			return true, i.to
		}
	}
	return false, daySeconds
}

// always says whether the hours never close.
func (h *Hours) always() bool {
	for _, d := range h.weekly {
		if !d.always() {
			return false
		}
	}
	for _, lines := range h.holidays {
		for _, line := range lines {
			if !line.hours.always() {
				return false
			}
		}
	}
	return true
}

func (d daily) always() bool {
	second := int64(0)
	for _, i := range d {
		if i.from != second {
			return false
		}
		second = i.to
	}
	return second == daySeconds
}
