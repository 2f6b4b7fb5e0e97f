package permissions

import (
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
)

// The sources of the rules about the user that no pack or geography holds.
const (
	sourceAddressing = "ITU-T E.164; Meta, business-scoped user ids"
	sourceOptOut     = "8x8, WhatsApp Business Calling, business-initiated calls: a user who wrote \"stop calls\" is never called again; an opt-out is lifted by the user's word only"
)

func (e *evaluation) validUser() {
	form := "bsuid"
	if _, ok := e.v.pair.User.Number(); ok {
		form = "number"
	}
	e.add(line{
		name: "user_valid", refused: !e.where().valid, reason: InvalidUser, source: sourceAddressing,
		inputs: map[string]string{"form": form},
	})
}

// strictest asks about every address of the user. When the answers disagree one
// that bars holds, and of those one that has no end before the latest.
func (e *evaluation) strictest(ask func(region string, t time.Time) geo.Verdict) geo.Verdict {
	out := geo.Verdict{}
	for _, s := range e.where().stays {
		v := ask(s.region, e.at)
		v.RegionSource = s.source
		longer := v.Blocked && out.Blocked && !out.Until.IsZero() && (v.Until.IsZero() || v.Until.After(out.Until))
		if out.Rule == "" || v.Blocked && !out.Blocked || longer {
			out = v
		}
	}
	return out
}

func (e *evaluation) userRegion() {
	v := e.strictest(e.geo.UserRegion)
	e.add(line{
		name: "user_region", refused: v.Blocked, reason: UserRegionSanctioned, source: sourceOr(v.Source), turns: v.Until,
		inputs: map[string]string{"region": v.Region, "rule": v.Rule, "regionSource": v.RegionSource},
	})
}

// destinationCountry holds where the rule pack reads 8x8's page strictly.
func (e *evaluation) destinationCountry() {
	source := e.p.Sources["destinations"]
	if e.p.Places == destinationsOff {
		e.add(line{name: "destination_country", source: source, inputs: map[string]string{"list": destinationsOff}})
		return
	}
	v := e.strictest(e.geo.DestinationRegion)
	if v.Blocked {
		source = v.Source
	}
	e.add(line{
		name: "destination_country", refused: v.Blocked, reason: DestinationBlocked, source: source, turns: v.Until,
		inputs: map[string]string{"region": v.Region, "rule": v.Rule, "regionSource": v.RegionSource},
	})
}

// doNotCall: an opt-out that reaches calls of one purpose only bars those, and
// those whose purpose nobody named, because they may be.
func (e *evaluation) doNotCall() {
	o := e.h.optOut
	if o == nil {
		for _, p := range e.h.purposes {
			if SamePurpose(p.Purpose, e.q.Purpose) && (o == nil || compareEvents(*p, *o) < 0) {
				o = p
			}
		}
	}
	in := map[string]string{"purpose": e.q.Purpose}
	if o != nil {
		in["event"], in["since"], in["scope"], in["brand"] = o.ID, stamp(o.At), string(o.Scope), o.Brand
		in["optedOutOf"] = o.Purpose
	}
	e.add(line{name: "do_not_call", refused: o != nil || e.s.DoNotCall, reason: DoNotCall, source: sourceOptOut, inputs: in})
}

// SamePurpose says whether an opt-out from calls of one purpose reaches a call of
// another. Spaces around it and case do not make a purpose; a call whose purpose
// nobody named may be of any.
func SamePurpose(optOut, call string) bool {
	call = strings.TrimSpace(call)
	return call == "" || strings.EqualFold(strings.TrimSpace(optOut), call)
}

// quietHours holds in every zone in which an address of the user can plausibly
// be, unless the customer's own zone is known.
func (e *evaluation) quietHours() {
	source := e.p.Sources["hours"]
	if e.p.Hours == nil {
		e.add(line{name: "quiet_hours", source: source, inputs: map[string]string{"hours": "any"}})
		return
	}
	where := e.where()
	spell := e.p.Hours.At(e.at, where.region, where.zones...)
	names := make([]string, len(where.zones))
	for i, z := range where.zones {
		names[i] = z.String()
	}
	in := map[string]string{"zones": strings.Join(names, ","), "region": where.region, "zone": spell.Zone, "zoneFrom": "the user's addresses"}
	if where.given {
		in["zoneFrom"] = "the customer's own"
	}
	if !spell.Local.IsZero() {
		in["localTime"] = spell.Local.Format("2006-01-02T15:04:05-07:00")
	}
	e.add(line{name: "quiet_hours", refused: !spell.Open, reason: QuietHours, source: source, turns: spell.Next, inputs: in})
}
