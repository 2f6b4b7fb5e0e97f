package eightx8

import (
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// user is a WhatsApp user as 8x8 knows it.
type user struct {
	status     string // "" for not_granted, temporary, permanent
	expires    time.Time
	request    string // umid of the latest permission request
	requests   []time.Time
	connected  []time.Time // calls of the business
	unanswered int
	windowEnds time.Time // of the customer service window

	identity    Identity
	failing     int  // 8x8's code with which messages fail, 0 for none
	noMarketing bool // the user stopped marketing messages
}

// permission is the status as the API names it; one that has run out is none.
func (u *user) permission(now time.Time) string {
	if u.status == "" || u.status == "temporary" && !now.Before(u.expires) {
		return "not_granted"
	}
	return u.status
}

// Identity is how the webhooks of version 3 name a user.
type Identity struct {
	UserID     string // BSUID, such as SG.13491208655302741918
	Username   string
	HideNumber bool // the user has a username, and the number is not told
}

// SetIdentity names a user from now on, where Knobs.Version is 3.
func (f *Fake) SetIdentity(msisdn string, id Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user(msisdn).identity = id
}

// person is the member user of a webhook.
func (f *Fake) person(msisdn string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.user(msisdn).identity
	if f.knobs.Version != 3 || id.UserID == "" {
		return map[string]any{"msisdn": msisdn, "channelUserId": strings.TrimPrefix(msisdn, "+")}
	}
	person := map[string]any{"channelUserId": id.UserID}
	if !id.HideNumber {
		person["msisdn"] = msisdn
	}
	if id.Username != "" {
		person["username"] = id.Username
	}
	return person
}

// SetPermission sets what callPermissions says of a user, without a webhook: ""
// or "not_granted", "temporary" until expires, or "permanent".
func (f *Fake) SetPermission(msisdn, status string, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status == "not_granted" {
		status = ""
	}
	u := f.user(msisdn)
	u.status, u.expires = status, expires
}

// UserCalls lets a user call the business. Where callback permission is enabled
// that grants temporary permission, of which 8x8 sends no webhook; a connected
// call resets the limits of requests.
func (f *Fake) UserCalls(msisdn string, connected bool) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(msisdn)
	u.windowEnds = now.Add(day)
	if connected {
		u.requests, u.unanswered = nil, 0
	}
	if f.knobs.CallbackPermission && u.permission(now) == "not_granted" {
		u.status, u.expires = "temporary", now.Add(f.cfg.Grant)
	}
}

// Dial lets the business call a user, who answers or does not, and returns 0 or
// the code that refuses the call: 138006 without permission, 138012 at the limit
// of connected calls, 138013 and 138014 for the number. The fourth call in a row
// that is not answered revokes the permission, of which 8x8 sends no webhook.
func (f *Fake) Dial(msisdn string, answered bool) int {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(msisdn)
	switch {
	case f.abroad:
		return 138013
	case f.restricted(now):
		return 138014
	case u.permission(now) == "not_granted":
		return 138006
	case reached(within(u.connected, now, day), f.cfg.Limits.CallsPerDay):
		return 138012
	}
	if answered {
		u.connected, u.requests, u.unanswered = append(u.connected, now), nil, 0
		u.windowEnds = now.Add(day)
		return 0
	}
	u.unanswered++
	if f.cfg.Limits.Unanswered > 0 && u.unanswered >= f.cfg.Limits.Unanswered {
		u.status, u.unanswered = "", 0
	}
	return 0
}

// FailMessages makes every later message to a user fail after it was accepted,
// with 8x8's code (1018, 1024, 1051 …), until code is 0.
func (f *Fake) FailMessages(msisdn string, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user(msisdn).failing = code
}

// SetCallsAvailable says whether calls of the business are to be had in its
// number's country; Dial answers 138013 where they are not.
func (f *Fake) SetCallsAvailable(available bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abroad = !available
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
