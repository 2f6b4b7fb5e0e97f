package stream

// Codec is one line of a=rtpmap.
type Codec struct {
	Name        string // opus, pcmu, pcma
	PayloadType uint8
}

// Step is how far the RTP timestamp moves in 20 ms: RFC 7587 fixes 48 kHz for
// Opus, RFC 3551 section 4.5.14 8 kHz for G.711.
func (c Codec) Step() uint32 {
	if c.Name == "opus" {
		return 960
	}
	return 160
}
