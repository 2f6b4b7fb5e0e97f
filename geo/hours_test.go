package geo

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// decent is the hours of both shipped packs.
const decent = `{"weekly": {"mon": ["08:00-21:00"], "tue": ["08:00-21:00"], "wed": ["08:00-21:00"],
	"thu": ["08:00-21:00"], "fri": ["08:00-21:00"], "sat": ["08:00-21:00"], "sun": ["08:00-21:00"]}}`

func hours(tb testing.TB, text string) *Hours {
	tb.Helper()
	var h Hours
	require.NoError(tb, json.Unmarshal([]byte(text), &h))
	return &h
}

// everyDay is the same intervals on every day of the week.
func everyDay(intervals string) string {
	var lines []string
	for _, day := range weekdays() {
		lines = append(lines, `"`+day+`": `+intervals)
	}
	return `{"weekly": {` + strings.Join(lines, ",") + "}}"
}

// withHolidays adds holidays to hours that have none.
func withHolidays(weekly, lines string) string {
	return strings.TrimSuffix(weekly, "}") + `, "holidays": [` + lines + `]}`
}

func mustZone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := Zone(name)
	require.NoError(tb, err, name)
	return loc
}

func utc(tb testing.TB, text string) time.Time {
	tb.Helper()
	t, err := time.Parse(time.RFC3339, text)
	require.NoError(tb, err)
	return t.UTC()
}

// TestAtAcrossClockChanges walks the spells of one zone from a start: each line is
// an instant at which the hours open (+) or close (-), worked out by hand.
func TestAtAcrossClockChanges(t *testing.T) {
	for _, tc := range []struct {
		name, hours, zone, start string
		changes                  []string
	}{
		{
			"an ordinary day", decent, "Asia/Singapore", "2026-11-22T00:00:00+08:00",
			[]string{"+2026-11-22T08:00:00+08:00", "-2026-11-22T21:00:00+08:00", "+2026-11-23T08:00:00+08:00"},
		},
		{
			"gap: the night is an hour shorter", decent, "America/New_York", "2026-03-07T20:00:00-05:00",
			[]string{"-2026-03-07T21:00:00-05:00", "+2026-03-08T08:00:00-04:00", "-2026-03-08T21:00:00-04:00"},
		},
		{
			"overlap: the night is an hour longer", decent, "America/New_York", "2026-10-31T20:00:00-04:00",
			[]string{"-2026-10-31T21:00:00-04:00", "+2026-11-01T08:00:00-05:00", "-2026-11-01T21:00:00-05:00"},
		},
		{
			"gap swallows the opening", everyDay(`["02:30-21:00"]`), "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"+2026-03-29T01:00:00Z", "-2026-03-29T21:00:00+02:00"},
		}, // 02:30 does not exist: open from 03:00
		{
			"gap swallows the closing", everyDay(`["01:00-02:30"]`), "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"+2026-03-29T01:00:00+01:00", "-2026-03-29T01:00:00Z"},
		},
		{
			"gap swallows a whole interval", everyDay(`["02:00-03:00", "12:00-13:00"]`), "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"+2026-03-29T12:00:00+02:00"},
		},
		{
			"gap swallows a pause", everyDay(`["01:00-02:00", "03:00-04:00"]`), "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			[]string{"+2026-03-29T00:00:00Z", "-2026-03-29T02:00:00Z"},
		}, // open throughout
		{
			"overlap opens twice", everyDay(`["02:30-02:45"]`), "Europe/Berlin", "2026-10-25T00:00:00+02:00",
			[]string{"+2026-10-25T00:30:00Z", "-2026-10-25T00:45:00Z", "+2026-10-25T01:30:00Z", "-2026-10-25T01:45:00Z"},
		},
		{
			"overlap shuts what was open", everyDay(`["02:30-21:00"]`), "Europe/Berlin", "2026-10-25T00:00:00+02:00",
			[]string{"+2026-10-25T00:30:00Z", "-2026-10-25T01:00:00Z", "+2026-10-25T01:30:00Z", "-2026-10-25T20:00:00Z"},
		},
		{
			"gap at midnight", everyDay(`["00:00-01:00"]`), "Asia/Beirut", "2026-03-28T12:00:00+02:00",
			[]string{"+2026-03-30T00:00:00+03:00"},
		}, // on the 29th 00:00 to 01:00 does not exist
		{
			"half-hour zone", decent, "Asia/Kolkata", "2026-11-22T00:00:00Z",
			[]string{"+2026-11-22T02:30:00Z", "-2026-11-22T15:30:00Z"},
		},
		{
			"45-minute zone", decent, "Asia/Kathmandu", "2026-11-22T00:00:00Z",
			[]string{"+2026-11-22T02:15:00Z", "-2026-11-22T15:15:00Z"},
		},
		{
			"45-minute zone with DST", decent, "Pacific/Chatham", "2026-04-04T12:00:00Z",
			[]string{"+2026-04-05T08:00:00+12:45", "-2026-04-05T21:00:00+12:45"},
		},
		{
			"half an hour of DST", decent, "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
			[]string{"+2026-10-04T08:00:00+11:00", "-2026-10-04T21:00:00+11:00"},
		},
		{
			"a zone skips a day", withHolidays(everyDay(`["00:00-24:00"]`), `{"date": "2011-12-29", "hours": []}, {"date": "2011-12-30", "hours": ["08:00-09:00"]}`),
			"Pacific/Apia", "2011-12-28T12:00:00-10:00",
			[]string{"-2011-12-29T00:00:00-10:00", "+2011-12-31T00:00:00+14:00"},
		},
		{
			"a zone stays on daylight time (Cuba 2026f)", decent, "America/Havana", "2026-11-01T20:00:00-04:00",
			[]string{"-2026-11-01T21:00:00-04:00", "+2026-11-02T08:00:00-04:00"},
		},
		{
			"a zone gives up DST (Manitoba 2026e)", decent, "America/Winnipeg", "2026-11-01T20:00:00-05:00",
			[]string{"-2026-11-01T21:00:00-05:00", "+2026-11-02T08:00:00-05:00"},
		},
		{
			"no closing at midnight between two days", everyDay(`["00:00-06:00", "22:00-24:00"]`), "UTC", "2026-11-22T12:00:00Z",
			[]string{"+2026-11-22T22:00:00Z", "-2026-11-23T06:00:00Z"},
		},
		{
			"adjacent intervals are one", everyDay(`["08:00-12:00", "12:00-13:00"]`), "UTC", "2026-11-22T09:00:00Z",
			[]string{"-2026-11-22T13:00:00Z"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, loc := hours(t, tc.hours), mustZone(t, tc.zone)
			at := utc(t, tc.start)
			for _, change := range tc.changes {
				open, next := change[0] == '+', utc(t, change[1:])
				s := h.At(at, "", loc)
				require.Equal(t, !open, s.Open, "before %s", change)
				require.Equal(t, next, s.Next, "from %s", at)
				require.Equal(t, !open, h.At(next.Add(-time.Nanosecond), "", loc).Open, "a moment before %s", change)
				s = h.At(next, "", loc)
				require.Equal(t, open, s.Open, "at %s", change)
				if !s.Open {
					require.Equal(t, tc.zone, s.Zone)
					require.True(t, s.Local.Equal(next))
					require.Equal(t, tc.zone, s.Local.Location().String())
				}
				at = next
			}
		})
	}
}

func TestAtInSeveralZones(t *testing.T) {
	h := hours(t, decent)
	ny, la, hnl := mustZone(t, "America/New_York"), mustZone(t, "America/Los_Angeles"), mustZone(t, "Pacific/Honolulu")
	for _, tc := range []struct {
		at    string
		open  bool
		next  string
		zones []*time.Location
		shut  string
	}{
		{"2026-11-23T14:00:00Z", false, "2026-11-23T18:00:00Z", []*time.Location{ny, la, hnl}, "America/Los_Angeles"},
		{"2026-11-23T17:00:00Z", false, "2026-11-23T18:00:00Z", []*time.Location{ny, la, hnl}, "Pacific/Honolulu"},
		{"2026-11-23T18:00:00Z", true, "2026-11-24T02:00:00Z", []*time.Location{ny, la, hnl}, ""},
		{"2026-11-24T02:00:00Z", false, "2026-11-24T18:00:00Z", []*time.Location{ny, la, hnl}, "America/New_York"},
		{"2026-11-24T02:00:00Z", true, "2026-11-24T05:00:00Z", []*time.Location{la}, ""},
		// Twenty-three hours apart is an hour apart, on other days.
		{"2026-11-23T18:59:00Z", false, "2026-11-23T21:00:00Z", []*time.Location{mustZone(t, "Etc/GMT+12"), mustZone(t, "Etc/GMT-11")}, "Etc/GMT+12"},
	} {
		s := h.At(utc(t, tc.at), "", tc.zones...)
		require.Equal(t, tc.open, s.Open, tc.at)
		require.Equal(t, tc.shut, s.Zone, tc.at)
		if tc.next == "" {
			require.Zero(t, s.Next, tc.at)
		} else {
			require.Equal(t, utc(t, tc.next), s.Next, tc.at)
		}
	}
}

// TestNoCommonHour: where one zone opens as the other closes, nobody can be called
// in both, not even when one of them changes its clocks the wrong way.
func TestNoCommonHour(t *testing.T) {
	office := hours(t, everyDay(`["09:00-17:00"]`))
	now := utc(t, "2026-11-22T12:00:00Z")
	s := office.At(now, "", time.UTC, mustZone(t, "Etc/GMT-8"))
	require.Equal(t, Spell{Zone: "Etc/GMT-8", Local: now.In(mustZone(t, "Etc/GMT-8"))}, s)

	// Berlin and Singapore meet for an hour while Berlin keeps summer time.
	half := hours(t, everyDay(`["10:00-17:00"]`))
	s = half.At(now, "", mustZone(t, "Europe/Berlin"), mustZone(t, "Asia/Singapore"))
	require.Equal(t, utc(t, "2027-03-28T08:00:00Z"), s.Next)
	require.Equal(t, utc(t, "2027-03-28T09:00:00Z"), half.At(s.Next, "", mustZone(t, "Europe/Berlin"), mustZone(t, "Asia/Singapore")).Next)
}

// TestCommonHourOnceAWeek: days without a common hour are no week without one.
func TestCommonHourOnceAWeek(t *testing.T) {
	h := hours(t, `{"weekly": {"mon": ["00:00-24:00"], "tue": ["09:00-17:00"], "wed": ["09:00-17:00"],
		"thu": ["09:00-17:00"], "fri": ["09:00-17:00"], "sat": ["09:00-17:00"]}}`)
	zones := []*time.Location{time.UTC, mustZone(t, "Etc/GMT-8")}
	s := h.At(utc(t, "2026-11-23T16:00:00Z"), "", zones...)
	require.Equal(t, utc(t, "2026-11-30T00:00:00Z"), s.Next)
	require.Equal(t, utc(t, "2026-11-30T16:00:00Z"), h.At(s.Next, "", zones...).Next)
	h = hours(t, `{"weekly": {"mon": ["00:00-24:00"]}}`)
	require.Equal(t, utc(t, "2026-11-30T00:00:00Z"), h.At(utc(t, "2026-11-23T16:00:00Z"), "", zones...).Next)
}

func TestAtBefore1970(t *testing.T) {
	h := hours(t, decent)
	s := h.At(utc(t, "1969-12-30T23:30:00Z"), "", mustZone(t, "Asia/Singapore")) // +07:30 then
	require.False(t, s.Open)
	require.Equal(t, utc(t, "1969-12-31T00:30:00Z"), s.Next)
	require.Equal(t, utc(t, "1969-12-31T13:30:00Z"), h.At(s.Next, "", mustZone(t, "Asia/Singapore")).Next)
}

func TestHolidays(t *testing.T) {
	h := hours(t, `{"weekly": {"thu": ["08:00-21:00"], "fri": ["08:00-21:00"], "sat": ["08:00-21:00"]}, "holidays": [
		{"date": "2026-12-25", "hours": ["10:00-16:00"]},
		{"date": "2026-12-25", "region": "SG", "hours": []},
		{"date": "2026-12-25", "region": "JP", "hours": ["07:00-22:00"]},
		{"date": "2026-12-26", "region": "GB", "hours": []},
		{"date": "2026-12-24", "region": "US-CA", "hours": ["12:00-13:00"]}]}`)
	for _, tc := range []struct {
		date, region string
		open         string // the first hour and the first closed hour after it, or ""
	}{
		{"2026-12-25", "DE", "10-16"},
		{"2026-12-25", "SG", ""},
		{"2026-12-25", "JP", "07-22"}, // its own line replaces the general one
		{"2026-12-25", "", ""},        // the person may be in Singapore
		{"2026-12-26", "GB", ""},
		{"2026-12-26", "GB-SCT", ""}, // the country's holiday holds for its parts
		{"2026-12-26", "FR", "08-21"},
		{"2026-12-26", "", ""},
		{"2026-12-24", "US-CA", "12-13"},
		{"2026-12-24", "US", "12-13"}, // the person may be in California
		{"2026-12-24", "US-NY", "08-21"},
		{"2026-12-24", "CA", "08-21"},
		{"2026-12-27", "DE", ""}, // a Sunday
	} {
		var open string
		for hour := range 25 {
			at := utc(t, tc.date+"T00:30:00Z").Add(time.Duration(hour) * time.Hour)
			if h.At(at, tc.region, time.UTC).Open == (open == "") && len(open) < len("08-21") {
				open += at.Format("15")
				if len(open) == 2 {
					open += "-"
				}
			}
		}
		require.Equal(t, tc.open, open, "%s in %q", tc.date, tc.region)
	}
	// The holiday is the local one: in Auckland the 25th begins at 11:00 UTC.
	require.Equal(t, utc(t, "2026-12-24T21:00:00Z"), h.At(utc(t, "2026-12-24T11:00:00Z"), "NZ", mustZone(t, "Pacific/Auckland")).Next)
}

func TestAtWithoutHoursOrZones(t *testing.T) {
	now := utc(t, "2026-11-22T03:00:00Z")
	var none *Hours
	require.Equal(t, Spell{Open: true}, none.At(now, "SG", mustZone(t, "Asia/Singapore")), "no hours, no quiet")
	require.False(t, new(Hours).At(now, "SG", mustZone(t, "Asia/Singapore")).Open)
	require.Zero(t, new(Hours).At(now, "SG", mustZone(t, "Asia/Singapore")).Next)
	require.Equal(t, Spell{}, hours(t, decent).At(now, "", []*time.Location{}...), "nobody knows what time it is there")
	require.Equal(t, Spell{Open: true}, hours(t, everyDay(`["00:00-24:00"]`)).At(now, ""), "at every time it is open")
	require.False(t, hours(t, decent).At(now, "", nil).Open, "a nil zone is UTC")

	closed := hours(t, `{"weekly": {"mon": ["00:00-24:00"]}, "holidays": [{"date": "2026-11-23", "hours": []}]}`)
	require.Equal(t, utc(t, "2026-11-30T00:00:00Z"), closed.At(now, "", time.UTC).Next)
	far := hours(t, withHolidays(everyDay(`["00:00-12:00", "12:00-24:00"]`),
		`{"date": "2027-11-22", "hours": []}, {"date": "2028-11-22", "hours": []}`))
	require.Equal(t, Spell{Open: true, Next: utc(t, "2027-11-22T00:00:00Z")}, far.At(now, "", time.UTC))
	require.Equal(t, Spell{Open: true}, far.At(utc(t, "2026-11-20T23:59:59Z"), "", time.UTC), "the change is more than a year off")
	require.Equal(t, Spell{Open: true}, far.At(utc(t, "2028-11-23T00:00:00Z"), "", time.UTC))
}
