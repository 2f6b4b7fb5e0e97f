package record

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWAV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, Config{User: PCMU, Agent: PCMA})
		mu, a := bytes.Repeat([]byte{0x11}, 160), bytes.Repeat([]byte{0x22}, 160)
		for i := range 10 {
			if i != 4 && i != 5 { // two lost
				r.Tap(User, mu, uint16(i), uint32(i*160))
				r.Tap(Agent, a, uint16(i), uint32(i*160))
			}
			time.Sleep(20 * time.Millisecond)
		}
		r.Tap(Agent, a[:81], 10, 1600) // an odd length
		files := r.end()

		want := append([]byte("RIFF\x72\x06\x00\x00WAVE"+
			"fmt \x12\x00\x00\x00\x07\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00\x00\x00"+
			"fact\x04\x00\x00\x00\x40\x06\x00\x00data\x40\x06\x00\x00"), bytes.Repeat(mu, 4)...)
		want = append(want, bytes.Repeat([]byte{0xFF}, 320)...)
		want = append(want, bytes.Repeat(mu, 4)...)
		require.Equal(t, want, files[User])

		want = append([]byte("RIFF\xc4\x06\x00\x00WAVE"+
			"fmt \x12\x00\x00\x00\x06\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00\x00\x00"+
			"fact\x04\x00\x00\x00\x91\x06\x00\x00data\x91\x06\x00\x00"), bytes.Repeat(a, 4)...)
		want = append(want, bytes.Repeat([]byte{0xD5}, 320)...)
		want = append(want, bytes.Repeat(a, 4)...)
		want = append(want, a[:81]...)
		require.Equal(t, append(want, 0), files[Agent])

		require.Equal(t, 200*time.Millisecond, r.file(User).Duration)
		require.Equal(t, uint64(8), r.file(User).Packets)
	})
}

func TestWAVIsNoLongerThanItsHeaderCanSay(t *testing.T) {
	w := &wav{octets: 1<<32 - 100}
	require.ErrorIs(t, w.write(make([]byte, 160)), ErrSize)
}
