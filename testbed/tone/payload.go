package tone

import (
	"errors"
	"fmt"

	"github.com/thesyncim/gopus"
)

// ErrCodec is returned for a codec that the fakes do not speak.
var ErrCodec = errors.New("tone: unknown codec")

const g711Samples = 160 // 20 ms at 8 kHz

// Source makes the payloads of one RTP stream, 20 ms each, in the named codec:
// "pcmu", "pcma" or "opus". It is not safe for concurrent use.
type Source struct{ next func() []byte }

// NewSource is a source of a sine of hz, or of silence when hz is 0.
func NewSource(codec string, hz float64) (*Source, error) {
	switch codec {
	case "pcmu":
		return g711Source(hz, EncodeULaw), nil
	case "pcma":
		return g711Source(hz, EncodeALaw), nil
	case "opus":
		loop, err := opusLoop(hz)
		if err != nil {
			return nil, err
		}
		i := -1
		return &Source{next: func() []byte {
			i = (i + 1) % len(loop)
			return loop[i]
		}}, nil
	default:
		return nil, fmt.Errorf("%w %q", ErrCodec, codec)
	}
}

func g711Source(hz float64, encode func(int16) byte) *Source {
	sine := NewSine(hz, 8000)
	return &Source{next: func() []byte {
		payload := make([]byte, g711Samples)
		for i, sample := range sine.Next(g711Samples) {
			payload[i] = encode(sample)
		}
		return payload
	}}
}

// Next is the next 20 ms. The caller must not change it.
func (s *Source) Next() []byte { return s.next() }

// Decode opens payloads of one stream, in order, to samples of 8 kHz.
func Decode(codec string, payloads [][]byte) ([]int16, error) {
	switch codec {
	case "pcmu":
		return decodeG711(payloads, DecodeULaw), nil
	case "pcma":
		return decodeG711(payloads, DecodeALaw), nil
	case "opus":
		return decodeOpus(payloads)
	default:
		return nil, fmt.Errorf("%w %q", ErrCodec, codec)
	}
}

func decodeG711(payloads [][]byte, decode func(byte) int16) []int16 {
	var samples []int16
	for _, payload := range payloads {
		for _, code := range payload {
			samples = append(samples, decode(code))
		}
	}
	return samples
}

func decodeOpus(payloads [][]byte) ([]int16, error) {
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(8000, 1))
	if err != nil {
		return nil, fmt.Errorf("opus decoder: %w", err)
	}
	var samples []int16
	pcm := make([]int16, 8000/1000*120) // 120 ms, RFC 6716's longest packet
	for _, payload := range payloads {
		n, err := decoder.DecodeInt16(payload, pcm)
		if err != nil {
			return nil, fmt.Errorf("opus packet: %w", err)
		}
		samples = append(samples, pcm[:n]...)
	}
	return samples, nil
}
