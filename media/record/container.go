package record

import "os"

// container is how the packets of one codec lie in a file.
type container interface {
	// samples is how long a payload plays, in the codec's clock; 0 when it is not
	// well-formed.
	samples(payload []byte) int64
	// write appends one payload that samples found well-formed.
	write(payload []byte) error
	// silence appends at most the given samples, and says how many.
	silence(samples int64) (int64, error)
	// finish completes the file, headers included.
	finish() error
}

func newContainer(c Codec, f *os.File) (container, error) {
	if c == Opus {
		return newOggOpus(f)
	}

	return newWAV(c, f)
}
