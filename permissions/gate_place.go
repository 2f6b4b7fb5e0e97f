package permissions

import (
	"slices"
	"time"

	"github.com/callctl/callctl/geo"
)

// place is where a decision takes the business and the user to be. It does not
// depend on the time, so that it is found once for all evaluations of a question:
// reading a number costs more than everything else that they do.
type place struct {
	valid  bool   // the asked address is one
	stays  []stay // by address
	region string // of all of them, "" when they disagree
	zones  []*time.Location
	given  bool // zones is the customer's own
}

// stay is the region of one address, and who says so when it is not the prefix.
type stay struct{ region, source string }

func (ask *question) where() *place {
	if ask.place == nil {
		ask.place = ask.find()
	}
	return ask.place
}

func (ask *question) find() *place {
	rules := ask.ledger.cfg.Geo
	p := &place{valid: ask.v.pair.User.Valid()}
	if zone, err := geo.Zone(ask.h.zone); err == nil && ask.h.zone != "" {
		p.zones, p.given = []*time.Location{zone}, true
	}
	for i, u := range ask.v.addresses {
		s := stay{region: u.country()}
		n, isNumber := u.Number()
		if isNumber {
			v := rules.User(n, time.Time{})
			s = stay{region: v.Region, source: v.RegionSource}
		}
		p.stays = append(p.stays, s)
		if i == 0 {
			p.region = s.region
		}
		if s.region != p.region {
			p.region = ""
		}
		if p.given {
			continue
		}
		zones := rules.RegionZones(s.region)
		if isNumber {
			zones = rules.Zones(n)
		}
		p.addZones(zones)
	}
	return p
}

func (p *place) addZones(zones []*time.Location) {
	for _, z := range zones {
		same := func(o *time.Location) bool { return o.String() == z.String() }
		if !slices.ContainsFunc(p.zones, same) {
			p.zones = append(p.zones, z)
		}
	}
}
