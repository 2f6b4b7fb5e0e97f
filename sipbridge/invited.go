package sipbridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callctl/callctl/geo"
)

// gateTimeout bounds the gate's decision about a call that a PBX placed; a caller
// hears 100 meanwhile.
const gateTimeout = 10 * time.Second

// invited takes a call that the PBX placed to sip:+number@callctl: the gate
// first, then WhatsApp. It runs on the INVITE's goroutine.
func (b *Bridge) invited(leg *uas) {
	account := b.callerAccount(leg.caller)
	if account == nil || !userPart.MatchString(leg.number) {
		leg.refuse(causeOf(CauseAgentUnknown))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	c := newCall(ctx, b, account, BusinessInitiated, b.cfg.NewID(), leg.number)
	c.order, c.agent, c.caller, c.pbx = AgentFirst, leg.caller, leg, leg
	leg.host, leg.events = c, c
	leg.watchCancel()
	ticket, err := b.cfg.Gate.Authorize(ctx, c.attempt())
	if err != nil {
		b.refuseCaller(leg, err)
		return
	}
	c.ticket = ticket
	if err := b.admit(c, c.beginFromPBX); err != nil {
		leg.refuse(causeOf(CauseShutdown))
		if err := c.abandon(); err != nil {
			b.log.Error("attempt of a refused call not settled", "call", c.id, "error", err)
		}
	}
}

// callerAccount is the account on whose behalf the PBX calls: the one whose
// number the PBX gives as caller, or the only one.
func (b *Bridge) callerAccount(caller string) *Account {
	if n, err := geo.Parse(caller); err == nil {
		if a := b.account(func(a *Account) bool { return a.Business == n }); a != nil {
			return a
		}
	}
	if len(b.cfg.Accounts) == 1 {
		return &b.cfg.Accounts[0]
	}
	return nil
}

// refuseCaller answers with the gate's reason, as the interface with PBXs has
// it: 403, Reason and, where waiting helps, Retry-After.
func (b *Bridge) refuseCaller(leg *uas, err error) {
	var r Refusal
	if !errors.As(err, &r) {
		b.log.Error("gate failed", "error", err)
		leg.refuse(causeOf(CauseInternal))
		return
	}
	extra := []sip.Header{sip.NewHeader("Reason", fmt.Sprintf(`callctl;cause=403;text=%q`, r.Reason()))}
	if at := r.RetryAfter(); !at.IsZero() {
		if wait := math.Ceil(at.Sub(b.cfg.Now()).Seconds()); wait > 0 {
			extra = append(extra, sip.NewHeader("Retry-After", strconv.Itoa(int(wait))))
		}
	}
	leg.refuse(causeOf(CauseGateRefused), extra...)
}
