package story

// run is what arrived of a sequence of frames.
type run struct {
	frames int // consecutive frames of the sequence
	filler int // frames of silence before or between them
}

// opusSilence is the shortest Opus frame of silence, 20 ms of CELT at 48 kHz
// (RFC 6716, section 3.1): what a relay puts in while its side says nothing.
const opusSilence = "\xf8\xff\xfe"

// inOrder checks that got holds a run of sent: from the first frame that is one
// of sent's, every next one is its successor, byte for byte. Silence is counted
// and may stand between them; any other bytes may not.
func inOrder(sent, got [][]byte) (run, error) {
	index := make(map[string]int, len(sent))
	for i, f := range sent {
		index[string(f)] = i
	}
	var r run
	next := -1
	for n, f := range got {
		i, known := index[string(f)]
		switch {
		case !known && string(f) == opusSilence:
			r.filler++
		case !known:
			return r, failf("packet %d carries %d bytes that were never sent", n, len(f))
		case next >= 0 && i != next:
			return r, failf("packet %d carries frame %d where %d was due", n, i, next)
		default:
			next = i + 1
			r.frames++
		}
	}
	return r, nil
}
