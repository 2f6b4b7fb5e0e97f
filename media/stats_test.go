package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReceptionCountsLossAsRFC3550Does(t *testing.T) {
	t.Parallel()
	var r reception
	var c counters
	now := time.Unix(1_000_000, 0)
	feed := func(seq uint16, ssrc uint32) {
		p := packet{seq: seq, timestamp: uint32(seq) * 160, ssrc: ssrc}
		r.add(&p, 8000, now, &c)
		now = now.Add(frameTime)
	}
	for _, seq := range []uint16{65533, 65534, 0, 1, 5, 4} { // 65535, 2 and 3 are missing, 4 is late
		feed(seq, 1)
	}
	require.EqualValues(t, 3, c.lost.Load())
	feed(65535, 1) // very late
	require.EqualValues(t, 2, c.lost.Load())
	for _, seq := range []uint16{40000, 40002} { // a new source begins anew
		feed(seq, 2)
	}
	require.EqualValues(t, 3, c.lost.Load())
	feed(10, 2) // so does a restart
	feed(11, 2)
	require.EqualValues(t, 3, c.lost.Load())
}

func TestJitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		late func(i int) time.Duration
		want float64
	}{
		{"evenly", func(int) time.Duration { return 0 }, 0},
		{"every other packet 10 ms late", func(i int) time.Duration { return time.Duration(i%2) * 10 * time.Millisecond }, 0.010},
	} {
		var r reception
		var c counters
		begin := time.Unix(1_000_000, 0)
		for i := range 500 {
			p := packet{seq: uint16(i), timestamp: 1<<32 - 4000 + uint32(i)*160, ssrc: 1}
			r.add(&p, 8000, begin.Add(time.Duration(i)*frameTime+tc.late(i)), &c)
		}
		require.InDelta(t, tc.want, c.snapshot(PCMU).Jitter, 0.0005, tc.name)
	}
}

func TestPacketsAreSplitByRFC7983(t *testing.T) {
	t.Parallel()
	for first := range 256 {
		want := kindOther
		switch {
		case first <= 3:
			want = kindSTUN
		case first >= 20 && first <= 63:
			want = kindDTLS
		case first >= 128 && first <= 191:
			want = kindRTP
		}
		require.Equal(t, want, classify([]byte{byte(first), 111}), first)
	}
	for second := range 256 {
		want := kindRTP
		if second >= 192 && second <= 223 {
			want = kindRTCP
		}
		require.Equal(t, want, classify([]byte{0x80, byte(second)}), second)
	}
	require.Equal(t, kindOther, classify([]byte{0x80}))
}

func FuzzParsePacket(f *testing.F) {
	f.Add(plainPacket(Opus, 1))
	f.Add([]byte{0xB1, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xBE, 0xDE, 0, 1, 0x10, 1, 0, 0, 7, 7, 7, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		if p.parse(b, len(b)) {
			require.GreaterOrEqual(t, p.start, rtpHeader)
			require.LessOrEqual(t, p.start, p.end)
			require.LessOrEqual(t, p.end, len(b))
		}
	})
}
