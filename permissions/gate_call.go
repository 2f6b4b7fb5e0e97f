package permissions

import (
	"slices"
	"strconv"
	"time"
)

// The sources of the rules about a call that no pack holds.
const (
	sourceExpiry        = "Meta, Cloud API Calling, and 8x8, call permission reply: its expiration_timestamp (expirationTimestamp), or the expiry that the provider's API told later"
	sourceReply         = "Meta, Cloud API Calling, user call permissions: no call without the user's permission"
	sourceOneAttempt    = "Meta, Cloud API Calling, error 138003: one call per user at a time"
	sourceDoubt         = "Meta, Cloud API Calling, error 138006, and SIP 403: the provider knows no permission; it is asked before another call"
	sourceProviderLimit = "Meta, Cloud API Calling, call_permissions; 8x8, callPermissions: the provider's own limits, asked from its API"
	sourceReservation   = "callctl: an attempt is dialled on under the permission that it was reserved by"
)

// permission: a permanent grant is none where the rule pack refuses it; the state
// says so already.
func (e *evaluation) permission() {
	in := map[string]string{
		"status": string(e.s.Status), "grant": e.s.Grant, "grantedAt": stamp(e.s.GrantedAt),
		"expiresAt": stamp(e.s.Expires), "providerExpiresAt": stamp(e.s.ProviderEx),
		"clockSkew": e.p.Grant.ClockSkew.String(),
	}
	out := line{name: "permission", refused: e.s.Status == StatusNone, reason: e.s.Reason, source: sourceReply, inputs: in}
	switch {
	case e.s.Reason == PermissionExpired:
		out.source = e.endedBy()
	case e.s.Reason == DoNotCall:
		out.reason = PermissionRevoked // an opt-out also ends what was granted before
	case e.s.Reason == NoPermission && e.h.grant != nil:
		out.source, in["permanent"] = e.p.Sources["grant.permanent"], permanentRefuse
	case !out.refused && !e.s.Expires.IsZero():
		out.turns = e.s.Expires.Add(-e.p.Grant.ClockSkew.duration())
	}
	e.add(out)
}

// endedBy is the source of the standing grant's end.
func (e *evaluation) endedBy() string {
	limit := e.p.Grant.MaxAge.duration()
	switch ends := e.s.Expires; {
	case ends.Equal(e.h.expires):
		return sourceExpiry
	case limit > 0 && ends.Equal(e.s.GrantedAt.Add(limit)):
		return e.p.Sources["grant.max_age"]
	}
	return e.p.Sources["grant.default_age"]
}

// verified: a grant by a grade that the pack wants read back is dialled on only
// after that, and none while the provider's refusal of a call is unexplained.
func (e *evaluation) verified() {
	standing := e.s.Status != StatusNone
	out := line{
		name: "permission_verified", refused: standing && !e.s.Verified && e.p.needsReadBack(e.s.GrantAuth),
		reason: PermissionUnverified, source: e.p.Sources["grant.read_back"],
		inputs: map[string]string{"auth": string(e.s.GrantAuth), "verified": strconv.FormatBool(e.s.Verified)},
	}
	if d := e.h.doubt; standing && d != nil {
		out.refused, out.source = true, sourceDoubt
		out.inputs["doubt"], out.inputs["doubtedAt"] = d.ID, stamp(d.At)
	}
	e.add(out)
}

// callsPerGrant does not count the attempt that is being confirmed.
func (e *evaluation) callsPerGrant() {
	limit, used := e.p.Calls.PerGrant, e.s.Attempts
	if e.confirm != nil && e.p.Calls.ConsumedAt == consumedAtAttempt && e.s.Grant == e.confirm.decision.Grant {
		used--
	}
	e.add(line{
		name: "calls_per_grant", refused: limit > 0 && used >= limit, reason: PermissionUsed, source: e.p.Sources["calls.per_grant"],
		inputs: map[string]string{"used": strconv.Itoa(used), "max": atMost(limit), "consumedAt": e.p.Calls.ConsumedAt},
	})
}

// atMost writes a limit of a pack, where zero is none.
func atMost(limit int) string {
	if limit == 0 {
		return "unlimited"
	}
	return strconv.Itoa(limit)
}

func (e *evaluation) connectedCalls() {
	e.window("connected_calls", CallLimit, "calls.connected", e.h.connected(true), e.p.Calls.Connected)
}

// window adds one line for each limit on how often something may happen in a
// rolling window.
func (e *evaluation) window(name string, reason Reason, source string, times []time.Time, limits []limit) {
	if len(limits) == 0 {
		e.add(line{name: name, source: e.p.Sources[source], inputs: map[string]string{"max": atMost(0)}})
	}
	for _, l := range limits {
		period := l.Period.duration()
		held := within(times, e.at, period)
		out := line{
			name: name, refused: len(held) >= l.Max, reason: reason, source: e.p.Sources[source],
			inputs: map[string]string{"period": period.String(), "used": strconv.Itoa(len(held)), "max": strconv.Itoa(l.Max)},
		}
		if out.refused {
			// Once this one leaves the window, fewer than Max are in it.
			out.turns = held[len(held)-l.Max].Add(period)
		}
		e.add(out)
	}
}

// consecutiveUnanswered stops short of the call after which the platform takes the
// permission away. From nudge on, the platform asks the user to reconsider.
func (e *evaluation) consecutiveUnanswered() {
	rules, streak := e.p.Calls.Unanswered, e.h.streak()
	e.add(line{
		name: "consecutive_unanswered", refused: rules.Refuse > 0 && streak >= rules.Refuse, reason: ConsecutiveUnanswered,
		source: e.p.Sources["calls.unanswered"],
		inputs: map[string]string{
			"inARow": strconv.Itoa(streak), "nudgeAt": strconv.Itoa(rules.Nudge), "max": atMost(rules.Refuse),
			"nudged": strconv.FormatBool(rules.Nudge > 0 && streak >= rules.Nudge),
		},
	})
}

// providerLimit holds what the provider said when it was asked last, until the
// time that it named itself; after that it is old news. A connected call resets
// the provider's limits on requests.
func (e *evaluation) providerLimit() {
	out := line{name: "provider_limit", reason: LimitedByProvider, source: sourceProviderLimit, inputs: map[string]string{}}
	if read := e.h.read; read != nil && read.Provided != nil {
		out.inputs["readAt"] = stamp(read.At)
		for _, a := range read.Provided.Actions {
			if a.Name != string(e.q.Action) || a.Can {
				continue
			}
			for _, l := range a.Limits {
				if l.Resets.After(out.turns) && l.Resets.After(e.at) {
					out.refused, out.turns = true, l.Resets
					out.inputs["period"], out.inputs["used"], out.inputs["max"] = l.Period, strconv.Itoa(l.Used), strconv.Itoa(l.Max)
				}
			}
		}
		if e.q.Action == RequestPermission && e.p.Requests.Reset && e.h.connectedSince(read.At) {
			out.refused, out.turns = false, time.Time{}
		}
	}
	e.add(out)
}

// connectedSince says whether a call connected after t, in either direction.
func (h *history) connectedSince(t time.Time) bool {
	return slices.ContainsFunc(h.calls(), func(c call) bool { return c.outcome() == OutcomeConnected && c.ended.After(t) })
}

// noOtherAttempt does not count the attempt that is being confirmed.
func (e *evaluation) noOtherAttempt() {
	open := e.v.open
	own := e.confirm != nil && open == e.confirm.attempt.CallID
	e.add(line{
		name: "attempt_in_progress", refused: open != "" && !own, reason: AttemptInProgress, source: sourceOneAttempt,
		inputs: map[string]string{"callId": open},
	})
}
