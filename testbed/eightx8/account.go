package eightx8

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The restrictions of calling. The pages spell the combined one in two ways.
const (
	RestrictedBusiness = "RESTRICTED_BUSINESS_INITIATED_CALLING"
	RestrictedUser     = "RESTRICTED_USER_INITIATED_CALLING"
	RestrictedBoth     = "RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING"
	RestrictedBothLong = "RESTRICTED_BUSINESS_INITIATED_AND_USER_INITIATED_CALLING"
)

// account posts the sample of an account event (CABM) with a fresh id and our
// ids, after edit changed its details.
func (f *Fake) account(ctx context.Context, sample string, edit func(details map[string]any) error) error {
	body, err := read(sample)
	if err != nil {
		return err
	}
	details, ok := object(body, "eventDetails")
	if !ok {
		return ErrSample
	}
	body["eventId"], body["timestamp"] = uuid.NewString(), isoTime(time.Now())
	body["businessAccountId"], body["accountId"] = f.cfg.WABA, f.cfg.Account
	for _, number := range []string{"phoneNumber", "displayPhoneNumber"} {
		if _, named := details[number]; named {
			details[number] = f.cfg.Business
		}
	}
	if err := edit(details); err != nil {
		return err
	}
	return f.Post(ctx, body)
}

// Restrict restricts the number until expires (zero for open-ended) and posts the
// account_update that says so.
func (f *Fake) Restrict(ctx context.Context, kind string, expires time.Time) error {
	f.mu.Lock()
	f.restrictions[kind] = expires
	f.mu.Unlock()
	return f.account(ctx, "account_update_restriction.json", func(details map[string]any) error {
		restriction := map[string]any{"restrictionType": kind}
		if !expires.IsZero() {
			restriction["expiration"] = isoTime(expires)
		}
		details["restrictionInfo"] = []any{restriction}
		return nil
	})
}

// Unrestrict lifts every restriction, of which 8x8 sends nothing.
func (f *Fake) Unrestrict() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.restrictions)
}

// restricted says whether the number may neither ask nor call. The caller holds
// mu.
func (f *Fake) restricted(now time.Time) bool {
	for _, kind := range []string{RestrictedBusiness, RestrictedBoth, RestrictedBothLong} {
		if until, ok := f.restrictions[kind]; ok && (until.IsZero() || now.Before(until)) {
			return true
		}
	}
	return false
}

// Violate posts the account_update of a violation. It restricts nothing.
func (f *Fake) Violate(ctx context.Context, kind string) error {
	return f.account(ctx, "account_update_violation.json", func(details map[string]any) error {
		violation, ok := object(details, "violationInfo")
		if !ok {
			return ErrSample
		}
		violation["violationType"] = kind
		return nil
	})
}

// DirectSend posts a notice of Direct Send: warning, unban or strike. They come as
// an ACCOUNT_RESTRICTION and concern no call.
func (f *Fake) DirectSend(ctx context.Context, what string) error {
	return f.account(ctx, "account_update_direct_send_"+what+".json", keepAll)
}

func keepAll(map[string]any) error { return nil }

// Quality posts a phone_number_quality_update: event FLAGGED, UNFLAGGED, UPGRADE,
// DOWNGRADE …, and the tier, such as TIER_2K.
func (f *Fake) Quality(ctx context.Context, event, tier string) error {
	return f.account(ctx, "quality_throughput_upgrade_2026.json", func(details map[string]any) error {
		details["meta"] = map[string]any{"event": event, "maxDailyConversationsPerBusiness": tier}
		return nil
	})
}

// SetTemplate posts the template_status_update of a template: APPROVED, FLAGGED,
// PAUSED or REJECTED, as the page's sample of that status.
func (f *Fake) SetTemplate(ctx context.Context, name, language, status string) error {
	return f.template(ctx, "template_status_"+strings.ToLower(status)+".json", name, language, nil)
}

// TemplateQuality posts a template_quality_update, from one score to another.
func (f *Fake) TemplateQuality(ctx context.Context, name, language, from, to string) error {
	return f.template(ctx, "template_quality.json", name, language, map[string]any{
		"previousQualityScore": from, "newQualityScore": to,
	})
}

// TemplateCategory posts a template_category_update, from one category to another.
// A MARKETING template no longer reaches those who stopped marketing messages.
func (f *Fake) TemplateCategory(ctx context.Context, name, language, from, to string) error {
	f.mu.Lock()
	f.categories[name] = to
	f.mu.Unlock()
	return f.template(ctx, "template_category.json", name, language, map[string]any{
		"previousCategory": from, "newCategory": to,
	})
}

// TemplateWarning posts the template_correct_category_detection, which announces a
// change of category.
func (f *Fake) TemplateWarning(ctx context.Context, name, language, now, correct string) error {
	return f.template(ctx, "template_correct_category.json", name, language, map[string]any{
		"category": now, "correctCategory": correct,
	})
}

func (f *Fake) template(ctx context.Context, sample, name, language string, said map[string]any) error {
	return f.account(ctx, sample, func(details map[string]any) error {
		details["templateName"], details["templateLanguage"] = name, language
		meta, ok := object(details, "meta")
		if !ok {
			return ErrSample
		}
		maps.Copy(meta, said)
		return nil
	})
}

// ChangeUserID gives a user another BSUID and relays Meta's change
// (whatsapp_user_id_update).
func (f *Fake) ChangeUserID(ctx context.Context, msisdn, current string) error {
	f.mu.Lock()
	u := f.user(msisdn)
	previous := u.identity.UserID
	u.identity.UserID = current
	f.mu.Unlock()
	return f.relay(ctx, "whatsapp_user_id_update", "user_id_update", "user_id_update", map[string]any{
		"wa_id": strings.TrimPrefix(msisdn, "+"), "detail": "The user's id has changed", "timestamp": time.Now().Unix(),
		"user_id": map[string]any{"previous": previous, "current": current},
	})
}

// Preference relays Meta's change of a user's preference for marketing messages:
// stop or resume (whatsapp_preference).
func (f *Fake) Preference(ctx context.Context, msisdn, value string) error {
	f.mu.Lock()
	f.user(msisdn).noMarketing = value == "stop"
	f.mu.Unlock()
	return f.relay(ctx, "whatsapp_preference", "user_preferences", "user_preferences", map[string]any{
		"wa_id": strings.TrimPrefix(msisdn, "+"), "category": "marketing_messages", "value": value,
		"detail": "User requested to " + value + " marketing messages", "timestamp": time.Now().Unix(),
	})
}

// relay posts an account event with Meta's change in it, verbatim.
func (f *Fake) relay(ctx context.Context, event, field, list string, item map[string]any) error {
	return f.Post(ctx, map[string]any{
		"eventId": uuid.NewString(), "timestamp": isoTime(time.Now()), "provider": "WhatsApp",
		"businessAccountId": f.cfg.WABA, "accountId": f.cfg.Account, "eventType": event,
		"eventDetails": map[string]any{"rawEvent": map[string]any{"field": field, "value": map[string]any{
			"messaging_product": "whatsapp", list: []any{item},
			"metadata": map[string]any{"display_phone_number": f.cfg.Business, "phone_number_id": "106540352242922"},
		}}},
	})
}
