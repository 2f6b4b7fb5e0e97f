package geo

import (
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Zones are the time zones in which a number can plausibly be, sorted by name:
//
//   - of a number that its plan ties to a place (fixed lines, all of the North
//     American plan, mobiles of Mexico, Argentina and Brazil), those that
//     libphonenumber gives for its prefix, and those of the country that kept the
//     same time until lately;
//   - of every other number, mobiles and toll-free ones included, all zones of its
//     country; toll-free numbers of the North American plan belong to the United
//     States and Canada together.
//
// It is never empty for a number with a geographic country, and empty for the
// others (+800, +870 and their like): nobody knows what time it is there.
func (r *Rules) Zones(n E164) []*time.Location {
	region := r.Region(n)
	own := r.RegionZones(region)
	if _, moved := r.overrides[n]; moved || len(own) < 2 || len(region) != 2 {
		return own
	}
	n = planForm(n)
	number, err := phonenumbers.Parse(string(n), "")
	if err != nil {
		return own
	}
	names, err := phonenumbers.GetTimezonesForPrefix(string(n))
	if err != nil {
		return own
	}
	if number.GetCountryCode() == 1 {
		if all, err := phonenumbers.GetTimezonesForPrefix("1"); err == nil && slices.Equal(all, names) {
			return union(r.RegionZones("US"), r.RegionZones("CA"))
		}
	}
	if !tiedToPlace(number) {
		return own
	}
	return narrow(own, names)
}

// tiedToPlace says whether the leading digits of a number tell where in its
// country it is, after PhoneNumberUtil.isNumberGeographical of libphonenumber.
// Mobiles of China and Indonesia, which that counts in, are left out: their holders
// take them along.
func tiedToPlace(n *phonenumbers.PhoneNumber) bool {
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return true
	case phonenumbers.MOBILE:
		switch n.GetCountryCode() {
		case 52, 54, 55:
			return true
		}
	default:
	}
	return false
}

// narrow picks the zones of a country that libphonenumber means by names. Its
// names stand for groups of zones that it takes for the same, and zones of a group
// have parted since (Manitoba and Nunavut in 2026); hence every zone of the country
// that went along with a named one through the reference years is meant. At times a
// name is another country's, with that country's DST (Europe/Bucharest for
// Kaliningrad, America/Puerto_Rico for Labrador): then all zones of the country with
// its standard time are meant. A name that fits none makes it the whole country.
func narrow(own []*time.Location, names []string) []*time.Location {
	a, err := database()
	if err != nil {
		return own
	}
	var out []*time.Location
	for _, name := range names {
		meant := a.meant(own, name)
		if len(meant) == 0 {
			return own
		}
		out = append(out, meant...)
	}
	return union(out)
}

// meant is the zones of own that a name of libphonenumber stands for.
func (a *archive) meant(own []*time.Location, name string) []*time.Location {
	named, err := a.zone(name)
	if err != nil {
		return nil
	}
	var alike, standard []*time.Location
	ours := false
	for _, loc := range own {
		z, err := a.zone(loc.String())
		if err != nil {
			return nil
		}
		ours = ours || z.file == named.file
		if z.past == named.past {
			alike = append(alike, loc)
		}
		if z.standard == named.standard {
			standard = append(standard, loc)
		}
	}
	if ours {
		return alike
	}
	return standard
}

// RegionZones are the zones of a region, sorted by name, for a user known by BSUID
// only, after zone.tab of the IANA database: ISO 3166-1, or ISO 3166-2, of which
// those without zones of their own have their country's. Empty for "" and for a
// region that does not exist or where nobody lives.
func (r *Rules) RegionZones(region string) []*time.Location {
	names, ok := r.zones[region]
	if !ok {
		country := countryOf(region)
		a, err := database()
		if err != nil {
			return nil
		}
		if names, ok = r.zones[country]; !ok {
			names = a.countries[country]
		}
	}
	out := make([]*time.Location, 0, len(names))
	for _, name := range names {
		if loc, err := Zone(name); err == nil {
			out = append(out, loc)
		}
	}
	return union(out)
}

// union is the zones of the lists, each once, by name.
func union(lists ...[]*time.Location) []*time.Location {
	out := slices.Concat(lists...)
	slices.SortFunc(out, func(a, b *time.Location) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b *time.Location) bool { return a.String() == b.String() })
}
