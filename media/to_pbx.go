package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// toPBX is the direction from WhatsApp to the PBX: it owns the WhatsApp socket's
// reading side and the PBX socket's writing side.
type toPBX struct {
	relay  *Relay
	from   *WebRTCStream
	to     *RTPStream
	link   *secureLink
	in     reception
	header rtp.Header // scratch
	packet packet
	outlet plainOutlet
	sender sender
	conv   converter
	routed [2]*route // that conv and sender were made for
	buf    [maxPacket + sealRoom]byte
}

func newToPBX(r *Relay) *toPBX {
	d := &toPBX{relay: r, from: r.cfg.WhatsApp, to: r.cfg.PBX}
	d.outlet.sock = d.to.sock
	d.sender = sender{outlet: &d.outlet, count: &d.to.count, ssrc: d.to.ssrc, fresh: true}

	return d
}

func (d *toPBX) run() error {
	for {
		n, from, err := d.from.sock.ReadFromUDPAddrPort(d.buf[:maxPacket])
		if err != nil {
			if done, err := d.relay.readError(err); done {
				return err
			}

			continue
		}
		if !d.receive(n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now()) {
			d.from.count.dropped.Add(1)
		}
	}
}

// receive takes one datagram of the multiplexed socket; false when it was dropped.
func (d *toPBX) receive(n int, from netip.AddrPort, now time.Time) bool {
	b := d.buf[:n]
	switch classify(b) {
	case kindSTUN:
		return d.from.stun.deliver(b, from) // the ICE agent authenticates
	case kindDTLS:
		return d.from.fromPeer(from) && d.from.dtls.deliver(b, from)
	case kindRTP:
		return d.secured(from) && d.rtp(b, now)
	case kindRTCP:
		return d.secured(from) && d.rtcp(b, now)
	default:
		return false
	}
}

// fromPeer reports whether DTLS may come from addr: the selected pair's remote
// address, or, while no pair is selected, an address that the peer's description
// named. A ClientHello from anyone else never reaches the handshake.
func (s *WebRTCStream) fromPeer(addr netip.AddrPort) bool {
	if only := s.dtls.only.Load(); only != nil {
		return *only == addr
	}
	select {
	case <-s.negotiated:
	default:
		return false
	}
	for _, c := range s.peer.candidates { // never changed once negotiated is closed
		if c.Port() == int(addr.Port()) && c.Address() == addr.Addr().String() {
			return true
		}
	}

	return false
}

// secured reports whether SRTP is up and addr is the peer.
func (d *toPBX) secured(addr netip.AddrPort) bool {
	if d.link == nil {
		d.link = d.from.link.Load()
	}

	return d.link != nil && d.link.peer == addr
}

func (d *toPBX) rtcp(b []byte, now time.Time) bool {
	if _, err := d.link.open.DecryptRTCP(nil, b, nil); err != nil {
		return false
	}
	d.from.count.report(now)

	return true
}

func (d *toPBX) rtp(b []byte, now time.Time) bool {
	opened, err := d.link.open.DecryptRTP(b, b, &d.header)
	if err != nil {
		return false // not authentic, or a replay
	}

	return d.forward(len(opened), now)
}

// forward carries the opened packet in buf[:n] to the PBX.
func (d *toPBX) forward(n int, now time.Time) bool {
	route, p := d.from.route.Load(), &d.packet
	if !p.parse(d.buf[:], n) || !route.sort(p) {
		return false
	}
	d.in.add(p, route.codec.clock(), now, &d.from.count)
	d.from.count.received(p.end-p.start, now)
	if tap := d.relay.cfg.Tap; tap != nil && !p.event {
		tap.FromWhatsApp(route.codec, p.payload(), p.seq, p.timestamp)
	}

	return d.adopt(route, d.to.route.Load()) && d.conv.convert(p, &d.sender, now)
}

// adopt follows what the two legs negotiated; false while there is no way.
func (d *toPBX) adopt(from, to *route) bool {
	if to == nil {
		return false
	}
	if d.routed == [2]*route{from, to} {
		return d.conv != nil
	}
	d.outlet.remote, d.outlet.active = to.remote, to.remote.IsValid() && to.receives
	d.conv = adoptRoutes(d.conv, &d.sender, d.routed, from, to)
	d.routed = [2]*route{from, to}

	return d.conv != nil
}

// adoptRoutes points a sender to its receiver's route and returns the converter: the
// one there was while the codecs are the same, so that a changed address does not
// reset a codec. nil when the codecs cannot be joined.
func adoptRoutes(conv converter, s *sender, was [2]*route, from, to *route) converter {
	s.to = to
	s.line.retune(to.codec)
	if conv != nil && was[0] != nil && was[1] != nil &&
		was[0].codec == from.codec && was[1].codec == to.codec {
		return conv
	}
	made, err := newConverter(from.codec, to.codec)
	if err != nil {
		return nil
	}

	return made
}
