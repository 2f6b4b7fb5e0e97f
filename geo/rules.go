package geo

import "time"

// Verdict is the answer of a geographic rule.
type Verdict struct {
	Blocked bool
	Rule    string    // which list and entry, such as "bic_blocked_business_countries/US"
	Source  string    // where the entry comes from; without an entry, the source of the override
	Region  string    // ISO 3166-1 alpha-2, or a territory such as "UA-43"; "" when unknown
	Until   time.Time // when Blocked: the end of the entry's validity, zero when open
	// RegionSource is the source of the override that gave Region, "" when the
	// number's plan did.
	RegionSource string
}

// The names of the lists, as cited by [Verdict.Rule].
const (
	listBusiness    = "bic_blocked_business_countries"
	listDestination = "bic_blocked_destination_countries"
	listSanctioned  = "sanctioned"
)

// Rules are the dated lists of where calling exists. Immutable after [Load],
// safe for concurrent use.
type Rules struct {
	version     string
	business    map[string][]entry
	destination map[string][]entry
	sanction    map[string][]entry
	prefixes    map[string]string   // number prefix with plus to region
	longest     int                 // length of the longest key of prefixes
	areas       map[string]string   // NANP area code to region
	countsAs    map[string]string   // territory to the country whose rules hold for it
	zones       map[string][]string // regions that zone.tab does not know
	overrides   map[E164]Override   // by every form of the number
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
// t: it is sanctioned where it is, or its country bars business-initiated calls.
// The latter goes by the country code alone, whatever an override says of the
// place: the platform enforces it so (error 138013).
func (r *Rules) Business(n E164, t time.Time) Verdict {
	if v := r.User(n, t); v.Blocked {
		return v
	}
	return r.look(listBusiness, r.business, r.planRegion(n), t)
}

// User says whether a user with this number may be called or asked at t.
func (r *Rules) User(n E164, t time.Time) Verdict {
	return r.cite(n, r.sanctioned(r.Region(n), t))
}

// UserRegion is [Rules.User] for a user known by region only, such as the
// country that a BSUID begins with.
func (r *Rules) UserRegion(region string, t time.Time) Verdict {
	return r.sanctioned(region, t)
}

// Destination says whether a user in the region of n may be called at t under the
// dated list of destination countries (bic_blocked_destination_countries), which
// the strict reading of 8x8's page asks for. Whether the list applies at all is
// the rule pack's business; see the notes of rules/geography.json.
func (r *Rules) Destination(n E164, t time.Time) Verdict {
	return r.cite(n, r.DestinationRegion(r.Region(n), t))
}

// DestinationRegion is [Rules.Destination] for a user known by region only.
func (r *Rules) DestinationRegion(region string, t time.Time) Verdict {
	return r.look(listDestination, r.destination, region, t)
}

func (r *Rules) sanctioned(region string, t time.Time) Verdict {
	return r.look(listSanctioned, r.sanction, region, t)
}

// cite adds the source of the override that located the number.
func (r *Rules) cite(n E164, v Verdict) Verdict {
	if o, ok := r.overrides[n]; ok {
		v.RegionSource = o.Source
		if v.Source == "" {
			v.Source = o.Source
		}
	}
	return v
}

// look finds the entry that bars region at t; territories fall under the rules
// of the country that they count as, and a subdivision that no list names under
// those of its country.
func (r *Rules) look(list string, lines map[string][]entry, region string, t time.Time) Verdict {
	v := Verdict{Region: region, Rule: list}
	for _, name := range r.governing(region) {
		for _, e := range lines[name] {
			if e.valid(t) {
				return Verdict{Blocked: true, Rule: list + "/" + name, Source: e.source, Region: region, Until: e.to}
			}
		}
	}
	return v
}

// governing is the regions whose entries hold for a region: itself, its country
// when it is a subdivision (a user known to be in "US-CA" is in the US), and what
// these count as.
func (r *Rules) governing(region string) []string {
	if region == "" {
		return nil
	}
	out := []string{region}
	if country := countryOf(region); country != region {
		out = append(out, country)
	}
	for _, name := range out {
		if as, ok := r.countsAs[name]; ok {
			out = append(out, as)
		}
	}
	return out
}
