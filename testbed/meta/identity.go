package meta

import (
	"context"
	"time"
)

// Identity is how the webhooks name a user beside, or instead of, the phone
// number (Meta, business-scoped user ids).
type Identity struct {
	UserID       string // BSUID, such as US.13491208655302741918
	ParentUserID string // US.ENT.…
	Username     string
	HideNumber   bool // the user has a username, and the number is not told
}

// SetIdentity names a user from now on.
func (f *Fake) SetIdentity(digits string, id Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user(digits).identity = id
}

func (f *Fake) identity(digits string) Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.user(digits).identity
}

// shown is the phone number as webhooks tell it.
func (id Identity) shown(digits string) string {
	if id.HideNumber {
		return ""
	}
	return digits
}

// names puts the user's ids into a message or status, under role: from, to or
// recipient.
func (id Identity) names(item map[string]any, role string) {
	if id.UserID != "" {
		item[role+"_user_id"] = id.UserID
	}
	if id.ParentUserID != "" {
		item[role+"_parent_user_id"] = id.ParentUserID
	}
}

// contact is the user's entry in contacts.
func (id Identity) contact(digits string) map[string]any {
	profile := map[string]any{"name": "Zoë 🙂"}
	if id.Username != "" {
		profile["username"] = id.Username
	}
	contact := map[string]any{"profile": profile, "wa_id": id.shown(digits)}
	if id.UserID != "" {
		contact["user_id"] = id.UserID
	}
	if id.ParentUserID != "" {
		contact["parent_user_id"] = id.ParentUserID
	}
	return contact
}

// ChangeUserID gives a user another BSUID, as happens when the user changes the
// phone number, and posts the user_id_update. What Meta knows of the user stays
// with the new id.
func (f *Fake) ChangeUserID(ctx context.Context, digits, current string) error {
	f.mu.Lock()
	u := f.user(digits)
	previous := u.identity.UserID
	u.identity.UserID = current
	id := u.identity
	f.mu.Unlock()
	update := map[string]any{
		"wa_id": id.shown(digits), "detail": "The user's id has changed", "timestamp": stamp(time.Now()),
		"user_id": map[string]any{"previous": previous, "current": current},
	}
	if id.ParentUserID != "" {
		update["parent_user_id"] = map[string]any{"previous": id.ParentUserID, "current": id.ParentUserID}
	}
	return f.post(ctx, Webhook{Field: "user_id_update", Value: f.value("user_id_update", update, digits)})
}

// ChangeNumber moves a user to another phone number and posts the system message
// user_changed_number. The permission given to the old number is no more.
func (f *Fake) ChangeNumber(ctx context.Context, from, to string) error {
	f.mu.Lock()
	moved := *f.user(from)
	delete(f.users, from)
	moved.digits, moved.status, moved.request, moved.requests, moved.connected = to, "", "", nil, nil
	f.users[to] = &moved
	f.mu.Unlock()
	return f.post(ctx, Webhook{Field: "messages", Value: f.value("messages", map[string]any{
		"from": from, "id": mintWamid(), "timestamp": stamp(time.Now()), "type": "system",
		"system": map[string]any{"type": "user_changed_number", "wa_id": to, "body": "User changed from " + from + " to " + to},
	}, from)})
}

// Preference posts a user_preferences webhook: the user stopped ("stop") marketing
// messages or resumed them ("resume") in WhatsApp's own settings.
func (f *Fake) Preference(ctx context.Context, digits, value string) error {
	id := f.identity(digits)
	item := map[string]any{
		"wa_id": id.shown(digits), "category": "marketing_messages", "value": value,
		"detail": "User requested to " + value + " marketing messages", "timestamp": time.Now().Unix(),
	}
	if id.UserID != "" {
		item["user_id"] = id.UserID
	}
	f.mu.Lock()
	f.user(digits).noMarketing = value == "stop"
	f.mu.Unlock()
	return f.post(ctx, Webhook{Field: "user_preferences", Value: f.value("user_preferences", item, digits)})
}
