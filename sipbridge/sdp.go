package sipbridge

import "strings"

func isSDP(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/sdp")
}

// audioTarget is where a description wants its audio: the address of the c= line
// that applies to the first m=audio line, and that line's port.
func audioTarget(sdp string) (addr, port string) {
	inAudio := false
	for line := range strings.Lines(sdp) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "m="):
			if inAudio {
				return addr, port
			}
			f := strings.Fields(line)
			if f[0] == "m=audio" && len(f) > 1 {
				inAudio, port = true, f[1]
			}
		case strings.HasPrefix(line, "c=") && (inAudio || port == ""):
			if f := strings.Fields(line); len(f) == 3 {
				addr = f[2]
			}
		}
	}
	return addr, port
}

// sameMedia tells whether a new offer leaves the audio where it was. Hold by the
// zero address (RFC 2543) moves nothing either.
func sameMedia(before, now string) bool {
	a1, p1 := audioTarget(before)
	a2, p2 := audioTarget(now)
	if a2 == "0.0.0.0" {
		return true
	}
	return a1 == a2 && p1 == p2
}
