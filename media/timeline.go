package media

import (
	"math/rand/v2"
	"time"
)

// Bounds of the timeline.
const (
	// lateBy is how many packets a packet may be late by and still be sent; beyond
	// it the source has restarted (RFC 3550 appendix A.1, MAX_MISORDER).
	lateBy = 64
	// longJump is the timestamp step, in seconds, from which on a source has changed
	// its clock rather than paused.
	longJump = 10
	// resumeSlack is how far ahead of the wall clock a source may resume after a
	// pause without its timestamps being mapped anew.
	resumeSlack = 200 * time.Millisecond
	// pause is the gap after which frames of our own follow the wall clock again.
	// Shorter ones are jitter: the frames held back are still to come, and a step
	// of the clock before them would stay as delay.
	pause = DefaultSilenceAfter
)

// timeline numbers the packets of one outgoing SSRC: one sequence and one
// timestamp line for the whole call. Packets of a source keep their distances, so
// loss and reordering stay visible to the receiver; frames of our own, a new SSRC
// and a restart of the source continue where the last packet was. No sequence
// number is ever used for two packets: with SRTP that would reuse a key stream
// (RFC 3711 section 9.1).
type timeline struct {
	clock, frame uint32

	begun     bool
	seq       uint16 // highest sent
	timestamp uint32 // of seq
	last      time.Time
	anchor    time.Time // the wall clock at anchorTS
	anchorTS  uint32

	// The current source segment.
	open     bool
	known    bool // ssrc and tsDelta are those of an earlier segment
	ssrc     uint32
	base     uint16 // first source sequence number of the segment
	highest  uint16 // highest source sequence number
	seen     uint64 // bit i: highest-i was sent
	source   uint32 // timestamp of highest
	seqDelta uint16
	tsDelta  uint32
}

// retune sets the clock of the codec that is sent. A change in the middle of a
// call closes the source's segment and anchors the wall clock anew.
func (t *timeline) retune(c Codec) {
	if t.clock == c.clock() {
		return
	}
	t.clock, t.frame = c.clock(), c.frame()
	t.open, t.known = false, false
	if t.begun {
		t.anchor, t.anchorTS = t.last, t.timestamp
	}
}

// follow numbers a packet of the source. It reports false for a duplicate and for
// a packet that comes too late to have a number.
func (t *timeline) follow(p *packet, now time.Time) (seq uint16, timestamp uint32, ok bool) {
	ahead := int16(p.seq - t.highest) // serial number arithmetic, RFC 1982
	if !t.open || p.ssrc != t.ssrc || t.restarted(p, ahead) {
		if t.stale(p, ahead) {
			return 0, 0, false
		}
		t.openSegment(p, now)
	} else if !t.admit(p, ahead) {
		return 0, 0, false
	}
	seq, timestamp = p.seq+t.seqDelta, p.timestamp+t.tsDelta
	if ahead > 0 || seq == t.seq+1 {
		t.source = p.timestamp
		t.advance(seq, timestamp, now)
	}

	return seq, timestamp, true
}

// restarted reports whether the source jumped in sequence or time.
func (t *timeline) restarted(p *packet, ahead int16) bool {
	step := int32(p.timestamp - t.source) // serial number arithmetic
	limit := int32(longJump * t.clock)    // 480,000 at most

	return ahead > restartJump || ahead < -lateBy || (ahead > 0 && (step > limit || step < -limit))
}

// stale reports whether the packet belongs before frames that we made ourselves:
// its place is taken.
func (t *timeline) stale(p *packet, ahead int16) bool {
	return !t.open && t.known && p.ssrc == t.ssrc && ahead <= 0 && ahead > -lateBy
}

// admit records a packet of the segment; false for a duplicate or one that is
// older than the segment.
func (t *timeline) admit(p *packet, ahead int16) bool {
	if ahead > 0 {
		t.seen = t.seen<<uint(ahead) | 1 // a shift by 64 or more gives 1
		t.highest = p.seq

		return true
	}
	bit := uint64(1) << uint(-ahead)
	if int16(p.seq-t.base) < 0 || ahead <= -lateBy || t.seen&bit != 0 { // serial number arithmetic
		return false
	}
	t.seen |= bit

	return true
}

// openSegment maps the source anew: the packet gets the next number, and its own
// timestamp distance if that is plausible, the wall clock's otherwise.
func (t *timeline) openSegment(p *packet, now time.Time) {
	t.begin(now)
	seq := t.seq + 1
	least := t.timestamp + t.frame
	timestamp := t.aligned(least, now)
	if t.known && p.ssrc == t.ssrc {
		kept := p.timestamp + t.tsDelta
		slack := uint32(resumeSlack/time.Millisecond) * t.clock / 1000
		if !before(kept, least) && !before(timestamp+slack, kept) {
			timestamp = kept
		}
	}
	t.open, t.known, t.ssrc = true, true, p.ssrc
	t.base, t.highest, t.seen, t.source = p.seq, p.seq, 1, p.timestamp
	t.seqDelta, t.tsDelta = seq-p.seq, timestamp-p.timestamp
}

// own numbers a frame that we made: silence, or transcoded audio.
func (t *timeline) own(now time.Time) (seq uint16, timestamp uint32) {
	t.begin(now)
	seq, timestamp = t.seq+1, t.timestamp+t.frame
	if now.Sub(t.last) >= pause {
		timestamp = t.aligned(timestamp, now)
	}
	t.open = false
	t.advance(seq, timestamp, now)

	return seq, timestamp
}

// extra numbers a packet whose timestamp the caller chose: an event packet among
// frames of our own. The audio timeline stays where it was.
func (t *timeline) extra(now time.Time) (seq uint16) {
	t.begin(now)
	t.open = false
	t.seq++

	return t.seq
}

// aheadOfWall reports whether the numbers have run away from the clock, so that
// another frame of silence would only add delay.
func (t *timeline) aheadOfWall(now time.Time) bool {
	return t.begun && now.Sub(t.last) < 10*frameTime && before(t.wall(now)+2*t.frame, t.timestamp+t.frame)
}

// begin starts the line at random values (RFC 3550 section 5.1); the sequence in
// the lower half, so that loss of the first packets cannot confuse SRTP's rollover
// counter (RFC 3711 section 3.3.1).
func (t *timeline) begin(now time.Time) {
	if t.begun {
		return
	}
	t.begun = true
	t.seq = uint16(rand.UintN(1 << 15)) //nolint:gosec // unpredictability is SRTP's business
	t.timestamp = rand.Uint32()         //nolint:gosec // as above
	t.anchor, t.anchorTS, t.last = now, t.timestamp+t.frame, now
}

// at is the timestamp of the instant now on the line that the receiver sees.
func (t *timeline) at(now time.Time) uint32 {
	return t.timestamp + uint32(now.Sub(t.last).Microseconds()*int64(t.clock)/1_000_000) // modulo 2^32
}

func (t *timeline) advance(seq uint16, timestamp uint32, now time.Time) {
	t.seq, t.timestamp, t.last = seq, timestamp, now
}

// wall is the timestamp that the wall clock says it is.
func (t *timeline) wall(now time.Time) uint32 {
	elapsed := now.Sub(t.anchor).Microseconds() * int64(t.clock) / 1_000_000

	return t.anchorTS + uint32(elapsed) // modulo 2^32 on purpose
}

// aligned is the wall clock's timestamp, in whole frames after least, and never
// before it.
func (t *timeline) aligned(least uint32, now time.Time) uint32 {
	wall := t.wall(now)
	if before(wall, least) {
		return least
	}

	return least + (wall-least)/t.frame*t.frame
}

// before compares timestamps as serial numbers (RFC 1982).
func before(a, b uint32) bool { return int32(a-b) < 0 } // serial number arithmetic
