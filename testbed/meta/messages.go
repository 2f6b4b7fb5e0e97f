package meta

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// messages answers POST messages: templates, free text and the interactive call
// permission request (protocol: Meta "messages", "user-call-permissions").
func (f *Fake) messages(r *http.Request, body map[string]any) (any, *graphError) {
	to, digits := f.addressee(body)
	if digits == "" {
		return nil, invalidParameter("The parameter to is required")
	}
	id, refused := f.accept(digits, body)
	if refused != nil {
		return nil, refused
	}
	f.mu.Lock()
	all, failing := f.knobs.MessageStatuses, f.fate(f.user(digits), text(body, "template", "name"))
	shown := f.user(digits).identity.shown(digits)
	f.mu.Unlock()
	if all || failing != 0 {
		_ = f.start(r.Context(), func(ctx context.Context) { f.postStatuses(ctx, digits, id, failing, all) })
	}
	return map[string]any{
		"messaging_product": "whatsapp",
		"contacts":          []any{map[string]any{"input": to, "wa_id": shown}},
		"messages":          []any{map[string]any{"id": id}},
	}, nil
}

// addressee is whom a request is for, as it says and by the digits: to is a phone
// number, recipient a BSUID.
func (f *Fake) addressee(body map[string]any) (said, digits string) {
	if to := text(body, "to"); to != "" {
		return to, digitsOf(to)
	}
	recipient := text(body, "recipient")
	if recipient == "" {
		return "", ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return recipient, f.byUserID(recipient).digits
}

// fate is the code with which a message to the user will fail, 0 for none. The
// caller holds mu.
func (f *Fake) fate(u *user, template string) int {
	if u.failing == 0 && u.noMarketing && f.categories[template] == "MARKETING" {
		return 131050
	}
	return u.failing
}

// accept takes the message in or refuses it, and mints its id.
func (f *Fake) accept(digits string, body map[string]any) (string, *graphError) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(digits)
	var request bool
	switch kind := text(body, "type"); kind {
	case "template":
		name := text(body, "template", "name")
		if name == "" || text(body, "template", "language", "code") == "" {
			return "", invalidParameter("template needs name and language.code")
		}
		if refused := f.templateRefusal(name); refused != nil {
			return "", refused
		}
		request = len(f.cfg.PermissionTemplates) == 0 || slices.Contains(f.cfg.PermissionTemplates, name)
	case "text", "interactive":
		if !now.Before(u.windowEnds) {
			return "", refusal(http.StatusBadRequest, 131047, "(#131047) Re-engagement message",
				"Message failed to send because more than 24 hours have passed since the customer last replied")
		}
		request = text(body, "interactive", "type") == "call_permission_request"
		if kind == "text" && text(body, "text", "body") == "" {
			return "", invalidParameter("text.body is required")
		}
		if request && text(body, "interactive", "action", "name") != "call_permission_request" {
			return "", invalidParameter("interactive.action.name must be call_permission_request")
		}
	default:
		return "", refusal(http.StatusBadRequest, 131009, "(#131009) Parameter value is not valid", "type")
	}
	id := mintWamid()
	if request {
		if refused := f.request(u, now); refused != nil {
			return "", refused
		}
		u.request = id
	}
	return id, nil
}

// request counts a call permission request. The caller holds mu.
func (f *Fake) request(u *user, now time.Time) *graphError {
	if refused := f.number.bars(now); refused != nil {
		return refused
	}
	if u.permission(now) == "permanent" {
		return refusal(http.StatusBadRequest, 138017, "(#138017) Permanent permission already exists",
			"The user has granted permanent call permission")
	}
	if reached(within(u.requests, now, day), f.cfg.Limits.RequestsPerDay) ||
		reached(within(u.requests, now, week), f.cfg.Limits.RequestsPerWeek) {
		return refusal(http.StatusBadRequest, 138009, "(#138009) Call permission request limit reached",
			"The business has reached the limit of call permission requests to this user")
	}
	u.requests = append(u.requests, now)
	return nil
}

// digitsOf keeps the digits of a phone number.
func digitsOf(number string) string {
	digits := make([]byte, 0, len(number))
	for i := range len(number) {
		if number[i] >= '0' && number[i] <= '9' {
			digits = append(digits, number[i])
		}
	}
	return string(digits)
}
