// Package g711 is ITU-T G.711: µ-law and A-law by table, at 8 kHz.
package g711

// The decoding tables, by code word; the encoding tables, by sample. They are
// computed at start from the segments of the Recommendation and never written
// again.
//
//nolint:gochecknoglobals // constant tables, which Go cannot declare as const
var (
	muLawSample = decodeTable(muLawExpand)
	aLawSample  = decodeTable(aLawExpand)
	muLawCode   = encodeTable(14, muLawCompress)
	aLawCode    = encodeTable(13, aLawCompress)
)

// EncodeMuLaw writes one code word for each sample of pcm (16 bits, of which µ-law
// keeps the upper 14). dst is at least as long as pcm.
func EncodeMuLaw(dst []byte, pcm []int16) {
	dst = dst[:len(pcm)]
	for i, s := range pcm {
		dst[i] = muLawCode[uint16(s)>>2]
	}
}

// EncodeALaw writes one code word for each sample of pcm (16 bits, of which A-law
// keeps the upper 13). dst is at least as long as pcm.
func EncodeALaw(dst []byte, pcm []int16) {
	dst = dst[:len(pcm)]
	for i, s := range pcm {
		dst[i] = aLawCode[uint16(s)>>3]
	}
}

// DecodeMuLaw writes one 16-bit sample for each code word. dst is at least as long
// as code.
func DecodeMuLaw(dst []int16, code []byte) {
	dst = dst[:len(code)]
	for i, b := range code {
		dst[i] = muLawSample[b]
	}
}

// DecodeALaw writes one 16-bit sample for each code word. dst is at least as long
// as code.
func DecodeALaw(dst []int16, code []byte) {
	dst = dst[:len(code)]
	for i, b := range code {
		dst[i] = aLawSample[b]
	}
}

func decodeTable(expand func(byte) int) (table [256]int16) {
	for code := range table {
		table[code] = int16(expand(byte(code))) // within 16 bits by construction
	}

	return table
}

// encodeTable indexes by the upper bits of the two's complement sample.
func encodeTable(bits int, compress func(int) byte) []byte {
	table := make([]byte, 1<<bits)
	for i := range table {
		sample := i
		if sample >= 1<<(bits-1) {
			sample -= 1 << bits
		}
		table[i] = compress(sample)
	}

	return table
}

// muLawExpand is table 2 of G.711: the value of a code word, scaled from 14 to 16
// bits.
func muLawExpand(code byte) int {
	code = ^code
	segment, step := int(code>>4&7), int(code&15)
	magnitude := (2*step+33)<<segment - 33
	if code&0x80 != 0 {
		magnitude = -magnitude
	}

	return magnitude << 2
}

// muLawCompress is table 2 of G.711 for a 14-bit sample. One's complement for the
// sign, as the ITU's G.191 reference does, so that -1 and 0 differ in sign only.
func muLawCompress(sample int) byte {
	var sign byte
	if sample < 0 {
		sign, sample = 0x80, -sample-1
	}
	sample = min(sample+33, 0x1FFF)
	segment := 0
	for v := sample >> 6; v != 0; v >>= 1 {
		segment++
	}
	step := byte(sample>>(segment+1)) & 15

	return ^(sign | byte(segment)<<4 | step)
}

// aLawExpand is table 1 of G.711: the value of a code word, scaled from 13 to 16
// bits.
func aLawExpand(code byte) int {
	code ^= 0x55
	segment, step := int(code>>4&7), int(code&15)
	magnitude := 2*step + 1
	if segment > 0 {
		magnitude = (magnitude + 32) << (segment - 1)
	}
	if code&0x80 == 0 {
		magnitude = -magnitude
	}

	return magnitude << 3
}

// aLawCompress is table 1 of G.711 for a 13-bit sample, whose even bits are
// inverted.
func aLawCompress(sample int) byte {
	sign := byte(0x80)
	if sample < 0 {
		sign, sample = 0, -sample-1
	}
	segment := 0
	for v := sample >> 5; v != 0; v >>= 1 {
		segment++
	}
	step := byte(sample >> max(segment, 1) & 15)

	return (sign | byte(segment)<<4 | step) ^ 0x55
}
