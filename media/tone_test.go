package media

import (
	"math"
	"testing"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media/opus"
)

// toneSource makes the packets of a sine.
type toneSource struct {
	codec   Codec
	hz      float64
	encoder opus.Encoder
}

func newToneSource(tb testing.TB, c Codec, hz float64) *toneSource {
	tb.Helper()
	s := &toneSource{codec: c, hz: hz}
	if c == Opus {
		var err error
		s.encoder, err = opus.NewEncoder(8000)
		require.NoError(tb, err)
	}

	return s
}

func (s *toneSource) packet(tb testing.TB, i int) *rtp.Packet {
	tb.Helper()
	pcm := make([]int16, samples)
	for j := range pcm {
		pcm[j] = int16(8000 * math.Sin(2*math.Pi*s.hz*float64(i*samples+j)/8000))
	}
	payload := make([]byte, maxPacket)
	if s.codec == Opus {
		n, err := s.encoder.Encode(pcm, payload)
		require.NoError(tb, err)
		payload = payload[:n]
	} else {
		g711Encode(s.codec)(payload, pcm)
		payload = payload[:samples]
	}

	return &rtp.Packet{Header: rtp.Header{
		Version: 2, PayloadType: s.codec.payloadType(), SequenceNumber: uint16(i),
		Timestamp: uint32(i) * s.codec.frame(), SSRC: 9,
	}, Payload: payload}
}

// toneShare decodes packets, leaves out the first 200 ms and returns the share of
// the energy that is at hz.
func toneShare(tb testing.TB, c Codec, packets []rtp.Packet, hz float64) float64 {
	tb.Helper()
	decoder, err := opus.NewDecoder(8000)
	require.NoError(tb, err)
	var pcm []int16
	for _, p := range packets {
		var frame [opus.MaxSamples8k]int16
		n := len(p.Payload)
		if c == Opus {
			n, err = decoder.Decode(p.Payload, frame[:])
			require.NoError(tb, err)
		} else {
			g711Decode(c)(frame[:], p.Payload)
		}
		pcm = append(pcm, frame[:n]...)
	}
	require.Greater(tb, len(pcm), 3200)
	pcm = pcm[1600:]
	var re, im, energy float64
	for i, s := range pcm {
		angle := 2 * math.Pi * hz * float64(i) / 8000
		re += float64(s) * math.Cos(angle)
		im += float64(s) * math.Sin(angle)
		energy += float64(s) * float64(s)
	}
	require.NotZero(tb, energy)

	return 2 * (re*re + im*im) / float64(len(pcm)) / energy
}
