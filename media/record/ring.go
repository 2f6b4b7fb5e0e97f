package record

import (
	"sync/atomic"
	"time"
)

const (
	slots      = 256  // 5 s of 20 ms packets: longer than a disk stalls
	maxPayload = 1488 // what a datagram of 1,500 octets holds after the RTP header
)

// slot is one packet on its way to the file.
type slot struct {
	octets    []byte // as long as the payload, with room for maxPayload
	sequence  uint16
	timestamp uint32
	at        time.Duration // arrival, since the recording began
}

// ring carries packets from the one goroutine that reads a stream to the one that
// writes its file. Slots from tail to head belong to the writer, the others to the
// reader; neither ever waits for the other.
type ring struct {
	slots   []slot
	dropped atomic.Uint64
	head    atomic.Uint64 // the reader's
	_       [64]byte      // the two ends on cache lines of their own
	tail    atomic.Uint64 // the writer's
	ordered uint64        // the writer's: slots from tail on that are in sequence
}

func (r *ring) init() {
	r.slots = make([]slot, slots)
	octets := make([]byte, slots*maxPayload)
	for i := range r.slots {
		r.slots[i].octets = octets[i*maxPayload : i*maxPayload : (i+1)*maxPayload]
	}
}

func (r *ring) slot(i uint64) *slot { return &r.slots[i%slots] }

// put copies one packet in, or drops it.
func (r *ring) put(payload []byte, sequence uint16, timestamp uint32, at time.Duration) {
	head := r.head.Load()
	if head-r.tail.Load() == slots || len(payload) > maxPayload {
		r.dropped.Add(1)

		return
	}
	s := r.slot(head)
	s.octets = append(s.octets[:0], payload...)
	s.sequence, s.timestamp, s.at = sequence, timestamp, at
	r.head.Store(head + 1)
}

// order moves every packet that came since in front of those that it precedes.
func (r *ring) order() {
	tail, head := r.tail.Load(), r.head.Load()
	for ; tail+r.ordered < head; r.ordered++ {
		for i := tail + r.ordered; i > tail && r.slot(i).precedes(r.slot(i-1)); i-- {
			*r.slot(i), *r.slot(i - 1) = *r.slot(i - 1), *r.slot(i)
		}
	}
}

// first is the next packet, nil when there is none that arrived by then.
func (r *ring) first(by time.Duration) *slot {
	if r.ordered == 0 {
		return nil
	}
	if s := r.slot(r.tail.Load()); s.at <= by {
		return s
	}

	return nil
}

// pop gives the first slot back.
func (r *ring) pop() {
	r.ordered--
	r.tail.Add(1)
}

// lateBy is how many packets behind another one a packet of the same stream may
// come; what is further behind is a stream that started anew.
const lateBy = 128

// precedes reports whether s belongs before o (serial number arithmetic, RFC 1982).
// Both numbers must say so: those of a new SSRC start at random.
func (s *slot) precedes(o *slot) bool {
	behind := int16(o.sequence - s.sequence)

	return behind > 0 && behind < lateBy && int32(o.timestamp-s.timestamp) >= 0
}
