package tone

import "math"

const goertzelBlock = 800 // samples: 100 ms at 8 kHz, so bins are 10 Hz apart

// Level is the share, from 0 to 1, of the energy of samples that is at hz. The
// signal is measured in blocks of 100 ms, so that a jump of the phase (a lost
// packet) costs one block and not the whole measurement. Silence has level 0.
func Level(samples []int16, rate int, hz float64) float64 {
	var atHz, all float64
	block := goertzelBlock * rate / 8000
	for len(samples) >= block && block > 0 {
		power, energy := goertzel(samples[:block], rate, hz)
		atHz += power
		all += energy
		samples = samples[block:]
	}
	if all < 1 {
		return 0
	}
	return min(atHz/all, 1)
}

// goertzel returns the energy at hz and the whole energy of a block, on the same
// scale: a pure sine at hz gives the same number twice.
func goertzel(block []int16, rate int, hz float64) (atHz, all float64) {
	coefficient := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2 float64
	for _, sample := range block {
		x := float64(sample)
		s1, s2 = x+coefficient*s1-s2, s1
		all += x * x
	}
	magnitude := s1*s1 + s2*s2 - coefficient*s1*s2
	return magnitude * 2 / float64(len(block)), all
}
