package meta

import (
	"context"
	"maps"
	"time"
)

// ring is the life of a call of the business: connect, RINGING, what the user
// does, and the terminate.
func (c *call) ring(ctx context.Context, answer string) {
	c.posts <- c.event("connect", map[string]any{"session": map[string]any{"sdp_type": "answer", "sdp": answer}})
	c.change(func(r *Call) { r.State = "ringing" })
	c.posts <- c.status("RINGING")
	wait, what := c.behaviour.RingFor, c.behaviour.Then
	if what == "ignore" || wait > c.fake.cfg.Timers.Ring {
		wait, what = c.fake.cfg.Timers.Ring, "ignore"
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		c.finish(end{by: "stopped", state: "ended"})
		return
	case e := <-c.ends:
		if e.by == "user" { // the callee who hangs up while it rings declines
			c.posts <- c.status("REJECTED")
			e.state = "rejected"
		}
		c.unanswered(e)
		return
	case <-timer.C:
	}
	switch what {
	case "ignore":
		c.unanswered(end{by: "timeout", state: "ended"})
	case "reject":
		c.posts <- c.status("REJECTED")
		c.unanswered(end{by: "user", state: "rejected"})
	default:
		c.change(func(r *Call) { r.State, r.Accepted = "accepted", time.Now() })
		c.posts <- c.status("ACCEPTED")
		c.talk(ctx)
	}
}

// offer is the life of a user's call: connect, the business's accept, and the
// terminate.
func (c *call) offer(ctx context.Context, offer string) {
	c.posts <- c.event("connect", map[string]any{"session": map[string]any{"sdp_type": "offer", "sdp": offer}})
	c.change(func(r *Call) {
		if r.State == "connecting" {
			r.State = "ringing"
		}
	})
	if knobs, _ := c.fake.settings(); knobs.CallbackPermission {
		c.callbackPermission()
	}
	timer := time.NewTimer(c.fake.cfg.Timers.Accept)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		c.finish(end{by: "stopped", state: "ended"})
	case e := <-c.ends:
		c.complete(e)
	case <-timer.C:
		c.complete(end{by: "timeout", state: "ended"})
	case <-c.accepted:
		c.change(func(r *Call) { r.State = "accepted" })
		c.talk(ctx)
	}
}

// talk is an answered call. It ends by either side, or for want of media.
func (c *call) talk(ctx context.Context) {
	c.record.Handset.PickUp()
	c.fake.mu.Lock()
	c.fake.user(c.digits).connectedCall(time.Now(), c.record.Direction)
	c.fake.mu.Unlock()
	var tired <-chan time.Time
	if c.behaviour.HangUp > 0 {
		timer := time.NewTimer(c.behaviour.HangUp)
		defer timer.Stop()
		tired = timer.C
	}
	look := time.NewTicker(min(c.fake.cfg.Timers.NoMedia, c.fake.cfg.Timers.Silence, time.Second) / 4)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			c.finish(end{by: "stopped", state: "ended"})
			return
		case e := <-c.ends:
			c.complete(e)
			return
		case <-tired:
			c.complete(end{by: "user", state: "ended"})
			return
		case now := <-look.C:
			if e := c.silence(now); e.failed != 0 {
				c.complete(e)
				return
			}
		}
	}
}

// silence is the end that Meta makes when the business sends nothing: 138021
// after the answer, 138022 later in the call.
func (c *call) silence(now time.Time) end {
	timers, heard := c.fake.cfg.Timers, c.record.Handset.Heard()
	switch {
	case heard.LastPacket.IsZero():
		if now.Sub(c.snapshot().Accepted) >= timers.NoMedia {
			return end{by: "timeout", state: "ended", failed: 138021}
		}
	case now.Sub(heard.LastPacket) >= timers.Silence:
		return end{by: "timeout", state: "ended", failed: 138022}
	}
	return end{}
}

// unanswered ends a call that nobody picked up and counts it: at the limit the
// permission is revoked and an automatic reply says so.
func (c *call) unanswered(e end) {
	c.complete(e)
	if c.fake.unansweredBy(c.digits) {
		c.posts <- c.fake.revokedWebhook(c.digits)
	}
}

// callbackPermission grants what a user's call grants where callback permission
// is enabled; the reply's context is the wacid.
func (c *call) callbackPermission() {
	f := c.fake
	reply := map[string]any{"response_source": "automatic"}
	f.mu.Lock()
	u := f.user(c.digits)
	granted := u.permission(time.Now()) == "no_permission"
	if granted {
		f.grant(u, reply, time.Now(), false)
	}
	f.mu.Unlock()
	if granted {
		c.posts <- f.replyOf(c.digits, reply, c.record.ID)
	}
}

// finish ends the record.
func (c *call) finish(e end) {
	c.change(func(r *Call) {
		r.State, r.EndedBy, r.Failed, r.Ended = e.state, e.by, e.failed, time.Now()
	})
}

// complete ends the record and posts the terminate webhook.
func (c *call) complete(e end) {
	c.finish(e)
	c.posts <- c.terminated(e)
}

// terminated is the terminate webhook of a call that has ended so.
func (c *call) terminated(e end) Webhook {
	r := c.snapshot()
	if r.Ended.IsZero() {
		r.Ended = time.Now()
	}
	fields := map[string]any{"status": "COMPLETED"}
	if !r.Accepted.IsZero() {
		fields["start_time"], fields["end_time"] = stamp(r.Accepted), stamp(r.Ended)
		fields["duration"] = int(r.Ended.Sub(r.Accepted).Round(time.Second) / time.Second)
	}
	if e.failed != 0 {
		fields["status"] = "FAILED"
		fields["errors"] = []any{map[string]any{
			"code": e.failed, "title": "Media error", "message": "Media error",
			"error_data": map[string]any{"details": "No media received from the business"},
		}}
	}
	webhook := c.event("terminate", fields)
	if value, ok := webhook.Value.(map[string]any); ok && e.failed != 0 {
		value["errors"] = fields["errors"] // live webhooks carry them twice
	}
	return webhook
}

// event is a webhook of the calls list.
func (c *call) event(name string, fields map[string]any) Webhook {
	r, id := c.snapshot(), c.fake.identity(c.digits)
	item := map[string]any{
		"id": r.ID, "event": name, "timestamp": stamp(time.Now()), "direction": r.Direction,
		"to": id.shown(c.digits), "from": c.fake.cfg.Business,
	}
	role, contacts := "to", []string(nil)
	if r.Direction == UserInitiated {
		item["to"], item["from"] = c.fake.cfg.Business, id.shown(c.digits)
		role, contacts = "from", []string{c.digits}
	}
	id.names(item, role)
	if r.Opaque != "" {
		item["biz_opaque_callback_data"] = r.Opaque
	}
	maps.Copy(item, fields)
	return Webhook{Field: "calls", Value: c.fake.value("calls", item, contacts...)}
}

// status is a webhook of the statuses list.
func (c *call) status(name string) Webhook {
	r, id := c.snapshot(), c.fake.identity(c.digits)
	item := map[string]any{
		"id": r.ID, "timestamp": stamp(time.Now()), "type": "call", "status": name, "recipient_id": id.shown(c.digits),
	}
	id.names(item, "recipient")
	if r.Opaque != "" {
		item["biz_opaque_callback_data"] = r.Opaque
	}
	return Webhook{Field: "calls", Value: c.fake.value("statuses", item)}
}

// postAll posts the call's webhooks in their order, or as Reorder says.
func (c *call) postAll(ctx context.Context) {
	for w := range c.posts {
		batch := []Webhook{w}
		if knobs, _ := c.fake.settings(); knobs.Reorder != nil {
			batch = knobs.Reorder(c.gather(ctx, batch, knobs.ReorderWindow))
		}
		for _, w := range batch {
			_ = c.fake.post(ctx, w) // Deliveries tells what became of it
		}
	}
}

// gather waits for more webhooks of the call.
func (c *call) gather(ctx context.Context, batch []Webhook, window time.Duration) []Webhook {
	timer := time.NewTimer(orDefault(window, 200*time.Millisecond))
	defer timer.Stop()
	for {
		select {
		case w, open := <-c.posts:
			if !open {
				return batch
			}
			batch = append(batch, w)
		case <-timer.C:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
}
