package tone

import (
	"fmt"

	"github.com/thesyncim/gopus"
)

const (
	opusRate    = 16000 // WhatsApp's maxplaybackrate
	opusSamples = opusRate / 50
	opusBitrate = 20000 // WhatsApp's maxaveragebitrate
	opusLargest = 1275  // bytes, RFC 6716 section 3.2.1

	opusComplexity = 2 // of 10: a sine needs no more
)

// OpusFrames returns n Opus frames of 20 ms each that sound a tone near hz. The
// tone moves a little from frame to frame, so that frames differ; the same
// arguments give the same bytes every time. It returns nil if the encoder cannot
// be made, which does not happen with the constants used here.
func OpusFrames(n int, hz float64) [][]byte {
	encoder, err := newOpusEncoder()
	if err != nil {
		return nil
	}
	frames := make([][]byte, 0, n)
	sine := NewSine(hz, opusRate)
	for i := range n {
		sine.hz = hz * (1 + 0.004*float64(i%50))
		frame, err := encoder.frame(sine.Next(opusSamples))
		if err != nil {
			return nil
		}
		frames = append(frames, frame)
	}
	return frames
}

// opusEncoder packs 20 ms at 16 kHz.
type opusEncoder struct{ encoder *gopus.Encoder }

func newOpusEncoder() (*opusEncoder, error) {
	encoder, err := gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: opusRate, Channels: 1, Application: gopus.ApplicationVoIP,
	})
	if err != nil {
		return nil, fmt.Errorf("opus encoder: %w", err)
	}
	if err := encoder.SetBitrate(opusBitrate); err != nil {
		return nil, fmt.Errorf("opus bitrate: %w", err)
	}
	if err := encoder.SetComplexity(opusComplexity); err != nil {
		return nil, fmt.Errorf("opus complexity: %w", err)
	}
	return &opusEncoder{encoder: encoder}, nil
}

// opusLoop is a second of a tone in Opus, to be repeated: encoding it once keeps
// the fakes from competing with the bridge for the processor. It is the second
// second, when the encoder has settled.
func opusLoop(hz float64) ([][]byte, error) {
	encoder, err := newOpusEncoder()
	if err != nil {
		return nil, err
	}
	sine := NewSine(hz, opusRate)
	frames := make([][]byte, 100)
	for i := range frames {
		if frames[i], err = encoder.frame(sine.Next(opusSamples)); err != nil {
			return nil, err
		}
	}
	return frames[50:], nil
}

func (e *opusEncoder) frame(samples []int16) ([]byte, error) {
	packet := make([]byte, opusLargest)
	n, err := e.encoder.EncodeInt16(samples, packet)
	if err != nil {
		return nil, fmt.Errorf("opus frame: %w", err)
	}
	return packet[:n:n], nil
}
