package geo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// zoneNames is every zone of the embedded database.
func zoneNames(tb testing.TB) []string {
	tb.Helper()
	a, err := database()
	require.NoError(tb, err)
	var out []string
	for name := range a.files {
		if name != versionFile && name != countriesFile && name != namesFile && !strings.HasSuffix(name, "/") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	require.Greater(tb, len(out), 590)
	return out
}

// clockOpen is the independent reading of 08:00-21:00: what the clock on the wall
// of that zone shows.
func clockOpen(t time.Time, loc *time.Location) bool {
	hour := t.In(loc).Hour()
	return hour >= 8 && hour < 21
}

// checkMinutes compares At with the clock at every minute from begin to end, and
// Next with the next minute at which the clock's answer differs. It returns the
// number of minutes.
func checkMinutes(tb testing.TB, h *Hours, loc *time.Location, begin, end time.Time) int {
	tb.Helper()
	minutes := int(end.Sub(begin) / time.Minute)
	const beyond = 25 * 60 // so that the last minutes have a next change, too
	open := make([]bool, minutes+beyond)
	for i := range open {
		open[i] = clockOpen(begin.Add(time.Duration(i)*time.Minute), loc)
	}
	next := len(open)
	for i := len(open) - 2; i >= 0; i-- {
		if open[i+1] != open[i] {
			next = i + 1
		}
		if i >= minutes {
			continue
		}
		at := begin.Add(time.Duration(i) * time.Minute)
		s := h.At(at, "", loc)
		if s.Open != open[i] || next < len(open) && !s.Next.Equal(begin.Add(time.Duration(next)*time.Minute)) {
			tb.Fatalf("%s at %s: open %t, next %s; the clock says %t, next %s", loc, at, s.Open, s.Next,
				open[i], begin.Add(time.Duration(next)*time.Minute))
		}
	}
	return minutes
}

// TestNeverOutsideDecentHours holds 08:00-21:00 against the clock in every IANA
// zone: minute by minute around each change of its clocks in two years, and two days
// picked at random. CALLCTL_SOAK=1 checks every minute of the two years under every
// name instead: 628,617,600 of them in 3 min 32 s on two shared cores.
func TestNeverOutsideDecentHours(t *testing.T) {
	h := hours(t, decent)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := begin.AddDate(2, 0, 0)
	soak := os.Getenv("CALLCTL_SOAK") == "1"
	random := rand.New(rand.NewPCG(1, 2))
	minutes, zones, started := 0, zoneNames(t), time.Now()
	seen := map[string]bool{}
	for _, name := range zones {
		loc := mustZone(t, name)
		if a, err := database(); !soak && err == nil {
			raw, err := a.read(name)
			require.NoError(t, err)
			if seen[string(raw)] {
				continue // another name of a zone that was checked
			}
			seen[string(raw)] = true
		}
		if soak {
			minutes += checkMinutes(t, h, loc, begin, end)
			continue
		}
		for change := begin; change.Before(end); {
			if change != begin {
				minutes += checkMinutes(t, h, loc, change.Add(-12*time.Hour), change.Add(24*time.Hour))
			}
			_, until := change.In(loc).ZoneBounds()
			if until.IsZero() {
				break
			}
			change = until
		}
		for range 2 {
			day := begin.AddDate(0, 0, random.IntN(2*365))
			minutes += checkMinutes(t, h, loc, day, day.AddDate(0, 0, 1))
		}
	}
	t.Logf("%d minutes of %d zones (time zone data %s) in %s", minutes, len(zones), TZData(), time.Since(started).Round(time.Second))
}

// TestAtAgreesWithTheMinutes draws hours, holidays, zones and a region, and
// compares At with a reading of the document, minute by minute.
func TestAtAgreesWithTheMinutes(t *testing.T) {
	names := []string{
		"America/New_York", "America/Havana", "Asia/Kathmandu", "Asia/Singapore", "Australia/Lord_Howe",
		"Europe/Berlin", "Pacific/Chatham", "Africa/Casablanca", "Pacific/Honolulu", "UTC",
	}
	rapid.Check(t, func(rt *rapid.T) {
		doc := drawHours(rt)
		h := hours(t, doc.text())
		region := rapid.SampledFrom([]string{"", "DE", "US", "US-CA"}).Draw(rt, "region")
		var zones []*time.Location
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 4, rapid.ID[string]).Draw(rt, "zones") {
			zones = append(zones, mustZone(t, name))
		}
		day := rapid.SampledFrom([]string{"2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"}).Draw(rt, "day")
		begin := utc(t, day+"T00:00:00Z")

		open := func(at time.Time) bool {
			return !slices.ContainsFunc(zones, func(loc *time.Location) bool { return !doc.open(at.In(loc), region) })
		}
		at := begin.Add(time.Duration(rapid.IntRange(0, 3*24*60).Draw(rt, "minute")) * time.Minute)
		s := h.At(at, region, zones...)
		require.Equal(rt, open(at), s.Open)
		// Intervals begin on half hours and zones on quarters.
		const quarter = 15 * time.Minute
		next := at.Truncate(quarter)
		for next = next.Add(quarter); open(next) == s.Open && next.Before(at.Add(horizon*time.Second)); {
			next = next.Add(quarter)
		}
		if open(next) == s.Open {
			next = time.Time{} // not within the year
		}
		require.Equal(rt, next, s.Next)
	})
}

// drawn is hours as a table of texts, read without any of the package's code.
type drawn struct {
	weekly   map[time.Weekday][]string
	holidays map[string]map[string][]string // date, region
}

func drawHours(t *rapid.T) drawn {
	intervals := rapid.Custom(func(t *rapid.T) []string {
		marks := rapid.SliceOfNDistinct(rapid.IntRange(0, 48), 0, 4, rapid.ID[int]).Draw(t, "half hours")
		slices.Sort(marks)
		out := []string{}
		for i := 0; i+1 < len(marks); i += 2 {
			out = append(out, fmt.Sprintf("%02d:%02d-%02d:%02d", marks[i]/2, marks[i]%2*30, marks[i+1]/2, marks[i+1]%2*30))
		}
		return out
	})
	d := drawn{weekly: map[time.Weekday][]string{time.Monday: {"09:00-17:00"}}, holidays: map[string]map[string][]string{}}
	short := rapid.SampledFrom([]string{"", "09:00-12:00", "14:30-18:00"}).Draw(t, "every day") // seldom common to all zones
	for day := range 7 {
		if short != "" {
			d.weekly[time.Weekday(day)] = []string{short}
		} else if hours := intervals.Draw(t, "weekly"); len(hours) > 0 {
			d.weekly[time.Weekday(day)] = hours
		}
	}
	for range rapid.IntRange(0, 6).Draw(t, "holidays") {
		date := rapid.SampledFrom([]string{"2026-03-08", "2026-03-09", "2026-03-29", "2026-10-25", "2026-11-01", "2026-11-02"}).Draw(t, "date")
		if d.holidays[date] == nil {
			d.holidays[date] = map[string][]string{}
		}
		d.holidays[date][rapid.SampledFrom([]string{"", "DE", "US", "US-CA", "US-NY"}).Draw(t, "region")] = intervals.Draw(t, "hours")
	}
	return d
}

func (d drawn) text() string {
	var weekly, holidays []string
	quoted := func(hours []string) string {
		var out []string
		for _, h := range hours {
			out = append(out, strconv.Quote(h))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	for day, hours := range d.weekly {
		weekly = append(weekly, strconv.Quote(strings.ToLower(day.String()[:3]))+":"+quoted(hours))
	}
	for date, lines := range d.holidays {
		for region, hours := range lines {
			line := `{"date":` + strconv.Quote(date) + `,"hours":` + quoted(hours)
			if region != "" {
				line += `,"region":` + strconv.Quote(region)
			}
			holidays = append(holidays, line+"}")
		}
	}
	return withHolidays(`{"weekly":{`+strings.Join(weekly, ",")+"}}", strings.Join(holidays, ","))
}

// open reads the document at a local time: the nearest holiday that certainly
// holds, or the week; and every holiday that perhaps holds.
func (d drawn) open(local time.Time, region string) bool {
	within := func(hours []string) bool {
		now := local.Format("15:04")
		return slices.ContainsFunc(hours, func(h string) bool { return h[:5] <= now && now < h[6:] })
	}
	lines := d.holidays[local.Format(time.DateOnly)]
	base := d.weekly[local.Weekday()]
	for _, sure := range []string{"", strings.Split(region, "-")[0], region} {
		if hours, ok := lines[sure]; ok {
			base = hours
		}
	}
	open := within(base)
	for other, hours := range lines {
		if perhaps := region == "" && other != "" || region == "US" && strings.HasPrefix(other, "US-"); perhaps {
			open = open && within(hours)
		}
	}
	return open
}

func BenchmarkAt(b *testing.B) {
	h, r := hours(b, decent), load(b)
	eleven := []*time.Location{}
	for _, name := range []string{
		"Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Krasnoyarsk",
		"Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka",
	} {
		eleven = append(eleven, mustZone(b, name))
	}
	for _, bc := range []struct {
		name  string
		hours *Hours
		zones []*time.Location
	}{
		{"1 zone", h, eleven[:1]},
		{"11 zones", h, eleven},
		{"29 zones of the US", h, r.RegionZones("US")},
		{"11 zones without a common hour", hours(b, everyDay(`["09:00-17:00"]`)), eleven},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			took := make([]time.Duration, 0, 1<<16)
			for i := 0; b.Loop(); i++ {
				t := time.Now()
				bc.hours.At(begin.Add(time.Duration(i*7919%(365*24*60))*time.Minute), "RU", bc.zones...)
				if len(took) < cap(took) {
					took = append(took, time.Since(t))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		})
	}
}
