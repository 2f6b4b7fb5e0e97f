package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sentPacket is one number that a timeline gave out.
type sentPacket struct {
	seq       uint16
	timestamp uint32
	own       bool
}

// TestTimelineIsContinuousWhateverTheSourceDoes drives a timeline with loss,
// duplicates, reordering, pauses, restarts and new SSRCs, and wants of the result
// what a WhatsApp client wants: no sequence number twice, audio of the highest
// number never behind audio before it, no gap that the source did not have.
func TestTimelineIsContinuousWhateverTheSourceDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom([]Codec{Opus, PCMU}).Draw(t, "codec")
		var line timeline
		line.retune(codec)
		now := time.Unix(1_000_000, 0)
		source := packet{
			seq:       rapid.Uint16().Draw(t, "seq"),
			timestamp: rapid.Uint32().Draw(t, "timestamp"),
			ssrc:      1,
		}
		var sent []sentPacket
		numbers := map[uint64]bool{}
		var extended, skipped uint64
		var highestTS uint32
		give := func(seq uint16, timestamp uint32, own bool) {
			if len(sent) == 0 {
				extended = 1<<20 + uint64(seq)
			}
			number := extended + uint64(int64(int16(seq-uint16(extended))))
			require.False(t, numbers[number], "sequence number %d twice", seq)
			numbers[number] = true
			if number > extended || len(sent) == 0 {
				if len(sent) > 0 {
					require.LessOrEqual(t, number-extended-1, skipped, "a gap of our own making")
					skipped = 0
				}
				extended = number
				if len(sent) > 0 {
					require.True(t, before(highestTS, timestamp), "timestamp went back")
				}
				highestTS = timestamp
			}
			sent = append(sent, sentPacket{seq, timestamp, own})
		}
		steps := rapid.IntRange(1, 200).Draw(t, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{
				"next", "next", "next", "next", "lost", "duplicate", "late", "silence", "pause", "ssrc", "restart", "jump",
			}).Draw(t, "step") {
			case "next":
				source.seq++
				source.timestamp += codec.frame()
				now = now.Add(frameTime)
			case "lost":
				n := rapid.IntRange(1, 10).Draw(t, "lost")
				skipped += uint64(n)
				source.seq += uint16(n + 1)
				source.timestamp += uint32(n+1) * codec.frame()
				now = now.Add(time.Duration(n+1) * frameTime)
			case "duplicate":
			case "late":
				old := source
				back := uint16(rapid.IntRange(1, 80).Draw(t, "back"))
				old.seq -= back
				old.timestamp -= uint32(back) * codec.frame()
				if seq, ts, ok := line.follow(&old, now); ok {
					give(seq, ts, false)
					if back >= lateBy { // taken for a restart: the source goes on from there
						source = old
					} else {
						skipped += uint64(back) // it may have been the first of its segment
					}
				}

				continue
			case "silence":
				now = now.Add(frameTime)
				seq, ts := line.own(now)
				require.True(t, len(sent) == 0 || seq == uint16(extended)+1)
				give(seq, ts, true)

				continue
			case "pause":
				now = now.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
				source.seq++
				source.timestamp += codec.frame()
			case "ssrc":
				source.ssrc++
				source.seq = rapid.Uint16().Draw(t, "seq")
				source.timestamp = rapid.Uint32().Draw(t, "timestamp")
			case "restart":
				source.seq += 10_000
				source.timestamp = rapid.Uint32().Draw(t, "timestamp")
			case "jump":
				source.seq++
				source.timestamp += 3600 * codec.clock()
			}
			if seq, ts, ok := line.follow(&source, now); ok {
				give(seq, ts, false)
			}
		}
	})
}

func TestASteadySourceKeepsItsDistances(t *testing.T) {
	t.Parallel()
	var line timeline
	line.retune(Opus)
	now := time.Unix(1_000_000, 0)
	p := packet{seq: 65530, timestamp: 1<<32 - 2000, ssrc: 5}
	first, firstTS, ok := line.follow(&p, now)
	require.True(t, ok)
	for _, step := range []uint16{1, 2, 4, 3, 5, 60} { // 3 comes late
		q := p
		q.seq += step
		q.timestamp += uint32(step) * 960
		seq, ts, ok := line.follow(&q, now.Add(time.Duration(step)*frameTime))
		require.True(t, ok)
		require.Equal(t, first+step, seq)
		require.Equal(t, firstTS+uint32(step)*960, ts)
		_, _, ok = line.follow(&q, now)
		require.False(t, ok, "the same packet twice")
	}
}

func TestAPauseFilledWithSilenceKeepsTheSourcesClock(t *testing.T) {
	t.Parallel()
	var line timeline
	line.retune(PCMU)
	now := time.Unix(1_000_000, 0)
	p := packet{seq: 1, timestamp: 1000, ssrc: 5}
	_, first, _ := line.follow(&p, now)
	var seq uint16
	for i := 2; i <= 50; i++ { // the PBX is silent, its clock goes on
		seq, _ = line.own(now.Add(time.Duration(i) * frameTime))
	}
	p.seq, p.timestamp = 2, 1000+51*160
	got, ts, ok := line.follow(&p, now.Add(51*frameTime))
	require.True(t, ok)
	require.Equal(t, seq+1, got)
	require.Equal(t, first+51*160, ts)

	late := packet{seq: 1, timestamp: 1000, ssrc: 5}
	_, _, ok = line.follow(&late, now.Add(51*frameTime))
	require.False(t, ok, "its place is taken")
}

func TestSilenceDoesNotRunAheadOfTheClock(t *testing.T) {
	t.Parallel()
	var line timeline
	line.retune(PCMU)
	now := time.Unix(1_000_000, 0)
	line.own(now)
	for range 10 { // a burst: numbers without time
		line.own(now)
	}
	require.True(t, line.aheadOfWall(now))
	require.False(t, line.aheadOfWall(now.Add(10*frameTime)))
}
