package eightx8

import (
	"net/http"
	"time"
)

// callPermissions answers the permission query (8x8 pages, 2026-07-16).
func (f *Fake) callPermissions(r *http.Request, _ map[string]any) (any, *apiError) {
	if f.questions != nil && !f.questions.Allow() {
		return nil, &apiError{status: http.StatusTooManyRequests, code: 1009, message: "Rate limit hit"}
	}
	if r.PathValue("channel") != f.cfg.Channel {
		return nil, &apiError{status: http.StatusNotFound, code: 1300, message: "Channel not found"}
	}
	destination := r.URL.Query().Get("destination")
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.byUserID(destination)
	if u == nil {
		if !isMSISDN(destination) {
			return nil, &apiError{status: http.StatusBadRequest, code: 1002, message: "Invalid MSISDN"}
		}
		u = f.user(destination)
	}
	status, limits, barred := u.permission(now), f.cfg.Limits, f.restricted(now)
	inDay, inWeek := within(u.requests, now, day), within(u.requests, now, week)
	calls := within(u.connected, now, day)
	answer := map[string]any{"status": status, "actions": []any{
		map[string]any{
			"actionName": "send_call_permission_request",
			"canPerformAction": !barred && !reached(inDay, limits.RequestsPerDay) &&
				!reached(inWeek, limits.RequestsPerWeek) && status != "permanent",
			"limits": []any{
				limit("PT24H", limits.RequestsPerDay, u.requests, now, day),
				limit("P7D", limits.RequestsPerWeek, u.requests, now, week),
			},
		},
		map[string]any{
			"actionName":       "start_call",
			"canPerformAction": !barred && status != "not_granted" && !reached(calls, limits.CallsPerDay),
			"limits":           []any{limit("PT24H", limits.CallsPerDay, u.connected, now, day)},
		},
	}}
	if status == "temporary" {
		answer["expirationTime"] = isoTime(u.expires)
	}
	return answer, nil
}

// limit is one limit; limitExpirationTime only comes when it is exhausted.
func limit(period string, most int, times []time.Time, now time.Time, length time.Duration) map[string]any {
	used := within(times, now, length)
	line := map[string]any{"timePeriod": period, "maxAllowed": most, "currentUsage": used}
	if most > 0 && used >= most {
		line["limitExpirationTime"] = isoTime(times[len(times)-most].Add(length))
	}
	return line
}

// byUserID is the user with a BSUID, nil when there is none. The caller holds mu.
func (f *Fake) byUserID(id string) *user {
	for _, u := range f.users {
		if id != "" && u.identity.UserID == id {
			return u
		}
	}
	return nil
}
