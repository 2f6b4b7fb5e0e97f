package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tape is an outlet that keeps the headers written.
type tape struct{ written []packet }

func (o *tape) write(rtpPacket []byte) bool {
	var p packet
	if !p.parse(rtpPacket, len(rtpPacket)) {
		return false
	}
	o.written = append(o.written, p)

	return true
}

// clocked drives the direction towards WhatsApp by a clock of its own, in steps of
// a millisecond.
type clocked struct {
	d    *toWhatsApp
	out  tape
	from *route
	now  time.Time
	sent int // frames of the PBX, each 20 ms later than the one before
	base time.Time
}

func newClocked(t *testing.T, web, pbx Codec) *clocked {
	t.Helper()
	r, _ := fixture(t, web, pbx)
	c := &clocked{d: newToWhatsApp(r), from: r.cfg.PBX.route.Load(), now: time.Now()}
	c.base = c.now
	c.d.sender.outlet = &c.out

	return c
}

// wait lets the clock run; what is due by it is done.
func (c *clocked) wait(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); {
		c.now = c.now.Add(time.Millisecond)
		if !c.d.silentAt.IsZero() && !c.now.Before(c.d.silentAt) {
			c.d.tick(c.now)
		}
	}
}

// speak is one frame of the PBX. The timestamps of frames follow the clock that
// the PBX has, late or not.
func (c *clocked) speak(t *testing.T) {
	t.Helper()
	n := rtpHeader + 160
	putHeader(c.d.buf[:], c.from.recvPT, false, uint16(c.sent), uint32(c.sent)*160, 77)
	for i := rtpHeader; i < n; i++ {
		c.d.buf[i] = byte(i)
	}
	c.sent++
	require.True(t, c.d.receive(n, c.from.remote, c.now), "frame %d dropped", c.sent-1)
}

// drift is how far the timestamps have run ahead of the clock.
func (c *clocked) drift(codec Codec) time.Duration {
	first, last := c.out.written[0], c.out.written[len(c.out.written)-1]
	heard := time.Duration(last.timestamp-first.timestamp) * time.Second / time.Duration(codec.clock())

	return heard - c.now.Sub(c.base)
}

func (c *clocked) requireContinuous(t *testing.T) {
	t.Helper()
	for i := 1; i < len(c.out.written); i++ {
		require.Equal(t, c.out.written[i-1].seq+1, c.out.written[i].seq, "packet %d", i)
		require.True(t, before(c.out.written[i-1].timestamp, c.out.written[i].timestamp), "packet %d", i)
	}
}

// TestATrunkThatJitters: frames that a network holds back for 150 ms and then
// delivers at once all arrive, in their places, whether relayed or transcoded.
// Nothing is put between them and no delay is added.
func TestATrunkThatJitters(t *testing.T) {
	t.Parallel()
	for _, web := range []Codec{PCMU, PCMA, Opus} {
		t.Run(fmt.Sprintf("PCMU to %s", web), func(t *testing.T) {
			t.Parallel()
			c := newClocked(t, web, PCMU)
			c.speak(t)
			for range 5 {
				for range 10 {
					c.wait(frameTime)
					c.speak(t)
				}
				c.wait(150 * time.Millisecond)
				for range 7 {
					c.speak(t)
				}
				c.wait(10 * time.Millisecond)
				c.speak(t)
			}
			require.Zero(t, c.d.to.count.silenceOut.Load())
			require.Len(t, c.out.written, c.sent)
			c.requireContinuous(t)
			for i := 1; i < len(c.out.written); i++ {
				require.Equal(t, web.frame(), c.out.written[i].timestamp-c.out.written[i-1].timestamp, "packet %d", i)
			}
			require.Zero(t, c.drift(web))
		})
	}
}

// TestFramesThatComeAfterSilenceTookTheirPlace: held back for longer than silence
// waits they still all arrive, later; after real silence the timestamps are those
// of the clock again.
func TestFramesThatComeAfterSilenceTookTheirPlace(t *testing.T) {
	t.Parallel()
	for _, web := range []Codec{PCMU, PCMA, Opus} {
		t.Run(fmt.Sprintf("PCMU to %s", web), func(t *testing.T) {
			t.Parallel()
			c := newClocked(t, web, PCMU)
			c.speak(t)
			for range 10 {
				c.wait(frameTime)
				c.speak(t)
			}
			c.wait(300 * time.Millisecond)
			silence := c.d.to.count.silenceOut.Load()
			require.Positive(t, silence)
			for range 15 {
				c.speak(t)
			}
			require.Len(t, c.out.written, c.sent+int(silence))
			c.requireContinuous(t)

			c.wait(2 * time.Second) // the PBX is silent
			c.sent += 100
			for range 10 {
				c.speak(t)
				c.wait(frameTime)
			}
			c.requireContinuous(t)
			require.InDelta(t, 0, c.drift(web), float64(3*frameTime))
		})
	}
}
