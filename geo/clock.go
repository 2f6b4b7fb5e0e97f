package geo

import (
	"math"
	"time"
)

// clock is the wall clock of a zone while its offset to UTC stands. Times are
// Unix seconds.
type clock struct {
	loc    *time.Location
	offset int64 // seconds east of UTC
	end    int64 // when the offset may change, exclusive; far away when it never does
}

// clockAt is the clock that a zone shows at t.
func clockAt(t int64, loc *time.Location) clock {
	if loc == nil {
		loc = time.UTC
	}
	local := time.Unix(t, 0).In(loc)
	_, offset := local.Zone()
	c := clock{loc: loc, offset: int64(offset), end: math.MaxInt64}
	if _, end := local.ZoneBounds(); !end.IsZero() {
		c.end = end.Unix()
	}
	return c
}

// day is the local date as days since 1970-01-01.
func (c clock) day(t int64) int64 {
	local := t + c.offset
	day := local / daySeconds
	if local%daySeconds < 0 {
		day--
	}
	return day
}

// second is the second of the local day that the clock shows.
func (c clock) second(t int64) int64 { return t + c.offset - c.day(t)*daySeconds }

// weekday is the day of the week of a date; 1970-01-01 was a Thursday.
func weekday(day int64) time.Weekday {
	return time.Weekday(((day+int64(time.Thursday))%7 + 7) % 7)
}
