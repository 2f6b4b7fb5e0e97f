package meta

import (
	"context"
	"maps"
	"time"
)

// reasons are Meta's words for the codes of a message that failed.
func reason(code int) string {
	switch code {
	case 131026:
		return "Message undeliverable"
	case 131047:
		return "Re-engagement message"
	case 131049:
		return "This message was not delivered to maintain healthy ecosystem engagement."
	case 131050:
		return "User has stopped marketing messages from your business"
	}
	return "Message failed"
}

// Receipt posts the status of a message: sent, delivered, read, or failed with a
// code such as 131026 (undeliverable), 131049 (held back) or 131050 (the user
// stopped marketing messages).
func (f *Fake) Receipt(ctx context.Context, digits, wamid, status string, code int) error {
	id := f.identity(digits)
	item := map[string]any{
		"id": wamid, "status": status, "timestamp": stamp(time.Now()), "recipient_id": id.shown(digits),
	}
	id.names(item, "recipient")
	if code != 0 {
		item["errors"] = []any{map[string]any{
			"code": code, "title": reason(code), "message": reason(code),
			"error_data": map[string]any{"details": reason(code)},
			"href":       "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
		}}
	}
	return f.post(ctx, Webhook{Field: "messages", Value: f.value("statuses", item)})
}

// FailMessages makes every later message to a user fail after it was accepted,
// with code, until code is 0. The failed status is posted by Run.
func (f *Fake) FailMessages(digits string, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user(digits).failing = code
}

// postStatuses tells what becomes of a message that was accepted.
func (f *Fake) postStatuses(ctx context.Context, digits, id string, failing int, all bool) {
	if failing != 0 {
		_ = f.Receipt(ctx, digits, id, "failed", failing) // Deliveries tells what became of it
		return
	}
	if !all {
		return
	}
	for _, status := range []string{"sent", "delivered"} {
		_ = f.Receipt(ctx, digits, id, status, 0)
	}
}

// Tap posts the tap on a quick reply button, such as "Allow calls", of the message
// wamid. It grants nothing.
func (f *Fake) Tap(ctx context.Context, digits, title, payload, wamid string) error {
	return f.say(ctx, digits, map[string]any{
		"type": "button", "button": map[string]any{"text": title, "payload": payload},
		"context": map[string]any{"from": f.cfg.Business, "id": wamid},
	})
}

// say posts a message of the user with the fields; it opens the customer service
// window.
func (f *Fake) say(ctx context.Context, digits string, fields map[string]any) error {
	now := time.Now()
	f.mu.Lock()
	u := f.user(digits)
	u.windowEnds = now.Add(day)
	id := u.identity
	f.mu.Unlock()
	item := map[string]any{"from": id.shown(digits), "id": mintWamid(), "timestamp": stamp(now)}
	id.names(item, "from")
	maps.Copy(item, fields)
	return f.post(ctx, Webhook{Field: "messages", Value: f.value("messages", item, digits)})
}
