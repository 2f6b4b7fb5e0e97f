package permissions

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/callctl/callctl/geo"
)

// The sources of rules that no pack or geography holds.
const (
	sourceConfiguration = "callctl configuration: the businesses of its accounts"
	sourceAddressing    = "ITU-T E.164; Meta, business-scoped user ids"
	sourceOptOut        = "8x8, WhatsApp Business Calling, business-initiated calls: a user who wrote \"stop calls\" is never called again; an opt-out is lifted by the user's word only"
	sourceReply         = "Meta, Cloud API Calling, user call permissions: no call without the user's permission"
	sourceOneAttempt    = "Meta, Cloud API Calling, error 138003: one call per user at a time"
	sourcePermanent     = "Meta, Cloud API Calling, error 138017: permanent permission exists already"
)

// evaluation is one run of the gate over a view.
type evaluation struct {
	v    *view
	p    *pack
	h    *history
	s    Permission
	at   time.Time
	geo  *geo.Rules
	rule []Rule
}

// decide runs every rule of an action, in order, whether one refused or not.
func (l *Ledger) decide(v *view, action Action, at time.Time) (Decision, *evaluation) {
	e := &evaluation{v: v, p: l.packs.at(v.business.Rules, at), h: fold(v.events), at: at, geo: l.cfg.Geo}
	e.s = e.h.permission(v.pair, v.subject, e.p, at)
	e.knownBusiness()
	e.validUser()
	e.businessCountry()
	e.userRegion()
	e.doNotCall()
	if action == RequestPermission {
		e.noPermanentGrant()
		e.requestLimits()
		e.requestCycle()
	} else {
		e.permission()
		e.verified()
		e.callsPerGrant()
		e.connectedCalls()
		e.noOtherAttempt()
	}
	d := Decision{
		Action: action, Allow: true, Reason: Allowed, At: at, Rules: e.rule, RulePack: e.p.cite(),
		Geography: l.cfg.Geo.Version(), Epoch: e.s.Epoch, Grant: e.s.Grant, AuditIndex: -1,
	}
	d.conclude()
	return d, e
}

// conclude takes the reason of the first rule that refused. Waiting helps only
// when it cures every refusal, and then until the last of them is cured.
func (d *Decision) conclude() {
	curable := true
	for _, r := range d.Rules {
		if r.Allow {
			continue
		}
		if d.Allow {
			d.Allow, d.Reason = false, r.Reason
		}
		if r.RetryAt.IsZero() {
			curable = false
		}
		if r.RetryAt.After(d.RetryAfter) {
			d.RetryAfter = r.RetryAt
		}
	}
	if !curable {
		d.RetryAfter = time.Time{}
	}
}

// add appends the line of a rule; reason counts only when refused.
func (e *evaluation) add(name string, refused bool, reason Reason, source string, retry time.Time, inputs map[string]string) {
	maps.DeleteFunc(inputs, func(_, v string) bool { return v == "" })
	r := Rule{Name: name, Allow: !refused, Inputs: inputs, Source: source}
	if refused {
		r.Reason, r.RetryAt = reason, retry
	}
	e.rule = append(e.rule, r)
}

func (e *evaluation) knownBusiness() {
	e.add("business_known", !e.v.known, UnknownBusiness, sourceConfiguration, time.Time{},
		map[string]string{"account": e.v.business.Account})
}

func (e *evaluation) validUser() {
	form := "bsuid"
	if _, ok := e.v.pair.User.Number(); ok {
		form = "number"
	}
	e.add("user_valid", !e.v.pair.User.Valid(), InvalidUser, sourceAddressing, time.Time{},
		map[string]string{"form": form})
}

func (e *evaluation) businessCountry() {
	v := e.geo.Business(e.v.pair.Business, e.at)
	e.add("business_country", v.Blocked, BusinessCountryBlocked, v.Source, v.Until,
		map[string]string{"region": v.Region, "rule": v.Rule})
}

// userRegion asks about every address of the user; when they disagree the
// stricter answer holds.
func (e *evaluation) userRegion() {
	verdict := geo.Verdict{}
	for _, u := range e.v.addresses {
		v := e.geo.UserRegion(u.country(), e.at)
		if n, ok := u.Number(); ok {
			v = e.geo.User(n, e.at)
		}
		if verdict.Rule == "" || v.Blocked && (!verdict.Blocked || v.Until.IsZero()) {
			verdict = v
		}
	}
	e.add("user_region", verdict.Blocked, UserRegionSanctioned, verdict.Source, verdict.Until,
		map[string]string{"region": verdict.Region, "rule": verdict.Rule})
}

func (e *evaluation) doNotCall() {
	in := map[string]string{}
	if o := e.h.optOut; o != nil {
		in["event"], in["since"] = o.ID, stamp(o.At)
	}
	e.add("do_not_call", e.s.DoNotCall, DoNotCall, sourceOptOut, time.Time{}, in)
}

func (e *evaluation) permission() {
	in := map[string]string{
		"status": string(e.s.Status), "grant": e.s.Grant, "grantedAt": stamp(e.s.GrantedAt),
		"expiresAt": stamp(e.s.Expires), "providerExpiresAt": stamp(e.s.ProviderEx),
		"clockSkew": e.p.Grant.ClockSkew.duration().String(),
	}
	source := sourceReply
	if e.s.Reason == PermissionExpired {
		source = e.p.Sources["grant.max_age"]
	}
	reason := e.s.Reason
	if reason == DoNotCall {
		reason = PermissionRevoked // an opt-out also ends what was granted before
	}
	e.add("permission", e.s.Status == StatusNone, reason, source, time.Time{}, in)
}

func (e *evaluation) verified() {
	refused := e.s.Status != StatusNone && !e.s.Verified && e.p.needsReadBack(e.s.GrantAuth)
	e.add("permission_verified", refused, PermissionUnverified, e.p.Sources["grant.read_back"], time.Time{},
		map[string]string{"auth": string(e.s.GrantAuth), "verified": strconv.FormatBool(e.s.Verified)})
}

func (e *evaluation) callsPerGrant() {
	limit := e.p.Calls.PerGrant
	in := map[string]string{"used": strconv.Itoa(e.s.Attempts), "max": "unlimited", "consumedAt": e.p.Calls.ConsumedAt}
	if limit > 0 {
		in["max"] = strconv.Itoa(limit)
	}
	e.add("calls_per_grant", limit > 0 && e.s.Attempts >= limit, PermissionUsed,
		e.p.Sources["calls.per_grant"], time.Time{}, in)
}

func (e *evaluation) connectedCalls() {
	e.window("connected_calls", CallLimit, "calls.connected", e.h.connected(true), e.p.Calls.Connected)
}

func (e *evaluation) noOtherAttempt() {
	e.add("attempt_in_progress", e.v.open != "", AttemptInProgress, sourceOneAttempt, time.Time{},
		map[string]string{"callId": e.v.open})
}

// noPermanentGrant looks at what the provider holds, not at what the pack makes
// of it: the provider refuses to ask a user who said "always allow".
func (e *evaluation) noPermanentGrant() {
	g := e.h.grant
	e.add("permission_exists", g != nil && g.Permanent, PermissionExists, sourcePermanent, time.Time{},
		map[string]string{"status": string(e.s.Status), "grant": e.s.Grant})
}

func (e *evaluation) requestLimits() {
	e.window("request_limit", RequestLimit, "requests.limits", e.h.requests(e.p), e.p.Requests.Limits)
}

func (e *evaluation) requestCycle() {
	limit, used := e.p.Requests.PerCycle, e.h.cycle()
	in := map[string]string{"used": strconv.Itoa(used), "max": "unlimited"}
	if limit > 0 {
		in["max"] = strconv.Itoa(limit)
	}
	e.add("requests_per_cycle", limit > 0 && used >= limit, RequestLimit,
		e.p.Sources["requests.per_cycle"], time.Time{}, in)
}

// window adds one line for each limit on how often something may happen in a
// rolling window.
func (e *evaluation) window(name string, reason Reason, source string, times []time.Time, limits []limit) {
	for _, l := range limits {
		period := l.Period.duration()
		held := within(times, e.at, period)
		refused := len(held) >= l.Max
		var free time.Time
		if refused {
			// Once this one leaves the window, fewer than Max are in it.
			free = held[len(held)-l.Max].Add(period)
		}
		e.add(name, refused, reason, e.p.Sources[source], free, map[string]string{
			"period": period.String(), "used": strconv.Itoa(len(held)), "max": strconv.Itoa(l.Max),
		})
	}
}

// refusing are the reasons of all rules that refused, in order.
func (d *Decision) refusing() []Reason {
	var out []Reason
	for _, r := range d.Rules {
		if !r.Allow && !slices.Contains(out, r.Reason) {
			out = append(out, r.Reason)
		}
	}
	return out
}

// stamp writes a time for the inputs of a rule, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
