package sipbridge

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// beginOutgoing starts a call that the gate allowed, in its order.
func (c *call) beginOutgoing() {
	if c.ending != nil {
		return
	}
	if c.order == UserFirst {
		if c.openWhatsApp(c.account.codecs()) {
			c.dialUser()
		}
		return
	}
	// An opt-out between the gate's decision and the call's admission found no call
	// to end: ask again before an agent rings.
	c.request(c.ticket.Confirm, func(err error) {
		switch {
		case c.ending != nil:
		case err != nil:
			c.end(gateCause(err))
		case c.openPBX(c.b.trunk.Codecs):
			c.ringAgent()
		}
	})
}

// beginIncoming takes a user's call: answer WhatsApp early, ring the agent.
func (c *call) beginIncoming(e Event) {
	if c.ending != nil {
		return
	}
	if !e.At.IsZero() && c.now().Sub(e.At) > c.b.cfg.Timeouts.Stale {
		c.end(causeOf(CauseStaleConnect))
		return
	}
	target, err := c.b.trunk.agentURI(c.agent)
	if err != nil {
		c.end(causeOf(CauseAgentUnknown))
		return
	}
	c.agentURI = target
	if !c.openWhatsApp(c.account.codecs()) {
		return
	}
	c.carrier.answer, err = c.media.wa.Answer(e.SDP)
	if err != nil {
		c.b.log.Warn("WhatsApp's offer cannot be used", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaMismatch))
		return
	}
	c.carrier.negotiated = true
	c.setState(stateRinging)
	c.preAccept()
	c.advance()
	if c.ending == nil {
		c.ringAgent()
	}
}

// beginFromPBX takes a call that the PBX placed and the gate allowed.
func (c *call) beginFromPBX() {
	if c.ending != nil {
		return
	}
	if !c.openPBX(c.b.trunk.Codecs) {
		return
	}
	answer, err := c.media.pbx.Answer(string(c.caller.req.Body()))
	if err != nil {
		c.b.log.Warn("PBX's offer cannot be used", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaMismatch))
		return
	}
	c.caller.sdp = answer
	if c.openWhatsApp(orderCodecs(c.media.pbx.Codec(), c.account.codecs())) {
		c.dialUser()
	}
}

// ringAgent sends the INVITE to the PBX.
func (c *call) ringAgent() {
	offer, err := c.media.pbx.Offer()
	if err != nil {
		c.b.log.Error("no offer for the PBX", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaFailed))
		return
	}
	leg := newUAC(c.b.ua, c, c, c.agentURI, c.user, c.id+"@"+strings.Trim(c.b.ua.contact.Host, "[]"))
	c.pbx = leg
	c.after("agent", c.b.cfg.Timeouts.AgentRing, func() { c.end(causeOf(CauseAgentNoAnswer)) })
	leg.start(offer, c.headers())
}

// headers are the identity and context that the PBX gets for its agent.
func (c *call) headers() []sip.Header {
	permission := ""
	if c.ticket != nil {
		permission = c.ticket.Permission()
	}
	out := []sip.Header{sip.NewHeader("P-Asserted-Identity", "<sip:"+c.user+"@"+c.b.ua.contact.Host+">")}
	for _, h := range [][2]string{
		{"X-Callctl-Call-ID", c.id},
		{"X-Callctl-Callback-ID", c.callback},
		{"X-Callctl-Permission", permission},
		{"X-Callctl-Purpose", c.purpose},
		{"X-Callctl-Wacid", c.wacid},
	} {
		if v := headerText(h[1]); v != "" {
			out = append(out, sip.NewHeader(h[0], v))
		}
	}
	return out
}

// maxHeader bounds a header value of ours: PBXs pass on headers below 1,024 bytes.
const maxHeader = 512

// headerText makes a text safe as a header value: printable, on one line, short.
func headerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) > maxHeader {
		s = strings.ToValidUTF8(s[:maxHeader], "")
	}
	return strings.TrimSpace(s)
}

// legRinging implements legEvents.
func (c *call) legRinging() {
	if c.state == stateConnecting {
		c.setState(stateRinging)
	}
}

// legAnswered implements legEvents: the agent answered.
func (c *call) legAnswered(sdp string) {
	if c.ending != nil {
		return
	}
	c.stop("agent")
	c.at.agentAnswered = c.now()
	if err := c.media.pbx.SetAnswer(sdp); err != nil {
		c.b.log.Warn("PBX's answer cannot be used", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaMismatch))
		return
	}
	switch {
	case c.direction == UserInitiated:
		c.accept()
	case c.order == AgentFirst:
		if c.openWhatsApp(orderCodecs(c.media.pbx.Codec(), c.account.codecs())) {
			c.dialUser()
		}
	}
	c.advance()
}

// legFailed implements legEvents: the INVITE ended without an answer.
func (c *call) legFailed(status int) {
	c.status = status
	c.stop("agent")
	if status == 0 {
		c.end(causeOf(CauseTrunkUnreachable))
		return
	}
	c.end(causeOfStatus(status))
}

// legBye implements legEvents.
func (c *call) legBye() { c.end(causeOf(CauseAgentHangup)) }

// legCancelled implements legEvents.
func (c *call) legCancelled() {
	c.status = sip.StatusRequestTerminated
	c.end(causeOf(CauseAgentCancelled))
}

// legConfirmed implements legEvents.
func (c *call) legConfirmed() {
	if c.ending == nil {
		c.at.agentAnswered = c.now()
		c.advance()
	}
}

// legUnconfirmed implements legEvents.
func (c *call) legUnconfirmed() { c.end(causeOf(CauseTrunkUnreachable)) }
