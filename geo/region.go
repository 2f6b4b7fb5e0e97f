package geo

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// unknownRegion is what libphonenumber answers when it cannot tell, after CLDR.
const unknownRegion = "ZZ"

// nanpCode is the country code shared by the members of the North American
// Numbering Plan; the three digits after it tell them apart.
const nanpCode = "+1"

// Region is where a number belongs by its numbering plan: an ISO 3166-1 country
// or an ISO 3166-2 territory, "" when the plan does not tell; an [Override] goes
// before the plan. The plan is a heuristic for where the person is: numbers travel.
func (r *Rules) Region(n E164) string {
	if o, ok := r.overrides[n]; ok {
		return o.Region
	}
	return r.planRegion(n)
}

// planRegion is [Rules.Region] without the overrides.
func (r *Rules) planRegion(n E164) string {
	if region := r.territory(n); region != "" {
		return region
	}
	if strings.HasPrefix(string(n), nanpCode) {
		return r.nanp(n)
	}
	number, err := phonenumbers.Parse(string(planForm(n)), "")
	if err != nil {
		return ""
	}
	region := phonenumbers.GetRegionCodeForNumber(number)
	if region == "" || region == unknownRegion {
		// Possible but not assigned: the main country of the code.
		region = phonenumbers.GetRegionCodeForCountryCode(int(number.GetCountryCode()))
	}
	if region == unknownRegion || len(region) != 2 {
		return "" // non-geographic codes such as +800 answer "001"
	}
	return region
}

// territory finds the longest prefix of the table that libphonenumber lacks.
func (r *Rules) territory(n E164) string {
	for end := min(len(n), r.longest); end > 1; end-- {
		if region, ok := r.prefixes[string(n[:end])]; ok {
			return region
		}
	}
	return ""
}

// nanp tells the members of the North American Numbering Plan apart. Area codes
// that no member claims, toll-free ones included, are read as US.
func (r *Rules) nanp(n E164) string {
	const areaEnd = len(nanpCode) + 3
	if len(n) >= areaEnd {
		if region, ok := r.areas[string(n[len(nanpCode):areaEnd])]; ok {
			return region
		}
	}
	return "US"
}
