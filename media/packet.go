package media

import "encoding/binary"

// maxPacket is the largest datagram that is read; an RTP packet of any codec here
// is far smaller. Longer ones are cut by the kernel and fail to authenticate.
const maxPacket = 1500

// sealRoom is what SRTP may add: a GCM tag of 16 octets, or for SRTCP a tag and
// the index (RFC 7714 section 8, RFC 3711 section 3.4).
const sealRoom = 32

// rtpHeader is the fixed RTP header (RFC 3550 section 5.1), the only one we write.
const rtpHeader = 12

// packet is a parsed RTP packet inside a reading goroutine's buffer. buf holds
// room before and after the payload, so that the same octets leave again with a
// new header and a tag.
type packet struct {
	buf        []byte
	start, end int // payload inside buf; start >= rtpHeader
	pt         uint8
	marker     bool
	seq        uint16
	timestamp  uint32
	ssrc       uint32
	event      bool // telephone-event, by payload type
}

func (p *packet) payload() []byte { return p.buf[p.start:p.end] }

// parse reads the RTP header of buf[:n]. It reports false for what is not a
// well-formed RTP packet. Extension, CSRC list and padding are left behind: none
// is negotiated on either leg.
func (p *packet) parse(buf []byte, n int) bool {
	if n < rtpHeader || buf[0]>>6 != 2 {
		return false
	}
	start := rtpHeader + 4*int(buf[0]&0x0F)
	if buf[0]&0x10 != 0 {
		if n < start+4 {
			return false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(buf[start+2:]))
	}
	end := n
	if buf[0]&0x20 != 0 {
		end -= int(buf[n-1])
		if buf[n-1] == 0 {
			return false
		}
	}
	if end < start {
		return false
	}
	p.buf, p.start, p.end = buf, start, end
	p.marker, p.pt = buf[1]&0x80 != 0, buf[1]&0x7F
	p.seq = binary.BigEndian.Uint16(buf[2:])
	p.timestamp = binary.BigEndian.Uint32(buf[4:])
	p.ssrc = binary.BigEndian.Uint32(buf[8:])
	p.event = false

	return true
}

// putHeader writes an RTP header into the 12 octets of b.
func putHeader(b []byte, pt uint8, marker bool, seq uint16, timestamp, ssrc uint32) {
	_ = b[rtpHeader-1]
	b[0] = 2 << 6
	b[1] = pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}

// kind is what a datagram of a multiplexed socket is, by its first octet.
type kind uint8

// The kinds.
const (
	kindOther kind = iota
	kindSTUN
	kindDTLS
	kindRTP
	kindRTCP
)

// classify splits by RFC 7983 section 7 and, inside RTP, by RFC 5761 section 4.
func classify(b []byte) kind {
	if len(b) < 2 {
		return kindOther
	}
	switch {
	case b[0] <= 3:
		return kindSTUN
	case b[0] >= 20 && b[0] <= 63:
		return kindDTLS
	case b[0] < 128 || b[0] > 191:
		return kindOther
	case b[1] >= 192 && b[1] <= 223:
		return kindRTCP
	default:
		return kindRTP
	}
}
