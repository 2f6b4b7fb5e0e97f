package meta

import (
	"net/http"
	"time"

	"github.com/callctl/callctl/testbed/handset"
)

// user is a WhatsApp user as Meta knows it towards this business.
type user struct {
	digits     string
	behaviour  handset.Behaviour
	status     string    // "" for no_permission, temporary, permanent
	expires    time.Time // of a temporary permission
	request    string    // wamid of the latest permission request
	requests   []time.Time
	connected  []time.Time
	unanswered int
	windowEnds time.Time // of the customer service window

	identity    Identity
	failing     int  // code with which messages fail, 0 for none
	noMarketing bool // the user stopped marketing messages
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// permission is the status as the API names it; a permission that has run out is
// none.
func (u *user) permission(now time.Time) string {
	if u.status == "" || u.status == "temporary" && !now.Before(u.expires) {
		return "no_permission"
	}
	return u.status
}

func within(times []time.Time, now time.Time, period time.Duration) int {
	n := 0
	for _, t := range times {
		if now.Sub(t) < period {
			n++
		}
	}
	return n
}

func reached(used, limit int) bool { return limit >= 0 && used >= limit }

// SetPermission sets the user's permission without a webhook: "" or
// "no_permission", "temporary" until expires, or "permanent".
func (f *Fake) SetPermission(digits, status string, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(digits)
	if status == "no_permission" {
		status = ""
	}
	u.status, u.expires = status, expires
}

// connectedCall counts a connected call in either direction: it resets the
// request limits and the streak of unanswered calls, and opens the customer
// service window. The caller holds mu.
func (u *user) connectedCall(now time.Time, direction string) {
	if direction == BusinessInitiated {
		u.connected = append(u.connected, now)
	}
	u.requests, u.unanswered = nil, 0
	u.windowEnds = now.Add(day)
}

// callPermissions answers GET call_permissions (protocol: Meta
// "user-call-permissions").
func (f *Fake) callPermissions(r *http.Request, _ map[string]any) (any, *graphError) {
	if refused := f.tooOften(); refused != nil {
		return nil, refused
	}
	query := r.URL.Query()
	if query.Get("user_wa_id") == "" && query.Get("recipient") == "" {
		return nil, invalidParameter("user_wa_id is required")
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(query.Get("user_wa_id"))
	if query.Get("user_wa_id") == "" {
		u = f.byUserID(query.Get("recipient"))
	}
	barred := f.number.bars(now) != nil
	permission := map[string]any{"status": u.permission(now)}
	if permission["status"] == "temporary" {
		permission["expiration_time"] = u.expires.Unix()
	}
	limits := f.cfg.Limits
	requestsDay, requestsWeek := within(u.requests, now, day), within(u.requests, now, week)
	calls := within(u.connected, now, day)
	return map[string]any{
		"messaging_product": "whatsapp",
		"permission":        permission,
		"actions": []any{
			map[string]any{
				"action_name": "send_call_permission_request",
				"can_perform_action": !barred && !reached(requestsDay, limits.RequestsPerDay) &&
					!reached(requestsWeek, limits.RequestsPerWeek) && permission["status"] != "permanent",
				"limits": []any{
					usage("PT24H", limits.RequestsPerDay, u.requests, requestsDay, day),
					usage("P7D", limits.RequestsPerWeek, u.requests, requestsWeek, week),
				},
			},
			map[string]any{
				"action_name": "start_call",
				"can_perform_action": !barred && permission["status"] != "no_permission" &&
					!reached(calls, limits.CallsPerDay),
				"limits": []any{usage("PT24H", limits.CallsPerDay, u.connected, calls, day)},
			},
		},
	}, nil
}

// byUserID is the user with a BSUID. The caller holds mu.
func (f *Fake) byUserID(id string) *user {
	for _, u := range f.users {
		if u.identity.UserID == id || u.identity.ParentUserID == id {
			return u
		}
	}
	return f.user(id)
}

// nextFree is when fewer than limit of the times lie within the period.
func nextFree(times []time.Time, now time.Time, period time.Duration, limit int) time.Time {
	held := within(times, now, period)
	if held < limit || limit <= 0 {
		return now
	}
	return times[len(times)-limit].Add(period)
}

// usage is one limit; limit_expiration_time only comes when it is exhausted.
func usage(period string, limit int, times []time.Time, used int, length time.Duration) map[string]any {
	line := map[string]any{"time_period": period, "max_allowed": limit, "current_usage": used}
	if reached(used, limit) && used > 0 {
		line["limit_expiration_time"] = nextFree(times, time.Now(), length, limit).Unix()
	}
	return line
}
