package media

import (
	"math"
	"sync/atomic"
	"time"
)

// StreamStats counts packets of one stream since it began.
type StreamStats struct {
	PacketsIn  uint64    `json:"packetsIn"`  // RTP packets accepted from the peer
	PacketsOut uint64    `json:"packetsOut"` // RTP packets sent to the peer, silence included
	BytesIn    uint64    `json:"bytesIn"`    // RTP payload octets accepted
	BytesOut   uint64    `json:"bytesOut"`   // RTP payload octets sent
	SilenceOut uint64    `json:"silenceOut"` // of PacketsOut, frames that the relay made itself
	RTCPIn     uint64    `json:"rtcpIn"`     // RTCP packets accepted from the peer
	RTCPOut    uint64    `json:"rtcpOut"`    // RTCP packets sent to the peer
	Lost       uint64    `json:"lost"`       // gaps in the received sequence
	Dropped    uint64    `json:"dropped"`    // garbage, wrong source, replay, no route
	Jitter     float64   `json:"jitter"`     // RFC 3550 interarrival jitter, seconds
	Started    time.Time `json:"started,omitzero"`
	FirstIn    time.Time `json:"firstIn,omitzero"`
	FirstOut   time.Time `json:"firstOut,omitzero"`
	LastIn     time.Time `json:"lastIn,omitzero"`
	Codec      Codec     `json:"codec"`
}

// counters is what the packet path writes: the fields of the receiving side have
// one writer, those of the sending side another.
type counters struct {
	packetsIn, bytesIn, rtcpIn, lost, dropped atomic.Uint64
	packetsOut, bytesOut, silenceOut, rtcpOut atomic.Uint64
	jitter                                    atomic.Uint64 // bits of a float64, seconds
	started, firstIn, lastIn, firstOut, alive atomic.Int64  // Unix nanoseconds, 0 for never; alive is RTP or RTCP in
}

func (c *counters) received(payload int, now time.Time) {
	at := now.UnixNano()
	c.packetsIn.Add(1)
	c.bytesIn.Add(uint64(payload))
	c.lastIn.Store(at)
	c.alive.Store(at)
	if c.firstIn.Load() == 0 {
		c.firstIn.Store(at)
	}
}

// report counts an RTCP packet of the peer's: it shows that the peer lives.
func (c *counters) report(now time.Time) {
	c.rtcpIn.Add(1)
	c.alive.Store(now.UnixNano())
}

func (c *counters) sent(payload int, now time.Time) {
	c.packetsOut.Add(1)
	c.bytesOut.Add(uint64(payload))
	if c.firstOut.Load() == 0 {
		c.firstOut.Store(now.UnixNano())
	}
}

func (c *counters) snapshot(codec Codec) StreamStats {
	return StreamStats{
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		SilenceOut: c.silenceOut.Load(), RTCPIn: c.rtcpIn.Load(), RTCPOut: c.rtcpOut.Load(),
		Lost: c.lost.Load(), Dropped: c.dropped.Load(),
		Jitter:  math.Float64frombits(c.jitter.Load()),
		Started: unixNano(c.started.Load()), FirstIn: unixNano(c.firstIn.Load()),
		FirstOut: unixNano(c.firstOut.Load()), LastIn: unixNano(c.lastIn.Load()),
		Codec: codec,
	}
}

func unixNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}

	return time.Unix(0, ns).UTC()
}

// reception follows one received stream as RFC 3550 does: loss by extended
// sequence numbers (appendix A.3) and interarrival jitter (appendix A.8). It is
// owned by the reading goroutine.
type reception struct {
	begun    bool
	ssrc     uint32
	base     uint64 // first extended sequence number
	highest  uint64 // highest extended sequence number
	count    uint64 // packets since base
	carried  uint64 // loss of earlier sources
	transit  int64  // of the packet before, timestamp units
	jitter   float64
	arrived0 time.Time
}

// restartJump is the sequence jump from which on a source has restarted rather
// than lost packets (RFC 3550 appendix A.1, MAX_DROPOUT).
const restartJump = 3000

func (r *reception) add(p *packet, clock uint32, now time.Time, c *counters) {
	diff := int64(int16(p.seq - uint16(r.highest))) // serial number arithmetic, RFC 1982
	if !r.begun || p.ssrc != r.ssrc || diff > restartJump || diff < -restartJump {
		if r.begun {
			r.carried = c.lost.Load()
		}
		*r = reception{
			begun: true, ssrc: p.ssrc, carried: r.carried, jitter: r.jitter, arrived0: now,
			base: 1<<16 + uint64(p.seq), highest: 1<<16 + uint64(p.seq), count: 1,
		}
		r.transit = -int64(p.timestamp)

		return
	}
	r.count++
	if diff > 0 {
		r.highest += uint64(diff)
	}
	lost := r.carried
	if expected := r.highest - r.base + 1; expected > r.count {
		lost += expected - r.count
	}
	c.lost.Store(lost)
	r.addJitter(p, clock, now, c)
}

func (r *reception) addJitter(p *packet, clock uint32, now time.Time, c *counters) {
	if p.event || clock == 0 { // the packets of one event share a timestamp
		return
	}
	arrival := now.Sub(r.arrived0).Nanoseconds() * int64(clock) / int64(time.Second)
	transit := arrival - int64(p.timestamp)
	d := float64(int32(uint32(transit) - uint32(r.transit))) // modulo 2^32 on purpose
	r.transit = transit
	r.jitter += (math.Abs(d) - r.jitter) / 16
	c.jitter.Store(math.Float64bits(r.jitter / float64(clock)))
}
