package record

// Leg is the side of the call whose voice a track holds.
type Leg uint8

// The legs.
const (
	User  Leg = iota // what the WhatsApp user's side sent
	Agent            // what the PBX sent
)

// String is the word that the file's name holds.
func (l Leg) String() string {
	if l == User {
		return "user"
	}

	return "agent"
}

// Codec is a codec as SDP names it, in lower case.
type Codec string

// The codecs.
const (
	Opus Codec = "opus"
	PCMU Codec = "pcmu"
	PCMA Codec = "pcma"
)

// clock is the RTP timestamp rate in hertz (RFC 7587 section 4.1, RFC 3551 table
// 4), 0 for a codec that cannot be recorded.
func (c Codec) clock() int64 {
	switch c {
	case Opus:
		return 48000
	case PCMU, PCMA:
		return 8000
	default:
		return 0
	}
}

// extension is how the file's name ends.
func (c Codec) extension() string {
	if c == Opus {
		return ".opus"
	}

	return ".wav"
}
