package sipbridge

import (
	"context"
	"errors"
	"time"

	"github.com/callctl/callctl/media"
)

// carrierLeg is the call's leg towards WhatsApp as its provider shows it.
type carrierLeg struct {
	answer      string // what we answered to a user's offer
	negotiated  bool   // both descriptions are known
	connecting  bool   // a connect is on its way
	accepting   bool   // an accept is on its way
	acceptSent  bool
	giveUp      context.CancelFunc // of the accept
	preAccepted chan struct{}      // closed when the pre-accept has been answered
	terminated  bool               // the provider said that the call is over
	closing     bool               // terminate or reject is on its way
	closed      bool               // it has been answered, or was not needed
}

// terminateTries bounds the repetitions of a terminate or reject; both may be
// repeated, unlike connect.
const terminateTries = 3

// request runs one request to the provider beside the loop; the function returned
// gives it up.
func (c *call) request(do func(ctx context.Context) error, then func(err error)) context.CancelFunc {
	ctx, cancel := c.b.requestContext(c.ctx, 0)
	c.spawn(func() {
		defer cancel()
		err := do(ctx)
		c.post(func() { then(err) })
	})
	return cancel
}

// dialUser re-checks the gate and places the WhatsApp call with our offer.
func (c *call) dialUser() {
	offer, err := c.media.wa.Offer()
	if err != nil {
		c.b.log.Error("no offer for WhatsApp", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaFailed))
		return
	}
	c.carrier.connecting = true
	c.setState(stateRinging)
	c.after("user", c.b.cfg.Timeouts.UserRing, func() {
		if c.at.userAnswered.IsZero() {
			c.end(causeOf(CauseUserNoAnswer))
		}
	})
	var wacid string
	withdrawn := false
	c.request(func(ctx context.Context) error {
		if err := c.ticket.Confirm(ctx); err != nil {
			withdrawn = true
			return err
		}
		var err error
		wacid, err = c.account.Carrier.Connect(ctx, c.user, offer, c.id)
		return err
	}, func(err error) { c.onConnected(wacid, withdrawn, err) })
}

// onConnected takes the answer to connect. A refusal ends the call; a lost
// answer does not, because the call may exist: its events tell.
func (c *call) onConnected(wacid string, withdrawn bool, err error) {
	c.carrier.connecting = false
	var refused *CarrierError
	switch {
	case err == nil && wacid != "":
		c.bindTo(wacid)
	case withdrawn:
		c.carrier.closed = true
		c.end(gateCause(err))
	case errors.As(err, &refused):
		c.carrier.closed = true
		if refused.Code != 0 {
			c.codes = append(c.codes, refused.Code)
		}
		c.b.log.Warn("provider refused the call", "call", c.id, "code", refused.Code, "status", refused.Status)
		c.end(causeOfCode(refused.Code))
	case c.wacid == "":
		c.b.log.Warn("answer to connect lost; waiting for events of the call", "call", c.id)
		c.lost = true
		c.after("lost", c.b.cfg.Timeouts.LostConnect, func() {
			if c.wacid == "" {
				c.end(causeOf(CauseCarrierLost))
			}
		})
	}
	if c.ending != nil {
		c.closeCarrier()
	}
}

// bindTo makes the provider's id known and takes events that came before it.
func (c *call) bindTo(wacid string) {
	if c.bound {
		return
	}
	c.lost = false
	c.carrier.closed = false // there is a call to end after all
	c.stop("lost")
	for _, e := range c.b.bind(c, wacid) {
		c.onEvent(e)
	}
}

// onEvent takes an event of the provider, in any order, any number of times.
func (c *call) onEvent(e Event) {
	c.bindTo(e.Wacid)
	if e.Wacid != c.wacid {
		return
	}
	switch e.Kind {
	case CarrierConnect:
		c.onConnectEvent(e)
	case CarrierRinging:
		if c.at.userRinging.IsZero() {
			c.at.userRinging = c.now()
		}
		if c.caller != nil && c.ending == nil {
			c.caller.ringing()
		}
	case CarrierAccepted:
		c.onUserAnswered()
	case CarrierRejected:
		c.end(causeOf(CauseUserRejected))
	case CarrierTerminated:
		c.onTerminated(e)
	}
	if c.ending != nil {
		c.closeCarrier()
	}
}

// onConnectEvent takes WhatsApp's answer to our offer.
func (c *call) onConnectEvent(e Event) {
	if c.direction != BusinessInitiated || c.carrier.negotiated || c.ending != nil || e.SDP == "" || c.media.wa == nil {
		return
	}
	if err := c.media.wa.SetAnswer(e.SDP); err != nil {
		c.b.log.Warn("WhatsApp's answer cannot be used", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaMismatch))
		return
	}
	c.carrier.negotiated = true
	c.advance()
}

func (c *call) onUserAnswered() {
	if !c.at.userAnswered.IsZero() || c.ending != nil {
		return
	}
	c.mu.Lock()
	c.at.userAnswered = c.now()
	c.mu.Unlock()
	c.stop("user")
	c.awaitMedia()
	c.advance()
}

// onTerminated takes the provider's word that the call is over.
func (c *call) onTerminated(e Event) {
	c.carrier.terminated = true
	c.codes = append(c.codes, e.Codes...)
	c.duration = max(c.duration, e.Duration)
	if c.at.userAnswered.IsZero() && e.Duration > 0 && c.direction == BusinessInitiated {
		c.mu.Lock()
		c.at.userAnswered = c.now().Add(-e.Duration) // its ACCEPTED was lost or is late
		c.mu.Unlock()
	}
	switch {
	case e.Failed && len(e.Codes) > 0:
		c.end(causeOfCode(e.Codes[0]))
	case e.Failed:
		c.end(causeOf(CauseCarrierFailed))
	case !c.at.userAnswered.IsZero():
		c.end(causeOf(CauseUserHangup))
	case c.direction == UserInitiated:
		c.end(causeOf(CauseUserCancelled))
	default:
		c.end(causeOf(CauseUserNoAnswer))
	}
}

// preAccept gives WhatsApp our answer early, so that ICE and DTLS are up before
// the agent answers (protocol: Meta calls endpoint, pre_accept).
func (c *call) preAccept() {
	pre := make(chan struct{})
	c.carrier.preAccepted = pre
	c.request(func(ctx context.Context) error {
		defer close(pre)
		return c.account.Carrier.PreAccept(ctx, c.wacid, c.carrier.answer)
	}, func(err error) {
		if err != nil && c.ending == nil {
			c.b.log.Warn("pre-accept failed; accept will carry the answer", "call", c.id, "error", err)
		}
	})
}

// accept answers the user's call with the description of the pre-accept.
func (c *call) accept() {
	c.carrier.accepting, c.carrier.acceptSent = true, true
	pre := c.carrier.preAccepted
	c.carrier.giveUp = c.request(func(ctx context.Context) error {
		select {
		case <-pre:
		case <-ctx.Done():
			return ctx.Err()
		}
		return c.account.Carrier.Accept(ctx, c.wacid, c.carrier.answer, c.id)
	}, func(err error) {
		c.carrier.accepting = false
		if err == nil {
			c.onUserAnswered()
		} else {
			c.b.log.Warn("accept failed", "call", c.id, "error", err)
			c.end(carrierCause(err))
		}
		if c.ending != nil {
			c.closeCarrier()
		}
	})
}

// closeCarrier ends the WhatsApp leg, once: terminate, or reject for a user's
// call that was never accepted. An accept on its way is given up: terminate ends
// the call whether it arrived or not. A connect is waited for while only its
// answer can name the call.
func (c *call) closeCarrier() {
	leg := &c.carrier
	if leg.closing || leg.closed || (leg.connecting && c.wacid == "") {
		return
	}
	if leg.accepting {
		leg.giveUp()
		return
	}
	if leg.terminated || c.wacid == "" {
		leg.closed = true
		return
	}
	leg.closing = true
	reject := c.direction == UserInitiated && !leg.acceptSent
	c.spawn(func() {
		var err error
		if reject {
			err = c.b.retry(c.ctx, func(ctx context.Context) error { return c.account.Carrier.Reject(ctx, c.wacid) })
		} else {
			err = c.b.terminate(c.ctx, c.account.Carrier, c.wacid)
		}
		c.post(func() {
			leg.closed = true
			if err != nil && !leg.terminated {
				c.b.log.Warn("provider did not confirm the end of the call", "call", c.id, "error", err)
			}
		})
	})
}

func (b *Bridge) terminate(ctx context.Context, carrier Carrier, wacid string) error {
	return b.retry(ctx, func(ctx context.Context) error { return carrier.Terminate(ctx, wacid) })
}

// retry repeats a request that may be repeated while it fails for reasons that
// pass: no answer, or a server error. Once Run stops waiting it tries no more.
func (b *Bridge) retry(ctx context.Context, do func(context.Context) error) error {
	wait := 200 * time.Millisecond
	for try := 1; ; try++ {
		err := func() error {
			ctx, cancel := b.requestContext(ctx, lastWord)
			defer cancel()
			return do(ctx)
		}()
		var refused *CarrierError
		if err == nil || try == terminateTries || (errors.As(err, &refused) && refused.Status < 500 && refused.Status != 429) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-b.cut.Done():
			return err
		}
		wait *= 2
	}
}

// requestContext bounds one request to a provider: by Timeouts.Carrier, and, once
// Run stops waiting for providers, by grace.
func (b *Bridge) requestContext(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeouts.Carrier)
	stop := context.AfterFunc(b.cut, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

func carrierCause(err error) Cause {
	if refused, ok := errors.AsType[*CarrierError](err); ok {
		return causeOfCode(refused.Code)
	}
	return causeOf(CauseCarrierFailed)
}

// gateCause is the gate's refusal as a cause: its reason is the machine word.
func gateCause(err error) Cause {
	var r Refusal
	c := causeOf(CauseGateRefused)
	if errors.As(err, &r) && r.Reason() != "" {
		c.Word = r.Reason()
		return c
	}
	return causeOf(CauseInternal)
}

func mediaCause(err error) Cause {
	switch {
	case errors.Is(err, media.ErrMediaTimeout), errors.Is(err, media.ErrConnect):
		return causeOf(CauseMediaTimeout)
	case errors.Is(err, media.ErrNoCommonCodec), errors.Is(err, media.ErrSDP):
		return causeOf(CauseMediaMismatch)
	default:
		return causeOf(CauseMediaFailed)
	}
}
