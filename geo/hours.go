package geo

import (
	"errors"
	"time"
)

var errSkeleton = errors.New("geo: not built yet")

// Hours are the times of the week at which a person may be called, with holidays.
// Immutable; the JSON form is documented in docs/rule-packs.md:
//
//	{"weekly": {"mon": ["08:00-21:00"], …}, "holidays": [{"date": "2026-12-25", "region": "SG", "hours": []}]}
//
// A day that weekly leaves out is closed. A holiday replaces the hours of its date,
// in its region or, without one, everywhere. An interval is half open and may end
// at 24:00.
type Hours struct{}

// UnmarshalJSON implements json.Unmarshaler; errors wrap [ErrRules] and name the line.
func (h *Hours) UnmarshalJSON(_ []byte) error { return errSkeleton }

// Spell is the answer of [Hours.At].
type Spell struct {
	Open bool
	// Next is when Open changes: exact across DST, zero when it never does within
	// a year.
	Next time.Time
	// Zone is a zone in which it is closed, with its local time, when not Open.
	Zone  string
	Local time.Time
}

// At says whether t is within the hours in every one of the zones, for a person in
// region ("" when not known; then every region's holidays of that date hold).
func (h *Hours) At(_ time.Time, _ string, _ ...*time.Location) Spell { return Spell{Open: true} }

// Zones are the time zones in which a number can plausibly be, from
// libphonenumber's zones by prefix; sorted, never empty for a number with a
// geographic country: a number that cannot be located within its country has all
// of the country's.
func (r *Rules) Zones(_ E164) []*time.Location { return nil }

// RegionZones are the zones of a region (ISO 3166-1), for a user known by BSUID only.
func (r *Rules) RegionZones(_ string) []*time.Location { return nil }

// Zone is an IANA zone by its name, from the embedded data; [ErrZone] when there
// is none.
func Zone(_ string) (*time.Location, error) { return nil, ErrZone }

// TZData is the version of the embedded time zone data, such as "2026b".
func TZData() string { return "" }

// Forms are all forms in which WhatsApp and numbering plans write one subscriber:
// Mexico with and without the 1 after +52, Argentina with and without the 9 after
// +54, Brazil with and without the ninth digit of mobiles. The number itself is
// the first; a number of another country is alone.
func Forms(n E164) []E164 { return []E164{n} }

// Override says where a number is, against its prefix: the sanctions follow the
// person, not the prefix.
type Override struct {
	Number E164
	Region string // ISO 3166-1 or 3166-2
	Source string // who knows it, and how
}

// Destination says whether a user in the region of n may be called at t under the
// dated list of destination countries (bic_blocked_destination_countries), which
// the strict reading of 8x8's page asks for.
func (r *Rules) Destination(_ E164, _ time.Time) Verdict { return Verdict{} }

// DestinationRegion is [Rules.Destination] for a user known by region only.
func (r *Rules) DestinationRegion(_ string, _ time.Time) Verdict { return Verdict{} }
