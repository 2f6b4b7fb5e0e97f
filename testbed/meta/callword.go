package meta

import (
	"context"
	"time"
)

// PlacedCall posts what Meta says of a call that another program placed or took on
// the same number: the connect, then RINGING, ACCEPTED or REJECTED, and the
// terminate. outcome is connected, unanswered, rejected or failed. It counts like
// any call: four unanswered ones revoke. It returns the wacid.
func (f *Fake) PlacedCall(ctx context.Context, digits, direction, outcome string) (string, error) {
	c := &call{fake: f, digits: digits, posts: make(chan Webhook, 8)}
	now := time.Now()
	c.record = Call{ID: mintWacid(digits, f.cfg.Business, direction), User: digits, Direction: direction, Begun: now}
	sdp := "offer"
	if direction == BusinessInitiated {
		sdp = "answer"
	}
	webhooks := []Webhook{c.event("connect", map[string]any{"session": map[string]any{"sdp_type": sdp, "sdp": "v=0\r\n"}})}
	if direction == BusinessInitiated {
		webhooks = append(webhooks, c.status("RINGING"))
	}
	switch outcome {
	case "connected":
		c.record.Accepted = now
		webhooks = append(webhooks, c.status("ACCEPTED"))
		f.mu.Lock()
		f.user(digits).connectedCall(now, direction)
		f.mu.Unlock()
	case "rejected":
		webhooks = append(webhooks, c.status("REJECTED"))
	}
	failed := 0
	if outcome == "failed" {
		failed = 138021
	}
	webhooks = append(webhooks, c.terminated(end{by: "user", state: "ended", failed: failed}))
	if direction == BusinessInitiated && (outcome == "unanswered" || outcome == "rejected") && f.unansweredBy(digits) {
		webhooks = append(webhooks, f.revokedWebhook(digits))
	}
	for _, w := range webhooks {
		if err := f.post(ctx, w); err != nil {
			return c.record.ID, err
		}
	}
	return c.record.ID, nil
}

// unansweredBy counts a call that the user did not take; true when that revokes
// the permission.
func (f *Fake) unansweredBy(digits string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(digits)
	u.unanswered++
	if f.cfg.Limits.Unanswered <= 0 || u.unanswered < f.cfg.Limits.Unanswered || u.status == "" {
		return false
	}
	u.status, u.unanswered = "", 0
	return true
}

// revokedWebhook is the reply that tells an automatic revocation.
func (f *Fake) revokedWebhook(digits string) Webhook {
	return f.replyOf(digits, map[string]any{"response": "reject", "response_source": "automatic"}, "")
}
