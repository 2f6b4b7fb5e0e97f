// Package opus is the Opus codec (RFC 6716) behind two small interfaces. The
// implementation is github.com/thesyncim/gopus, which is pure Go; the interfaces
// keep it replaceable, and the tests hold it to packets made by libopus.
package opus

import (
	"errors"
	"fmt"

	"github.com/thesyncim/gopus"
)

// MaxPacket is the longest packet that Encode writes, in octets.
const MaxPacket = 1275

// MaxSamples8k is the longest packet, 120 ms, in samples at 8 kHz.
const MaxSamples8k = 960

// FrameSamples8k is one 20 ms frame in samples at 8 kHz.
const FrameSamples8k = 160

// ErrRate is returned for a sample rate that Opus does not have.
var ErrRate = errors.New("opus: unsupported sample rate")

// Decoder turns packets into mono 16-bit samples. Not safe for concurrent use.
type Decoder interface {
	// Decode writes the samples of one packet to pcm, which has room for 120 ms, and
	// returns their number. A nil or empty packet stands for a lost one: 20 ms are concealed.
	Decode(packet []byte, pcm []int16) (int, error)
}

// Encoder turns 20 ms of mono 16-bit samples into one packet. Not safe for
// concurrent use.
type Encoder interface {
	// Encode writes one packet to packet, which has room for [MaxPacket] octets, and
	// returns its length.
	Encode(pcm []int16, packet []byte) (int, error)
}

// The encoder's settings: what WhatsApp itself sends (protocol: Meta's offers say
// maxaveragebitrate=20000 and useinbandfec=1), at a complexity that leaves room
// for 150 calls a core.
const (
	bitrate    = 20000
	complexity = 5
	fecOn      = 1
	packetLoss = 5 // percent, expected; it is what makes in-band FEC spend bits
)

// NewDecoder returns a decoder to mono at rate 8000, 12000, 16000, 24000 or 48000.
func NewDecoder(rate int) (Decoder, error) {
	if !supported(rate) {
		return nil, ErrRate
	}
	d, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(rate, 1))
	if err != nil {
		return nil, fmt.Errorf("opus: decoder: %w", err)
	}

	return decoder{d, rate / 50}, nil
}

// NewEncoder returns an encoder of mono speech at rate 8000, 12000, 16000, 24000 or
// 48000: 20 ms packets, 20 kbit/s, in-band FEC.
func NewEncoder(rate int) (Encoder, error) {
	if !supported(rate) {
		return nil, ErrRate
	}
	e, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: rate, Channels: 1, Application: gopus.ApplicationVoIP})
	if err != nil {
		return nil, fmt.Errorf("opus: encoder: %w", err)
	}
	err = errors.Join(
		e.SetBitrate(bitrate), e.SetComplexity(complexity), e.SetInBandFEC(fecOn),
		e.SetPacketLoss(packetLoss), e.SetSignal(gopus.SignalVoice),
	)
	if err != nil {
		return nil, fmt.Errorf("opus: encoder: %w", err)
	}

	return encoder{e, rate / 50}, nil
}

func supported(rate int) bool {
	switch rate {
	case 8000, 12000, 16000, 24000, 48000:
		return true
	default:
		return false
	}
}

type decoder struct {
	gopus *gopus.Decoder
	frame int
}

func (d decoder) Decode(packet []byte, pcm []int16) (int, error) {
	if len(packet) == 0 && len(pcm) > d.frame { // the room says how much is concealed
		pcm = pcm[:d.frame]
	}
	n, err := d.gopus.DecodeInt16(packet, pcm)
	if err != nil {
		return 0, fmt.Errorf("opus: decode: %w", err)
	}

	return n, nil
}

type encoder struct {
	gopus *gopus.Encoder
	frame int
}

// ErrFrame is returned by Encode for anything but 20 ms of samples.
var ErrFrame = errors.New("opus: a frame is 20 ms")

func (e encoder) Encode(pcm []int16, packet []byte) (int, error) {
	if len(pcm) != e.frame {
		return 0, ErrFrame
	}
	n, err := e.gopus.EncodeInt16(pcm, packet)
	if err != nil {
		return 0, fmt.Errorf("opus: encode: %w", err)
	}

	return n, nil
}
