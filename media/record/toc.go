package record

// maxDuration is the longest packet, 120 ms at 48 kHz (RFC 6716 section 3.2.5).
const maxDuration = 5760

// frameSamples is the length of a packet's frames at 48 kHz (RFC 6716 table 2).
func frameSamples(toc byte) int64 {
	config := toc >> 3
	switch {
	case config >= 16: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	case config >= 12: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // SILK: 10, 20, 40, 60 ms
		return [...]int64{480, 960, 1920, 2880}[config&3]
	}
}

// opusSamples is how long a packet plays at 48 kHz, 0 for one that RFC 6716 section
// 3.4 calls malformed by its first two octets.
func opusSamples(packet []byte) int64 {
	if len(packet) == 0 {
		return 0
	}
	frames := int64(1)
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int64(packet[1] & 0x3F)
	}
	if n := frames * frameSamples(packet[0]); n <= maxDuration {
		return n
	}

	return 0
}
