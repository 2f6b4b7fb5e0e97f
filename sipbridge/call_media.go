package sipbridge

import (
	"context"
	"sync"

	"github.com/callctl/callctl/media"
)

// mediaLegs are the two streams of a call and the relay between them.
type mediaLegs struct {
	mu      sync.Mutex // guards the pointers for Live
	wa      *media.WebRTCStream
	pbx     *media.RTPStream
	relay   *media.Relay
	cancel  context.CancelFunc
	running bool
	started bool
	closed  bool
}

func (m *mediaLegs) stats() (wa, pbx media.StreamStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wa != nil {
		wa = m.wa.Stats()
	}
	if m.pbx != nil {
		pbx = m.pbx.Stats()
	}
	return wa, pbx
}

// start lets audio flow to WhatsApp, once.
func (m *mediaLegs) start() {
	if m.relay != nil && !m.started {
		m.started = true
		m.relay.Start()
	}
}

// close frees both sockets. The streams stay for their figures.
func (m *mediaLegs) close() {
	if m.closed {
		return
	}
	m.closed = true
	if m.wa != nil {
		_ = m.wa.Close()
	}
	if m.pbx != nil {
		_ = m.pbx.Close()
	}
}

// openWhatsApp opens the WhatsApp stream; false when the call ended for want of it.
func (c *call) openWhatsApp(codecs []media.Codec) bool {
	s, err := media.NewWebRTCStream(media.StreamConfig{Ports: c.b.cfg.Ports, Codecs: codecs, Log: c.b.log})
	if err != nil {
		c.b.log.Error("no media towards WhatsApp", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaFailed))
		return false
	}
	c.media.mu.Lock()
	c.media.wa = s
	c.media.mu.Unlock()
	return true
}

// openPBX opens the PBX stream; false when the call ended for want of it.
func (c *call) openPBX(codecs []media.Codec) bool {
	s, err := media.NewRTPStream(media.StreamConfig{Ports: c.b.cfg.Ports, Codecs: codecs, Log: c.b.log})
	if err != nil {
		c.b.log.Error("no media towards the PBX", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaFailed))
		return false
	}
	c.media.mu.Lock()
	c.media.pbx = s
	c.media.mu.Unlock()
	return true
}

// openMedia brings up what the WhatsApp side's negotiated description allows: the
// PBX stream, if it is not there yet, and the relay. False when the call ended.
func (c *call) openMedia() bool {
	if c.media.pbx == nil && !c.openPBX(orderCodecs(c.media.wa.Codec(), c.b.trunk.Codecs)) {
		return false
	}
	if c.media.relay != nil {
		return true
	}
	t := c.b.cfg.Timeouts
	relay, err := media.NewRelay(media.RelayConfig{
		WhatsApp: c.media.wa, PBX: c.media.pbx, Log: c.b.log, Tap: c.tap(),
		ConnectTimeout: max(t.UserRing, t.AgentRing) + t.MediaUp, // the call's own clock is stricter
	})
	if err != nil {
		c.b.log.Error("no relay", "call", c.id, "error", err)
		c.end(causeOf(CauseMediaFailed))
		return false
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.media.relay, c.media.cancel, c.media.running = relay, cancel, true
	c.spawn(func() {
		err := relay.Run(ctx)
		c.post(func() { c.onRelayEnd(err) })
	})
	ready := c.media.wa.Ready()
	c.spawn(func() {
		select {
		case <-ready:
			c.post(c.onMediaUp)
		case <-ctx.Done():
		}
	})
	return true
}

func (c *call) onMediaUp() {
	c.at.mediaUp = c.now()
	c.stop("media")
	c.advance()
}

// awaitMedia starts the clock for ICE and DTLS, once the user has answered.
func (c *call) awaitMedia() {
	if c.at.mediaUp.IsZero() {
		c.after("media", c.b.cfg.Timeouts.MediaUp, func() { c.end(causeOf(CauseMediaTimeout)) })
	}
}

func (c *call) onRelayEnd(err error) {
	c.media.running = false
	if c.ending != nil || err == nil {
		return
	}
	c.b.log.Warn("media ended", "call", c.id, "error", err)
	c.end(mediaCause(err))
}

// stopMedia ends the relay; the sockets are freed once it has returned.
func (c *call) stopMedia() {
	if c.media.cancel != nil {
		c.media.cancel()
	}
}
