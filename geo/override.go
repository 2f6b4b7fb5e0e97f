package geo

import "fmt"

// Override says where a number is, against its prefix: the sanctions follow the
// person, not the prefix, and a prefix is only a guess at it. A number of
// government-held Kramatorsk (+380 6264…) is told by an override from the rest of
// Donetsk; a Ukrainian mobile whose owner lives in Crimea is barred by one.
//
// An override goes before every prefix, for the region, the sanctions, the
// destination countries and the time zones, and holds for all [Forms] of the
// number. Its source is cited wherever it decided ([Verdict.RegionSource]). It does
// not lift the bar on a business number's country, which is no guess at a place.
type Override struct {
	Number E164
	Region string // ISO 3166-1 or 3166-2
	Source string // who knows it, and how
}

// addOverrides checks the company's overrides and takes them over. Errors name
// them by position: numbers stay out of logs.
func (r *Rules) addOverrides(overrides []Override) error {
	r.overrides = make(map[E164]Override, len(overrides))
	for i, o := range overrides {
		refuse := func(what string) error { return fmt.Errorf("%w: override %d %s", ErrRules, i+1, what) }
		if n, err := Parse(string(o.Number)); err != nil {
			return fmt.Errorf("%w: override %d: %w", ErrRules, i+1, err)
		} else if n != o.Number {
			return refuse("has a number that is not in the canonical E.164 form")
		}
		if !isRegion(o.Region) || len(r.RegionZones(o.Region)) == 0 {
			return refuse("names no region of ISO 3166-1 or 3166-2")
		}
		if o.Source == "" {
			return refuse("needs a source: who knows it, and how")
		}
		for _, form := range Forms(o.Number) {
			if _, twice := r.overrides[form]; twice {
				return refuse("names a number that stands before, in this or another form")
			}
			r.overrides[form] = o
		}
	}
	return nil
}
