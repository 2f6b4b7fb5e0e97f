package permissions

import (
	"strconv"
	"time"

	"github.com/callctl/callctl/geo"
)

// The sources of the rules about our number.
const (
	sourceConfiguration = "callctl configuration: the businesses of its accounts"
	sourceRestriction   = "Meta, Cloud API Calling, account_update: a number with RESTRICTED_BUSINESS_INITIATED_CALLING neither calls nor asks until the restriction's expiration; its grants stay valid"
	sourceCallingOff    = "Meta, Cloud API Calling, call settings: calling is not enabled on the number"
	sourceGeography     = "callctl geography (geo/rules/geography.json): no entry of its dated lists bars the region"
	sourceUnable        = "Meta, Cloud API Calling, error codes 138000, 138013, 138014, 138015 and 131044: the number cannot call, whoever the user is"
)

// lowCallingQuality is the violation that goes before a restriction.
const lowCallingQuality = "LOW_BUSINESS_INITIATED_CALLING_QUALITY"

func (e *evaluation) knownBusiness() {
	e.add(line{
		name: "business_known", refused: !e.v.known, reason: UnknownBusiness, source: sourceConfiguration,
		inputs: map[string]string{"account": e.v.business.Account},
	})
}

func (e *evaluation) businessCountry() {
	v := e.ledger.businessVerdict(e.v.pair.Business, e.at)
	e.add(line{
		name: "business_country", refused: v.Blocked, reason: BusinessCountryBlocked, source: sourceOr(v.Source), turns: v.Until,
		inputs: map[string]string{"region": v.Region, "rule": v.Rule, "regionSource": v.RegionSource},
	})
}

// sourceOr is the source of a geographic verdict: the entry that decided, or that
// none did.
func sourceOr(source string) string {
	if source == "" {
		return sourceGeography
	}
	return source
}

// businessRestricted looks at what the platform said about our number: whether
// calling is enabled on it, whether it restricts business-initiated calling, and
// whether it refused a call for a reason of the number's. A violation or low
// quality warns and refuses nothing. All of it bars asking as it bars calling.
func (e *evaluation) businessRestricted() {
	n := e.v.number
	if n == nil {
		n = foldNumber(nil)
	}
	out := line{
		name: "business_restricted", reason: BusinessRestricted, source: sourceRestriction,
		inputs: map[string]string{"calling": n.calling(), "quality": n.quality(), "tier": n.tier()},
	}
	if w := n.last[aspectViolation+lowCallingQuality]; w != nil && e.at.Before(w.At.Add(violationsFor)) {
		out.inputs["violation"], out.inputs["violatedAt"] = w.Type, stamp(w.At)
	}
	endless := false
	bar := func(source string, until time.Time) {
		if !out.refused {
			out.refused, out.source = true, source
		}
		endless = endless || until.IsZero()
		if until.After(out.turns) {
			out.turns = until
		}
	}
	if n.calling() == callingDisabled {
		bar(sourceCallingOff, time.Time{})
	}
	for _, r := range n.restrictions(e.at) {
		if r.Type == RestrictedBusinessInitiated {
			bar(sourceRestriction, r.Until)
			out.inputs["restriction"], out.inputs["restrictedUntil"], out.inputs["notice"] = r.Type, stamp(r.Until), r.Notice
		}
	}
	for _, u := range n.unable(e.at) {
		bar(sourceUnable, u.unableUntil())
		out.inputs["code"], out.inputs["refusedUntil"] = strconv.Itoa(u.Code), stamp(u.unableUntil())
	}
	if endless {
		out.turns = time.Time{}
	}
	e.add(out)
}

// verdictKey is a day of one of our numbers.
type verdictKey struct {
	business geo.E164
	day      int64 // since 1970-01-01 UTC
}

// maxVerdicts bounds what is remembered: some days of many numbers.
const maxVerdicts = 4096

// businessVerdict remembers what the geography says of our numbers on a day: its
// lists change at midnight UTC, and it is asked for every decision.
func (l *Ledger) businessVerdict(business geo.E164, t time.Time) geo.Verdict {
	if _, ours := l.businesses[business]; !ours {
		return l.cfg.Geo.Business(business, t)
	}
	key := verdictKey{business: business, day: int64(t.Sub(time.Unix(0, 0)) / (24 * time.Hour))}
	l.verdicts.Lock()
	defer l.verdicts.Unlock()
	v, ok := l.verdicts.of[key]
	if !ok {
		if l.verdicts.of == nil || len(l.verdicts.of) >= maxVerdicts {
			l.verdicts.of = make(map[verdictKey]geo.Verdict)
		}
		v = l.cfg.Geo.Business(business, t)
		l.verdicts.of[key] = v
	}
	return v
}
