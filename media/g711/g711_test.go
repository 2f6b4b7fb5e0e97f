package g711_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media/g711"
)

// muLawReference is ulaw_compress of the ITU's software tool library (G.191).
func muLawReference(sample int16) byte {
	magnitude := int(sample)>>2 + 33
	if sample < 0 {
		magnitude = int(^sample)>>2 + 33
	}
	magnitude = min(magnitude, 0x1FFF)
	segment := 1
	for i := magnitude >> 6; i != 0; i >>= 1 {
		segment++
	}
	code := byte(8-segment)<<4 | byte(0xF-magnitude>>segment&0xF)
	if sample >= 0 {
		code |= 0x80
	}

	return code
}

// aLawReference is alaw_compress of G.191.
func aLawReference(sample int16) byte {
	ix := int(sample) >> 4
	if sample < 0 {
		ix = int(^sample) >> 4
	}
	if ix > 15 {
		exponent := 1
		for ; ix > 31; ix >>= 1 {
			exponent++
		}
		ix += exponent<<4 - 16
	}
	if sample >= 0 {
		ix |= 0x80
	}

	return byte(ix) ^ 0x55
}

func TestEverySampleEncodesAsG191Does(t *testing.T) {
	t.Parallel()
	pcm, mu, a := make([]int16, 1<<16), make([]byte, 1<<16), make([]byte, 1<<16)
	for i := range pcm {
		pcm[i] = int16(i - 1<<15)
	}
	g711.EncodeMuLaw(mu, pcm)
	g711.EncodeALaw(a, pcm)
	for i, sample := range pcm {
		require.Equal(t, muLawReference(sample), mu[i], "µ-law of %d", sample)
		require.Equal(t, aLawReference(sample), a[i], "A-law of %d", sample)
	}
}

func TestEveryCodeWordSurvivesDecoding(t *testing.T) {
	t.Parallel()
	codes, pcm, back := make([]byte, 256), make([]int16, 256), make([]byte, 256)
	for i := range codes {
		codes[i] = byte(i)
	}
	g711.DecodeALaw(pcm, codes)
	g711.EncodeALaw(back, pcm)
	require.Equal(t, codes, back, "A-law has 256 values")

	g711.DecodeMuLaw(pcm, codes)
	g711.EncodeMuLaw(back, pcm)
	require.Zero(t, pcm[0x7F])
	require.Zero(t, pcm[0xFF])
	codes[0x7F] = 0xFF // µ-law has two zeros
	require.Equal(t, codes, back)
}

// TestErrorIsWithinHalfAStep: a segment that starts at magnitude m has 16 steps of
// m/16, m counted with the bias that the law adds.
func TestErrorIsWithinHalfAStep(t *testing.T) {
	t.Parallel()
	for name, law := range map[string]struct {
		encode func([]byte, []int16)
		decode func([]int16, []byte)
		bias   int
	}{
		"µ-law": {g711.EncodeMuLaw, g711.DecodeMuLaw, 33 << 2},
		"A-law": {g711.EncodeALaw, g711.DecodeALaw, 32 << 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const clip = 32635 // the largest value that µ-law can tell from a larger one
			for sample := -clip; sample <= clip; sample++ {
				var code [1]byte
				var decoded [1]int16
				law.encode(code[:], []int16{int16(sample)})
				law.decode(decoded[:], code[:])
				allowed := (abs(sample)+law.bias)/32 + 1
				require.LessOrEqual(t, abs(int(decoded[0])-sample), allowed, "sample %d", sample)
			}
		})
	}
}

func TestKnownValues(t *testing.T) {
	t.Parallel()
	pcm := make([]int16, 4)
	g711.DecodeMuLaw(pcm, []byte{0x00, 0x80, 0xFF, 0x7F})
	require.Equal(t, []int16{-32124, 32124, 0, 0}, pcm)
	g711.DecodeALaw(pcm, []byte{0x2A, 0xAA, 0xD5, 0x55})
	require.Equal(t, []int16{-32256, 32256, 8, -8}, pcm)
}

func abs(n int) int { return max(n, -n) }

func BenchmarkFrame(b *testing.B) {
	pcm, code := make([]int16, 160), make([]byte, 160)
	for b.Loop() {
		g711.EncodeMuLaw(code, pcm)
		g711.DecodeMuLaw(pcm, code)
	}
}
