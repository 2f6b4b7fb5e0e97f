package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// outlet writes one finished RTP packet of one direction. The slice has sealRoom
// octets of capacity to spare. It reports false when nothing was sent.
type outlet interface{ write(rtpPacket []byte) bool }

// sender is the sending half of a stream: it numbers, writes and counts. It is
// owned by one goroutine.
type sender struct {
	outlet outlet
	count  *counters
	ssrc   uint32
	line   timeline
	to     *route // what was agreed with the receiver
	fresh  bool   // nothing was sent yet
}

// relayed sends the packet with a new header before its untouched payload. It
// reports false when the packet was not sent.
func (s *sender) relayed(p *packet, now time.Time) bool {
	pt, ok := s.payloadType(p)
	if !ok {
		return false
	}
	seq, timestamp, ok := s.line.follow(p, now)

	return ok && s.emit(p.buf, p.start, p.end, pt, p.marker, seq, timestamp, now)
}

// frame sends one audio frame of our own that lies at buf[start:end].
func (s *sender) frame(buf []byte, start, end int, marker bool, now time.Time) bool {
	seq, timestamp := s.line.own(now)

	return s.emit(buf, start, end, s.to.sendPT, marker, seq, timestamp, now)
}

// eventAt sends the packet of a telephone event at the given timestamp.
func (s *sender) eventAt(p *packet, timestamp uint32, now time.Time) bool {
	pt, ok := s.payloadType(p)
	if !ok {
		return false
	}

	return s.emit(p.buf, p.start, p.end, pt, p.marker, s.line.extra(now), timestamp, now)
}

func (s *sender) payloadType(p *packet) (uint8, bool) {
	if p.event {
		return s.to.sendEvent, s.to.sendEvent != noEvent
	}

	return s.to.sendPT, true
}

func (s *sender) emit(
	buf []byte, start, end int, pt uint8, marker bool, seq uint16, timestamp uint32, now time.Time,
) bool {
	head := start - rtpHeader
	putHeader(buf[head:start], pt, marker || s.fresh, seq, timestamp, s.ssrc)
	if !s.outlet.write(buf[head:end]) {
		return false
	}
	s.fresh = false
	s.count.sent(end-start, now)

	return true
}

// plainOutlet writes RTP to the PBX. A peer on hold is not written to.
type plainOutlet struct {
	sock   *socket
	remote netip.AddrPort
	active bool
}

func (o *plainOutlet) write(rtpPacket []byte) bool {
	if !o.active {
		return false
	}
	_, err := o.sock.WriteToUDPAddrPort(rtpPacket, o.remote)

	return err == nil
}

// sealedOutlet writes SRTP to WhatsApp.
type sealedOutlet struct {
	sock   *socket
	link   *secureLink
	header rtp.Header // scratch
}

func (o *sealedOutlet) write(rtpPacket []byte) bool {
	sealed, err := o.link.seal.EncryptRTP(rtpPacket, rtpPacket, &o.header)
	if err != nil {
		return false
	}
	_, err = o.sock.WriteToUDPAddrPort(sealed, o.link.peer)

	return err == nil
}
