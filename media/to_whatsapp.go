package media

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Clocks of the direction towards WhatsApp.
const (
	reportEvery = 5 * time.Second // RFC 3550 section 6.2, the minimum interval
	// eventPause is how long silence waits while a telephone event runs: a frame of
	// ours between its packets would split the event for some receivers, and senders
	// may space them by 50 ms (RFC 4733 section 2.6.1).
	eventPause = 200 * time.Millisecond
)

// toWhatsApp is the direction from the PBX to WhatsApp: it owns the PBX socket's
// reading side and everything that is sealed and sent to WhatsApp. Its clock
// (silence, reports) is the read deadline of the PBX socket, so that it needs
// neither a second goroutine nor a lock.
type toWhatsApp struct {
	relay    *Relay
	from     *RTPStream
	to       *WebRTCStream
	in       reception
	packet   packet
	outlet   sealedOutlet
	sender   sender
	conv     converter
	routed   [2]*route
	silentAt time.Time // when the next silence is due; zero: at once
	reportAt time.Time
	silence  []byte
	buf      [maxPacket + sealRoom]byte
	own      scratch
}

func newToWhatsApp(r *Relay) *toWhatsApp {
	d := &toWhatsApp{relay: r, from: r.cfg.PBX, to: r.cfg.WhatsApp}
	d.outlet.sock = d.to.sock
	d.sender = sender{outlet: &d.outlet, count: &d.to.count, ssrc: d.to.ssrc, fresh: true}

	return d
}

func (d *toWhatsApp) run() error {
	for {
		if err := d.from.sock.SetReadDeadline(d.deadline()); err != nil {
			_, err = d.relay.readError(err)

			return err
		}
		// After the deadline was set, so that a rouse from here on cuts the read short.
		if d.relay.wake.Swap(false) {
			if d.relay.stopping.Load() {
				return nil
			}
			d.tick(time.Now())

			continue
		}
		n, from, err := d.from.sock.ReadFromUDPAddrPort(d.buf[:maxPacket])
		now := time.Now()
		if err != nil {
			if done, err := d.relay.readError(err); done {
				return err
			}
			d.tick(now)

			continue
		}
		if !d.receive(n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), now) {
			d.from.count.dropped.Add(1)
		}
	}
}

// deadline is when there is something to do though no packet comes; zero for never.
func (d *toWhatsApp) deadline() time.Time {
	switch {
	case !d.live():
		return time.Time{}
	case d.silentAt.IsZero():
		return time.Unix(1, 0)
	case d.reportAt.Before(d.silentAt):
		return d.reportAt
	default:
		return d.silentAt
	}
}

// live reports whether packets may be sent to WhatsApp: the path is up and the
// call was accepted.
func (d *toWhatsApp) live() bool {
	if d.outlet.link != nil {
		return true
	}
	link := d.to.link.Load()
	if link == nil || d.relay.started.Load() == 0 {
		return false
	}
	route := d.to.route.Load()
	d.outlet.link = link
	d.sender.to = route
	d.sender.line.retune(route.codec)
	d.silence = route.codec.silence()
	d.reportAt = time.Now().Add(time.Second)

	return true
}

// tick sends what is due by the clock.
func (d *toWhatsApp) tick(now time.Time) {
	if !d.live() {
		return
	}
	if !now.Before(d.silentAt) {
		d.sendSilence(now)
	}
	if !now.Before(d.reportAt) {
		d.sendReport(now)
	}
}

// sendSilence sends one frame and sets the time of the next, 20 ms after this one
// was due.
func (d *toWhatsApp) sendSilence(now time.Time) {
	if now.Sub(d.silentAt) > frameTime { // the first one, or we were held up
		d.silentAt = now
	}
	d.silentAt = d.silentAt.Add(frameTime)
	if d.sender.line.aheadOfWall(now) {
		return
	}
	end := rtpHeader + copy(d.own[rtpHeader:], d.silence)
	if d.sender.frame(d.own[:], rtpHeader, end, false, now) {
		d.to.count.silenceOut.Add(1)
	}
}

// receive takes one datagram from the PBX's port; false when it was dropped.
func (d *toWhatsApp) receive(n int, from netip.AddrPort, now time.Time) bool {
	route := d.from.route.Load()
	if route == nil || from != route.remote {
		return false // a stranger, who gets no answer
	}
	p := &d.packet
	if classify(d.buf[:n]) != kindRTP || !p.parse(d.buf[:], n) || !route.sort(p) {
		return false
	}
	d.in.add(p, route.codec.clock(), now, &d.from.count)
	d.from.count.received(p.end-p.start, now)
	if tap := d.relay.cfg.Tap; tap != nil && !p.event {
		tap.FromPBX(route.codec, p.payload(), p.seq, p.timestamp)
	}
	if !d.live() || !d.adopt(route, d.to.route.Load()) || !d.conv.convert(p, &d.sender, now) {
		return false
	}
	wait := d.relay.cfg.SilenceAfter
	if p.event && wait < eventPause {
		wait = eventPause
	}
	d.silentAt = now.Add(wait)
	if !now.Before(d.reportAt) {
		d.sendReport(now)
	}

	return true
}

// adopt follows what the two legs negotiated; false while there is no way.
func (d *toWhatsApp) adopt(from, to *route) bool {
	if d.routed == [2]*route{from, to} {
		return d.conv != nil
	}
	d.conv = adoptRoutes(d.conv, &d.sender, d.routed, from, to)
	d.routed = [2]*route{from, to}

	return d.conv != nil
}

// sendReport sends a sender report under SRTCP and sets the time of the next, which
// RFC 3550 section 6.3.1 wants spread between half and one and a half intervals.
func (d *toWhatsApp) sendReport(now time.Time) {
	d.reportAt = now.Add(reportEvery/2 + rand.N(reportEvery)) //nolint:gosec // spread, not secrecy
	if d.sender.fresh {
		return // nothing was sent to report on
	}
	plain := d.own[:0]
	plain = appendSenderReport(plain, d.to.ssrc, d.sender.line.at(now), &d.to.count, now)
	sealed, err := d.outlet.link.seal.EncryptRTCP(nil, plain, nil)
	if err != nil {
		return
	}
	if _, err := d.to.sock.WriteToUDPAddrPort(sealed, d.outlet.link.peer); err == nil {
		d.to.count.rtcpOut.Add(1)
	}
}
