package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// weekdays are the keys of the weekly hours, by time.Weekday.
func weekdays() [7]string { return [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// hoursDocument is the JSON form of [Hours].
type hoursDocument struct {
	Weekly   json.RawMessage `json:"weekly"`
	Holidays []holidayLine   `json:"holidays,omitempty"`
}

type holidayLine struct {
	Date   string    `json:"date"`
	Region string    `json:"region,omitempty"`
	Hours  *[]string `json:"hours"`
}

// UnmarshalJSON implements json.Unmarshaler. Unknown and repeated keys, days
// that do not exist, intervals that overlap, are empty or pass midnight, and
// holidays that stand twice are refused; errors wrap [ErrRules] and name the line.
func (h *Hours) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil // by convention: a pointer becomes nil before it comes here
	}
	if err := checkKeys(b); err != nil {
		return fmt.Errorf("%w: hours: %w", ErrRules, err)
	}
	var doc hoursDocument
	if err := strictly(b, &doc); err != nil {
		return fmt.Errorf("%w: hours: %w", ErrRules, err)
	}
	var out Hours
	if err := out.readWeek(doc.Weekly); err != nil {
		return err
	}
	for i, line := range doc.Holidays {
		if err := out.addHoliday(line); err != nil {
			return fmt.Errorf("%w: hours: holidays[%d] (%s): %w", ErrRules, i, line.Date, err)
		}
	}
	*h = out
	return nil
}

func (h *Hours) readWeek(raw json.RawMessage) error {
	week := map[string][]string{}
	if len(raw) == 0 {
		return fmt.Errorf("%w: hours: weekly is missing", ErrRules)
	}
	if err := strictly(raw, &week); err != nil {
		return fmt.Errorf("%w: hours: weekly: %w", ErrRules, err)
	}
	open := false
	for key, texts := range week {
		names := weekdays()
		day := slices.Index(names[:], key)
		if day < 0 {
			return fmt.Errorf("%w: hours: weekly: %q is no day of the week (mon, tue, wed, thu, fri, sat, sun)", ErrRules, key)
		}
		hours, err := readDay(texts)
		if err != nil {
			return fmt.Errorf("%w: hours: weekly.%s: %w", ErrRules, key, err)
		}
		h.weekly[day] = hours
		open = open || len(hours) > 0
	}
	if !open {
		return fmt.Errorf("%w: hours: weekly has no hour at all: nobody could ever be called; null lifts the hours", ErrRules)
	}
	return nil
}

var (
	errHolidayDate   = errors.New("the date is not of the form 2006-01-02")
	errHolidayRegion = errors.New("the region is neither ISO 3166-1 alpha-2 nor ISO 3166-2")
	errHolidayHours  = errors.New("hours are missing; [] closes the day")
	errHolidayTwice  = errors.New("the same date and region stand twice")
	errInterval      = errors.New(`not of the form "08:00-21:00"`)
	errIntervalOrder = errors.New("ends before it begins; hours over midnight are written as two, to 24:00 and from 00:00 of the next day")
	errIntervalCross = errors.New("two intervals overlap")
	errKeyTwice      = errors.New("key stands twice")
	errKeyCase       = errors.New("key is written in lower case")
	errTrailing      = errors.New("something follows the document")
)

func (h *Hours) addHoliday(line holidayLine) error {
	date, err := time.Parse(time.DateOnly, line.Date)
	if err != nil {
		return errHolidayDate
	}
	if line.Region != "" && !isRegion(line.Region) {
		return errHolidayRegion
	}
	if line.Hours == nil {
		return errHolidayHours
	}
	hours, err := readDay(*line.Hours)
	if err != nil {
		return err
	}
	if h.holidays == nil {
		h.holidays = make(map[int64][]holiday)
	}
	day := date.Unix() / daySeconds
	for _, other := range h.holidays[day] {
		if other.region == line.Region {
			return errHolidayTwice
		}
	}
	h.holidays[day] = append(h.holidays[day], holiday{region: line.Region, hours: hours})
	return nil
}

// readDay reads the intervals of one day and puts them into order.
func readDay(texts []string) (daily, error) {
	var out daily
	for _, text := range texts {
		i, err := readInterval(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b interval) int { return int(a.from - b.from) })
	for i := 1; i < len(out); i++ {
		if out[i].from < out[i-1].to {
			return nil, fmt.Errorf("%s and %s: %w", out[i-1], out[i], errIntervalCross)
		}
	}
	return out, nil
}

func readInterval(text string) (interval, error) {
	from, to, dash := strings.Cut(text, "-")
	begin, ok := readTime(from)
	end, okEnd := readTime(to)
	if !dash || !ok || !okEnd || begin == daySeconds {
		return interval{}, errInterval
	}
	if end <= begin {
		return interval{}, errIntervalOrder
	}
	return interval{from: begin, to: end}, nil
}

// readTime reads a time of the day from 00:00 to 24:00 as its second.
func readTime(text string) (int64, bool) {
	if text == "24:00" {
		return daySeconds, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return int64(t.Hour())*3600 + int64(t.Minute())*60, true
}

// String is the JSON form of an interval, such as "08:00-21:00".
func (i interval) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", i.from/3600, i.from/60%60, i.to/3600, i.to/60%60)
}

// MarshalJSON implements json.Marshaler: days from Monday on, holidays by date
// and region. What it writes reads back as the same hours.
func (h Hours) MarshalJSON() ([]byte, error) {
	var week bytes.Buffer
	names := weekdays()
	for n := range names {
		day := (n + int(time.Monday)) % len(names)
		if len(h.weekly[day]) == 0 {
			continue
		}
		line, err := json.Marshal(h.weekly[day].texts())
		if err != nil {
			return nil, err
		}
		if week.Len() > 0 {
			week.WriteByte(',')
		}
		fmt.Fprintf(&week, "%q:%s", names[day], line)
	}
	doc := hoursDocument{Weekly: json.RawMessage("{" + week.String() + "}")}
	for day, lines := range h.holidays {
		for _, line := range lines {
			texts := line.hours.texts()
			date := time.Unix(day*daySeconds, 0).UTC().Format(time.DateOnly)
			doc.Holidays = append(doc.Holidays, holidayLine{Date: date, Region: line.region, Hours: &texts})
		}
	}
	slices.SortFunc(doc.Holidays, func(a, b holidayLine) int { return strings.Compare(a.Date+a.Region, b.Date+b.Region) })
	return json.Marshal(doc)
}

func (d daily) texts() []string {
	out := make([]string, 0, len(d))
	for _, i := range d {
		out = append(out, i.String())
	}
	return out
}

// strictly decodes one document without unknown keys.
func strictly(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

// checkKeys refuses what encoding/json tolerates: an object that names a key twice,
// of which it would silently keep the last, and "Weekly" for "weekly".
func checkKeys(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	return checkValue(dec)
}

// checkValue reads one value from the decoder, with everything in it.
func checkValue(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			if err := checkKey(dec, seen); err != nil {
				return err
			}
		}
		if err := checkValue(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func checkKey(dec *json.Decoder, seen map[string]bool) error {
	key, err := dec.Token()
	if err != nil {
		return err
	}
	name, _ := key.(string)
	if seen[name] {
		return fmt.Errorf("%q: %w", name, errKeyTwice)
	}
	seen[name] = true
	for _, ours := range []string{"weekly", "holidays", "date", "region", "hours"} {
		if name != ours && strings.EqualFold(name, ours) {
			return fmt.Errorf("%q: %w", name, errKeyCase)
		}
	}
	return nil
}
