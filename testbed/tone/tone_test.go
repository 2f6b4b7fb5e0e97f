package tone_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/tone"
)

// The values are those of ITU-T G.191's reference (ulaw/alaw companding) at
// the ends and at zero.
func TestG711ReferencePoints(t *testing.T) {
	require.Equal(t, byte(0xff), tone.EncodeULaw(0))
	require.Equal(t, byte(0x80), tone.EncodeULaw(math.MaxInt16))
	require.Equal(t, byte(0x00), tone.EncodeULaw(math.MinInt16))
	require.Equal(t, int16(32124), tone.DecodeULaw(0x80))
	require.Equal(t, int16(-32124), tone.DecodeULaw(0x00))
	require.Equal(t, byte(0xd5), tone.EncodeALaw(0))
	require.Equal(t, byte(0xaa), tone.EncodeALaw(math.MaxInt16))
	require.Equal(t, byte(0x2a), tone.EncodeALaw(math.MinInt16))
	require.Equal(t, int16(32256), tone.DecodeALaw(0xaa))
	require.Equal(t, int16(-32256), tone.DecodeALaw(0x2a))
	require.Equal(t, int16(8), tone.DecodeALaw(0xd5))
}

func TestG711EveryCodeSurvives(t *testing.T) {
	for code := range 256 {
		c := byte(code)
		require.Equal(t, c, tone.EncodeALaw(tone.DecodeALaw(c)), "A-law %#x", c)
		if c != 0x7f { // negative zero decodes to zero, which has the positive code
			require.Equal(t, c, tone.EncodeULaw(tone.DecodeULaw(c)), "µ-law %#x", c)
		}
	}
}

func TestLevelFindsTheToneInEveryCodec(t *testing.T) {
	for _, codec := range []string{"pcmu", "pcma", "opus"} {
		t.Run(codec, func(t *testing.T) {
			source, err := tone.NewSource(codec, 440)
			require.NoError(t, err)
			var payloads [][]byte
			for range 50 {
				payloads = append(payloads, source.Next())
			}
			samples, err := tone.Decode(codec, payloads)
			require.NoError(t, err)
			require.Len(t, samples, 8000)
			require.Greater(t, tone.Level(samples, 8000, 440), 0.8)
			require.Less(t, tone.Level(samples, 8000, 1000), 0.05)
		})
	}
}

func TestLevelOfSilenceAndMixture(t *testing.T) {
	require.Zero(t, tone.Level(make([]int16, 8000), 8000, 440))
	require.Zero(t, tone.Level(nil, 8000, 440))
	a, b := tone.NewSine(440, 8000).Next(8000), tone.NewSine(1000, 8000).Next(8000)
	for i := range a {
		a[i] = a[i]/2 + b[i]/2
	}
	require.InDelta(t, 0.5, tone.Level(a, 8000, 440), 0.02)
	require.InDelta(t, 0.5, tone.Level(a, 8000, 1000), 0.02)
}

func TestOpusFramesAreDistinctAndTheSameEveryTime(t *testing.T) {
	frames := tone.OpusFrames(100, 440)
	require.Len(t, frames, 100)
	require.Equal(t, frames, tone.OpusFrames(100, 440))
	seen := map[string]int{}
	for i, frame := range frames {
		before, twice := seen[string(frame)]
		require.False(t, twice, "frame %d is frame %d again", i, before)
		seen[string(frame)] = i
	}
	samples, err := tone.Decode("opus", frames)
	require.NoError(t, err)
	require.Len(t, samples, 100*160)
	require.NotEqual(t, frames[10], tone.OpusFrames(100, 1000)[10])
}

func TestUnknownCodec(t *testing.T) {
	_, err := tone.NewSource("g722", 440)
	require.ErrorIs(t, err, tone.ErrCodec)
	_, err = tone.Decode("g722", [][]byte{binary.BigEndian.AppendUint16(nil, 1)})
	require.ErrorIs(t, err, tone.ErrCodec)
}
