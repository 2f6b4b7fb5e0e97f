package record

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media/opus"
)

// TestOpusIsKeptAsItCame records more than a page, over the wrap of sequence and
// timestamp, with packets of more than one lacing value.
func TestOpusIsKeptAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: Opus, Agent: PCMU})
		const frames = 300
		r.play(0, frames)
		got := audio(t, r.end()[User])
		require.Len(t, got, frames)
		for i, p := range got {
			require.Equal(t, frame(i), p, "packet %d", i)
		}
		f := r.file(User)
		require.Equal(t, 6*time.Second, f.Duration)
		require.Equal(t, uint64(frames), f.Packets)
		require.Zero(t, f.Dropped+f.Late)
		require.Equal(t, "call-1.user.opus", filepath.Base(f.Path))
	})
}

func TestOpusGapsAreConcealedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: Opus, Agent: Opus})
		time.Sleep(55 * time.Millisecond)
		r.play(0, 2)
		time.Sleep(200 * time.Millisecond) // ten frames are lost
		r.play(12, 13)
		time.Sleep(5 * time.Millisecond)
		files := r.end()
		want := [][]byte{
			{quietTOC | 3, 2},
			{28<<3 | 3, 6}, // 40 ms and 15 ms before the first
			frame(0), frame(1),
			{quietTOC | 3, 6},
			{quietTOC | 3, 4}, // 200 ms, 120 ms at most to a packet
			frame(12),
			{28<<3 | 3, 2}, // 5 ms until the end
		}
		require.Equal(t, want, audio(t, files[User]))
		require.Equal(t, 320*time.Millisecond, r.file(User).Duration)
		require.Equal(t, 320*time.Millisecond, r.file(Agent).Duration, "a leg that sent nothing is silent")
		require.Zero(t, r.file(Agent).Packets)
	})
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: Opus, Agent: Opus})
		send := func(list ...int) {
			for _, i := range list {
				r.Tap(User, frame(i), uint16(65530+i), uint32(960*i))
			}
		}
		send(0, 2, 1, 1, 4, 3, 3)
		time.Sleep(time.Second) // those are in the file
		send(6)
		time.Sleep(hold - every/2) // overtaken by less than is waited for
		send(5)
		time.Sleep(time.Second)
		send(2) // too late
		r.Tap(User, nil, 1, 0)
		r.Tap(User, []byte{3}, 2, 0)
		r.Tap(User, make([]byte, maxPayload+1), 3, 0)
		r.Tap(Leg(7), frame(9), 3, 0)
		r.Skip(User)
		r.Skip(Leg(7))
		time.Sleep(time.Second)
		got := audio(t, r.end()[User])
		require.Equal(t, [][]byte{frame(0), frame(1), frame(2), frame(3), frame(4), frame(5), frame(6)}, got[:7])
		f := r.file(User)
		require.Equal(t, uint64(7), f.Packets)
		require.Equal(t, uint64(3), f.Late)
		require.Equal(t, uint64(4), f.Dropped)
	})
}

// TestNumbersCannotLengthenATrack starts anew with another sequence, and a timestamp
// an hour ahead or far back: the track stays as long as the call.
func TestNumbersCannotLengthenATrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: Opus, Agent: PCMA})
		var jumps uint32
		for i := range 500 {
			switch i % 100 {
			case 40:
				jumps += 3600
			case 80:
				jumps -= 10000
			}
			sequence := uint16(i) + uint16(jumps)*7919
			r.Tap(User, frame(i), sequence, uint32(i)*960+jumps*48000)
			r.Tap(Agent, make([]byte, 160), sequence, uint32(i)*160+jumps*8000)
			time.Sleep(20 * time.Millisecond)
		}
		r.end()
		for _, leg := range []Leg{User, Agent} {
			f := r.file(leg)
			require.InDelta(t, 10*time.Second, f.Duration, float64(time.Second), leg)
			require.Greater(t, f.Packets, uint64(480), leg)
		}
	})
}

func TestOpusSamples(t *testing.T) {
	for _, c := range []struct {
		packet []byte
		want   int64
	}{
		{nil, 0},
		{[]byte{31 << 3}, 960},
		{[]byte{28 << 3}, 120},
		{[]byte{29<<3 | 1}, 480},
		{[]byte{0}, 480},
		{[]byte{3 << 3}, 2880},
		{[]byte{3<<3 | 2}, 5760},
		{[]byte{12 << 3}, 480},
		{[]byte{13 << 3}, 960},
		{[]byte{31<<3 | 3, 6}, 5760},
		{[]byte{31<<3 | 3, 7}, 0},
		{[]byte{31<<3 | 3, 0}, 0},
		{[]byte{31<<3 | 3}, 0},
	} {
		require.Equal(t, c.want, opusSamples(c.packet), "%x", c.packet)
	}
}

// TestOpusToolsAgree lets the reference tools read a recording with a gap: a tone,
// 400 ms of nothing, the tone.
func TestOpusToolsAgree(t *testing.T) {
	dec, err := exec.LookPath("opusdec")
	if err != nil {
		t.Skip("opus-tools are not installed")
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{Dir: dir, User: Opus, Agent: Opus})
		enc, err := opus.NewEncoder(8000)
		require.NoError(t, err)
		for i := range 100 {
			var pcm [160]int16
			for j := range pcm {
				pcm[j] = int16(8000 * math.Sin(2*math.Pi*440*float64(i*160+j)/8000))
			}
			var out [400]byte
			n, err := enc.Encode(pcm[:], out[:])
			require.NoError(t, err)
			if i < 40 || i >= 60 {
				r.Tap(User, out[:n], uint16(i), uint32(960*i))
			}
			time.Sleep(20 * time.Millisecond)
		}
		r.end()
	})
	for _, name := range []string{"call-1.user.opus", "call-1.agent.opus"} {
		in, raw := filepath.Join(dir, name), filepath.Join(dir, name+".raw")
		info, err := exec.CommandContext(t.Context(), "opusinfo", in).CombinedOutput()
		require.NoError(t, err, "%s", info)
		require.NotContains(t, string(info), "WARNING")
		log, err := exec.CommandContext(t.Context(), dec, "--rate", "48000", "--no-dither", in, raw).CombinedOutput()
		require.NoError(t, err, "%s", log)
		pcm, err := os.ReadFile(raw)
		require.NoError(t, err)
		require.Len(t, pcm, 2*48000*2, "two seconds")
		loud := func(from, to float64) (sum float64) {
			for i := int(from * 48000); i < int(to*48000); i++ {
				v := float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
				sum += v * v / (48000 * (to - from))
			}

			return math.Sqrt(sum)
		}
		if name == "call-1.agent.opus" {
			require.Less(t, loud(0, 2), 1.0)

			continue
		}
		require.InDelta(t, 8000/math.Sqrt2, loud(0.1, 0.8), 1500)
		require.Less(t, loud(1.0, 1.2), 500.0)
		require.InDelta(t, 8000/math.Sqrt2, loud(1.3, 2), 1500)
	}
}
