package meta

import (
	"context"
	"time"
)

// Reply posts a signed call_permission_reply webhook for the latest request to
// the user: accept or reject, temporary unless permanent. Without a request it
// is what "always allow" in the business's profile sends, which has no context.
func (f *Fake) Reply(ctx context.Context, digits string, accept, permanent bool) error {
	now := time.Now()
	reply := map[string]any{"response": "reject", "response_source": "user_action"}
	f.mu.Lock()
	u := f.user(digits)
	u.status = ""
	if accept {
		f.grant(u, reply, now, permanent)
	}
	request := u.request
	f.mu.Unlock()
	return f.post(ctx, f.replyOf(digits, reply, request))
}

// grant sets the permission and the reply that tells it. The caller holds mu.
func (f *Fake) grant(u *user, reply map[string]any, now time.Time, permanent bool) {
	reply["response"], reply["is_permanent"] = "accept", permanent
	if permanent {
		u.status = "permanent"
		return
	}
	u.status, u.expires = "temporary", now.Add(f.cfg.Timers.Grant)
	reply["expiration_timestamp"] = stamp(u.expires)
}

// replyOf is the webhook of a reply; contextID is the message or the call that
// it belongs to, if any.
func (f *Fake) replyOf(digits string, reply map[string]any, contextID string) Webhook {
	user := f.identity(digits)
	message := map[string]any{
		"from": user.shown(digits), "id": mintWamid(), "timestamp": stamp(time.Now()), "type": "interactive",
		"interactive": map[string]any{"type": "call_permission_reply", "call_permission_reply": reply},
	}
	user.names(message, "from")
	if contextID != "" {
		message["context"] = map[string]any{"from": f.cfg.Business, "id": contextID}
	}
	return Webhook{Field: "messages", Value: f.value("messages", message, digits)}
}

// Text posts a signed text message from the user and returns its message id. It
// opens the customer service window.
func (f *Fake) Text(ctx context.Context, digits, text string) (string, error) {
	id := mintWamid()
	return id, f.say(ctx, digits, map[string]any{"id": id, "type": "text", "text": map[string]any{"body": text}})
}
