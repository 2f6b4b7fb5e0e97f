package media

import "time"

// Codec is a codec as SDP names it, in lower case.
type Codec string

// The codecs.
const (
	Opus Codec = "opus"
	PCMU Codec = "pcmu"
	PCMA Codec = "pcma"
)

// frameTime is the packet time of every stream: Meta sends and wants
// ptime = maxptime = 20 (protocol: Meta, Calling API media).
const frameTime = 20 * time.Millisecond

// telephoneEventClock is the clock of RFC 4733 events in hertz. Meta uses 8000
// beside Opus too (protocol: Meta, telephone-event/8000 on payload type 126).
const telephoneEventClock = 8000

// clock is the RTP timestamp rate in hertz (RFC 7587 section 4.1 for Opus, RFC
// 3551 table 4 for G.711), 0 for a codec we do not have.
func (c Codec) clock() uint32 {
	switch c {
	case Opus:
		return 48000
	case PCMU, PCMA:
		return 8000
	default:
		return 0
	}
}

// frame is the timestamp step of one packet of frameTime.
func (c Codec) frame() uint32 { return c.clock() / 50 }

// known reports whether c is a codec of this package.
func (c Codec) known() bool { return c.clock() != 0 }

// payloadType is the payload type that we offer c with: the static one of RFC
// 3551, or the 111 that Meta and every browser use for Opus.
func (c Codec) payloadType() uint8 {
	switch c {
	case PCMU:
		return 0
	case PCMA:
		return 8
	default:
		return 111
	}
}

// silence returns one frame of silence: for Opus a 20 ms CELT frame that codes
// nothing (RFC 6716, TOC 31), for G.711 160 samples of zero.
func (c Codec) silence() []byte {
	switch c {
	case Opus:
		return []byte{0xF8, 0xFF, 0xFE}
	case PCMU:
		return filled(0xFF)
	case PCMA:
		return filled(0xD5)
	default:
		return nil
	}
}

func filled(b byte) []byte {
	frame := make([]byte, 160)
	for i := range frame {
		frame[i] = b
	}

	return frame
}
