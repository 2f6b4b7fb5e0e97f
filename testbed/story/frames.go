package story

// run is what arrived of a sequence of frames.
type run struct {
	frames int // consecutive frames of the sequence
	filler int // frames before the first of them, such as silence
}

// inOrder checks that got holds a run of sent: from the first frame that is one
// of sent's, every next one is its successor, byte for byte. Frames that are not
// in sent (silence put in by the relay while a side says nothing) are counted
// and allowed only before the run begins.
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
		case !known && next < 0:
			r.filler++
		case !known:
			return r, failf("packet %d carries bytes that were never sent", n)
		case next >= 0 && i != next:
			return r, failf("packet %d carries frame %d where %d was due", n, i, next)
		default:
			next = i + 1
			r.frames++
		}
	}
	return r, nil
}
