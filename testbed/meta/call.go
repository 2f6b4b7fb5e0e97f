package meta

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/callctl/callctl/testbed/handset"
)

// Call is one call at the fake, whichever side began it.
type Call struct {
	ID          string // wacid
	User        string // digits
	Direction   string // BUSINESS_INITIATED or USER_INITIATED
	State       string // connecting, ringing, accepted, rejected, ended
	EndedBy     string // user, business, timeout, stopped
	Opaque      string // biz_opaque_callback_data
	PreAccepted bool
	Failed      int // the error code of a terminate with status FAILED, such as 138021
	Begun       time.Time
	Accepted    time.Time // zero until then
	Ended       time.Time // zero until then
	Handset     *handset.Handset
}

// end is why a call ends.
type end struct {
	by     string
	state  string
	failed int
}

// call is one call; its goroutine is in Run.
type call struct {
	fake      *Fake
	digits    string
	behaviour handset.Behaviour
	ends      chan end      // what ends it; the first one counts
	accepted  chan struct{} // closed by accept of a user's call
	posts     chan Webhook

	mu     sync.Mutex
	record Call
	answer string // the SDP of pre_accept or accept
}

func (f *Fake) newCall(digits, direction string, b handset.Behaviour, h *handset.Handset) *call {
	h.Ring()
	c := &call{
		fake: f, digits: digits, behaviour: b,
		ends: make(chan end, 1), accepted: make(chan struct{}), posts: make(chan Webhook, 8),
	}
	c.record = Call{
		ID: mintWacid(digits, f.cfg.Business, direction), User: digits, Direction: direction,
		State: "connecting", Begun: time.Now(), Handset: h,
	}
	return c
}

// begin lists the call and starts its life in Run: story beside the handset and
// the posting of its webhooks.
func (f *Fake) begin(ctx context.Context, c *call, story func(context.Context)) error {
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.byID[c.record.ID] = c
	f.mu.Unlock()
	err := f.start(ctx, func(ctx context.Context) {
		var beside sync.WaitGroup
		media, hangUp := context.WithCancel(ctx)
		beside.Go(func() { _ = c.record.Handset.Run(media) })
		beside.Go(func() { c.postAll(ctx) })
		story(ctx)
		hangUp()
		close(c.posts)
		beside.Wait()
	})
	if err != nil {
		_ = c.record.Handset.Close()
		c.finish(end{by: "stopped", state: "ended"})
	}
	f.signal()
	return err
}

func (c *call) snapshot() Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record
}

func (c *call) over() bool { return !c.snapshot().Ended.IsZero() }

// change edits the record and wakes those who wait.
func (c *call) change(edit func(*Call)) {
	c.mu.Lock()
	edit(&c.record)
	c.mu.Unlock()
	c.fake.signal()
}

// stop asks the call to end; only the first reason counts.
func (c *call) stop(e end) {
	select {
	case c.ends <- e:
	default:
	}
}

// HangUp lets the user end a call.
func (f *Fake) HangUp(wacid string) error {
	f.mu.Lock()
	c := f.byID[wacid]
	f.mu.Unlock()
	if c == nil || c.over() {
		return ErrNoCall
	}
	c.stop(end{by: "user", state: "ended"})
	return nil
}

// Call starts a user-initiated call and returns its wacid. The connect webhook
// is on its way when it returns.
func (f *Fake) Call(ctx context.Context, digits string, b handset.Behaviour) (string, error) {
	h, err := handset.New(f.cfg.MediaHost, b)
	if err != nil {
		return "", fmt.Errorf("testbed/meta: %w", err)
	}
	offer, err := h.Offer()
	if err != nil {
		_ = h.Close()
		return "", fmt.Errorf("testbed/meta: %w", err)
	}
	f.mu.Lock()
	f.user(digits).windowEnds = time.Now().Add(day)
	f.mu.Unlock()
	c := f.newCall(digits, UserInitiated, b, h)
	return c.record.ID, f.begin(ctx, c, func(ctx context.Context) { c.offer(ctx, offer) })
}

// accept takes the business's answer to a user's call, by pre_accept or accept.
func (c *call) accept(body map[string]any, final bool) *graphError {
	if text(body, "session", "sdp_type") != "answer" {
		return invalidParameter("session.sdp_type must be answer")
	}
	sdp := text(body, "session", "sdp")
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.record.Direction != UserInitiated:
		return invalidParameter("The call was initiated by the business")
	case !c.record.Ended.IsZero():
		return invalidParameter("The call is already completed")
	case !c.record.Accepted.IsZero():
		return invalidParameter("The call is already in progress")
	case c.record.PreAccepted && sdp != c.answer:
		return invalidParameter("The SDP differs from the SDP of pre_accept")
	}
	if !c.record.PreAccepted {
		if err := c.record.Handset.SetAnswer(sdp); err != nil {
			return sdpRefusal(err)
		}
		c.answer = sdp
	}
	c.record.PreAccepted = c.record.PreAccepted || !final
	if final {
		c.record.Accepted = time.Now()
		close(c.accepted)
	}
	return nil
}

func (c *call) reject() *graphError {
	switch record := c.snapshot(); {
	case record.Direction != UserInitiated:
		return invalidParameter("The call was initiated by the business")
	case !record.Ended.IsZero():
		return invalidParameter("The call is already completed")
	case !record.Accepted.IsZero():
		return invalidParameter("The call is already in progress")
	}
	c.stop(end{by: "business", state: "rejected"})
	return nil
}

func (c *call) terminate() *graphError {
	if c.over() {
		return invalidParameter("The call is already completed")
	}
	c.stop(end{by: "business", state: "ended"})
	return nil
}
