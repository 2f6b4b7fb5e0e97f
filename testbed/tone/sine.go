package tone

import "math"

// Amplitude of the sine tones, about -12 dBm0: loud enough to be measured after
// G.711 and Opus, far from clipping.
const Amplitude = 8000

// Sine is a running sine tone. Its zero value is silence. It is not safe for
// concurrent use.
type Sine struct {
	hz    float64
	rate  int
	phase float64
}

// NewSine is a tone of hz (0 for silence) sampled at rate samples a second.
func NewSine(hz float64, rate int) *Sine { return &Sine{hz: hz, rate: rate} }

// Next returns the next n samples.
func (s *Sine) Next(n int) []int16 {
	samples := make([]int16, n)
	if s.hz == 0 || s.rate == 0 {
		return samples
	}
	step := 2 * math.Pi * s.hz / float64(s.rate)
	for i := range samples {
		samples[i] = int16(math.Round(Amplitude * math.Sin(s.phase)))
		s.phase = math.Mod(s.phase+step, 2*math.Pi)
	}
	return samples
}
