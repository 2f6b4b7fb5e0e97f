package meta

import (
	"context"
	"maps"
	"net/http"
	"time"
)

// number is the state of the business number at Meta beside its users.
type number struct {
	restrictions map[string]time.Time // until when, zero for open-ended
	off          bool                 // calling is not enabled
	abroad       bool                 // calls of the business are not to be had in its country
}

// The restrictions of calling. Meta's pages spell the combined one in two ways.
const (
	RestrictedBusiness = "RESTRICTED_BUSINESS_INITIATED_CALLING"
	RestrictedUser     = "RESTRICTED_USER_INITIATED_CALLING"
	RestrictedBoth     = "RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING"
	RestrictedBothLong = "RESTRICTED_BUSINESS_INITIATED_AND_USER_INITIATED_CALLING"
	ButtonHidden       = "RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN"
)

// Restrict restricts the number until expires (zero for open-ended) and posts the
// account_update that says so. Calls and permission requests of the business are
// refused meanwhile, with 138014; grants stay.
func (f *Fake) Restrict(ctx context.Context, kind string, expires time.Time) error {
	f.mu.Lock()
	f.number.restrictions[kind] = expires
	f.mu.Unlock()
	item := map[string]any{"restriction_type": kind}
	if !expires.IsZero() {
		item["expiration"] = expires.Unix()
	}
	return f.accountUpdate(ctx, "ACCOUNT_RESTRICTION", map[string]any{"restriction_info": []any{item}})
}

// Unrestrict lifts every restriction. Meta sends nothing then but, with told, the
// settings as they are.
func (f *Fake) Unrestrict(ctx context.Context, told bool) error {
	f.mu.Lock()
	clear(f.number.restrictions)
	f.mu.Unlock()
	if !told {
		return nil
	}
	return f.Settings(ctx)
}

// Violate posts the account_update of a violation, such as
// LOW_BUSINESS_INITIATED_CALLING_QUALITY. It restricts nothing.
func (f *Fake) Violate(ctx context.Context, kind string) error {
	return f.accountUpdate(ctx, "ACCOUNT_VIOLATION", map[string]any{"violation_info": map[string]any{
		"violation_type": kind,
	}})
}

// DirectSend posts one of the notices of Direct Send that come as an
// ACCOUNT_RESTRICTION and concern no call: WARN, UNBAN, or STRIKE_1 and so on.
func (f *Fake) DirectSend(ctx context.Context, what string) error {
	fields := map[string]any{"violation_info": map[string]any{
		"violation_type": "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_" + what,
	}}
	if what != "WARN" && what != "UNBAN" {
		fields["restriction_info"] = []any{map[string]any{
			"restriction_type": "RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES", "expiration": time.Now().Add(week).Unix(),
		}}
	}
	return f.accountUpdate(ctx, "ACCOUNT_RESTRICTION", fields)
}

func (f *Fake) accountUpdate(ctx context.Context, event string, fields map[string]any) error {
	value := map[string]any{"phone_number": f.cfg.Business, "event": event}
	maps.Copy(value, fields)
	return f.post(ctx, Webhook{Field: "account_update", Value: value})
}

// Quality posts a phone_number_quality_update: event FLAGGED, UNFLAGGED, UPGRADE,
// DOWNGRADE …, and the tier, such as TIER_2K.
func (f *Fake) Quality(ctx context.Context, event, tier string) error {
	return f.post(ctx, Webhook{Field: "phone_number_quality_update", Value: map[string]any{
		"display_phone_number": f.cfg.Business, "event": event, "current_limit": tier,
		"max_daily_conversations_per_business": tier,
	}})
}

// SetCalling enables calling on the number or ends it: 138000 then.
func (f *Fake) SetCalling(enabled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number.off = !enabled
}

// SetCallsAvailable says whether calls of the business are to be had in its
// number's country; 138013 where they are not. Users can call it all the same.
func (f *Fake) SetCallsAvailable(available bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number.abroad = !available
}

// Settings posts an account_settings_update with the settings as they are.
func (f *Fake) Settings(ctx context.Context) error {
	f.mu.Lock()
	calling := f.callingSettings(time.Now())
	f.mu.Unlock()
	return f.post(ctx, Webhook{Field: "account_settings_update", Value: map[string]any{
		"messaging_product": "whatsapp", "timestamp": stamp(time.Now()), "type": "phone_number_settings",
		"phone_number_settings": map[string]any{"phone_number_id": f.cfg.PhoneNumberID, "calling": calling},
	}})
}

// settings answers GET settings.
func (f *Fake) readSettings(*http.Request, map[string]any) (any, *graphError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string]any{"calling": f.callingSettings(time.Now())}, nil
}

// callingSettings are the settings of calling; unset ones are left out. The caller
// holds mu.
func (f *Fake) callingSettings(now time.Time) map[string]any {
	calling := map[string]any{"status": "ENABLED", "call_icon_visibility": "DEFAULT"}
	if f.number.off {
		calling["status"] = "DISABLED"
	}
	if f.knobs.CallbackPermission {
		calling["callback_permission_status"] = "ENABLED"
	}
	var list []any
	for kind, until := range f.number.restrictions {
		if !until.IsZero() && !now.Before(until) {
			continue
		}
		item := map[string]any{"type": kind, "reason": "Low quality of calls"}
		if !until.IsZero() {
			item["expiration"] = until.Unix()
		}
		list = append(list, item)
	}
	if len(list) > 0 {
		calling["restrictions"] = map[string]any{"restrictions_list": list}
	}
	return calling
}

// bars is Meta's refusal of what a restricted number does. The caller holds mu.
func (n *number) bars(now time.Time) *graphError {
	for _, kind := range []string{RestrictedBusiness, RestrictedBoth, RestrictedBothLong} {
		until, restricted := n.restrictions[kind]
		if restricted && (until.IsZero() || now.Before(until)) {
			return refusal(http.StatusBadRequest, 138014, "(#138014) Business initiated calling is disabled",
				"Calling is temporarily disabled for this phone number because of low quality")
		}
	}
	return nil
}

// mayDial is what Meta refuses of a number, whomever it calls. The caller holds mu.
func (n *number) mayDial(now time.Time) *graphError {
	switch {
	case n.off:
		return refusal(http.StatusUnauthorized, 138000, "(#138000) Calling not enabled",
			"Calling APIs are not enabled for this phone number")
	case n.abroad:
		return refusal(http.StatusBadRequest, 138013, "(#138013) Business initiated calling is not available",
			"Business initiated calling is not available for the country of this phone number")
	}
	return n.bars(now)
}
