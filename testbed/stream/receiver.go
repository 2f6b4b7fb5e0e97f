package stream

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/callctl/callctl/testbed/tone"
)

// Kept is how many payloads a receiver keeps: the last 100 s.
const Kept = 5000

// Heard is what arrived.
type Heard struct {
	Codec       string
	Packets     int      // audio packets, without telephone events
	Events      int      // telephone-event packets (RFC 4733)
	Unknown     int      // packets of a payload type that was not negotiated
	Reports     int      // RTCP packets that opened, compound ones counted once
	Lost        int      // sequence numbers that never came
	Reordered   int      // packets that came after a later one
	Duplicates  int      // packets that came again
	SSRCs       int      // distinct, must stay 1
	PeerFirst   bool     // the first packet of the path came from callctl
	Payloads    [][]byte // received payloads in order of arrival, the last Kept
	FirstPacket time.Time
	LastPacket  time.Time
}

// Receiver keeps and counts one direction of audio. It is safe for concurrent use.
type Receiver struct {
	mu      sync.Mutex
	codecs  map[uint8]string // by payload type
	events  map[uint8]bool   // payload types of telephone-event
	heard   Heard
	sources map[uint32]*sequence
	// arrived and payloads are parallel and only ever appended to, so that Heard
	// can lend payloads out; the oldest are left behind by moving to new arrays.
	arrived  []arrival
	payloads [][]byte
}

type arrival struct {
	at    time.Time
	codec string
}

// NewReceiver takes packets of the codecs and of the telephone-event payload
// types.
func NewReceiver(codecs []Codec, events []uint8) *Receiver {
	r := &Receiver{codecs: map[uint8]string{}, events: map[uint8]bool{}, sources: map[uint32]*sequence{}}
	for _, codec := range codecs {
		r.codecs[codec.PayloadType] = codec.Name
	}
	for _, payloadType := range events {
		r.events[payloadType] = true
	}
	return r
}

// Take counts packet, which arrived at that time, and reports whether it was the
// first of all.
func (r *Receiver) Take(packet *rtp.Packet, at time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = r.heard.FirstPacket.IsZero()
	if first {
		r.heard.FirstPacket = at
	}
	r.heard.LastPacket = at
	source := r.sources[packet.SSRC]
	if source == nil {
		source = newSequence(packet.SequenceNumber)
		r.sources[packet.SSRC] = source
		r.heard.SSRCs++
	}
	source.take(packet.SequenceNumber)
	codec, audio := r.codecs[packet.PayloadType]
	switch {
	case audio:
		r.heard.Codec = codec
		r.heard.Packets++
		r.keep(arrival{at: at, codec: codec}, slices.Clone(packet.Payload))
	case r.events[packet.PayloadType]:
		r.heard.Events++
	default:
		r.heard.Unknown++
	}
	return first
}

func (r *Receiver) keep(a arrival, payload []byte) {
	if len(r.arrived) == 2*Kept {
		r.arrived = slices.Clone(r.arrived[Kept:])
		r.payloads = slices.Clone(r.payloads[Kept:])
	}
	r.arrived, r.payloads = append(r.arrived, a), append(r.payloads, payload)
}

// Report counts one RTCP packet.
func (r *Receiver) Report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard.Reports++
}

// PeerFirst notes that the first packet of the path came from the other side.
func (r *Receiver) PeerFirst() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard.PeerFirst = true
}

// Heard returns what has arrived so far. The payloads are shared: do not change
// them.
func (r *Receiver) Heard() Heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	for _, source := range r.sources {
		heard.Lost += source.lost()
		heard.Reordered += source.reordered
		heard.Duplicates += source.duplicates
	}
	heard.Payloads = slices.Clip(r.payloads[max(0, len(r.payloads)-Kept):])
	return heard
}

// ToneLevel is the share (0 to 1) of the energy heard in the last second that is
// at hz. It is 0 when less than 200 ms were heard in that second.
func (r *Receiver) ToneLevel(hz float64) float64 {
	codec, payloads := r.lastSecond(time.Now())
	if len(payloads) < 10 {
		return 0
	}
	samples, err := tone.Decode(codec, payloads)
	if err != nil {
		return 0
	}
	return tone.Level(samples, 8000, hz)
}

func (r *Receiver) lastSecond(now time.Time) (codec string, payloads [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := max(0, len(r.arrived)-100); i < len(r.arrived); i++ {
		if a := r.arrived[i]; now.Sub(a.at) <= time.Second && a.codec == r.heard.Codec {
			payloads = append(payloads, r.payloads[i])
		}
	}
	return r.heard.Codec, payloads
}
