package media

import (
	"fmt"
	"time"
)

// converter carries one received packet over to the other leg. It is chosen once
// for a pair of codecs and owned by the goroutine that reads.
type converter interface {
	// convert sends what the packet holds through out. It reports false when the
	// packet was dropped.
	convert(p *packet, out *sender, now time.Time) bool
}

// newConverter returns how packets of codec from become packets of codec to.
func newConverter(from, to Codec) (converter, error) {
	switch {
	case from == to:
		return sameCodec{}, nil
	case from == Opus:
		return newOpusToG711(to)
	case to == Opus:
		return newG711ToOpus(from)
	case from.known() && to.known():
		return newG711ToG711(from, to), nil
	default:
		return nil, fmt.Errorf("%w: %s to %s", ErrNoCommonCodec, from, to)
	}
}

// sameCodec relays payloads as they are.
type sameCodec struct{}

func (sameCodec) convert(p *packet, out *sender, now time.Time) bool { return out.relayed(p, now) }
