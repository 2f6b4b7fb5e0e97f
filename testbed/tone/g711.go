package tone

import "math/bits"

const (
	ulawBias = 0x84  // ITU-T G.711 µ-law: added before the segment is looked up
	ulawClip = 32635 // the largest magnitude that the bias leaves room for
)

// EncodeULaw packs one 16-bit sample as G.711 µ-law (PCMU).
func EncodeULaw(sample int16) byte {
	magnitude, sign := int32(sample), byte(0)
	if magnitude < 0 {
		magnitude, sign = -magnitude, 0x80
	}
	magnitude = min(magnitude, ulawClip) + ulawBias
	segment := bits.Len32(uint32(magnitude)) - 8
	mantissa := byte(magnitude>>(segment+3)) & 0x0f
	return ^(sign | byte(segment)<<4 | mantissa)
}

// DecodeULaw opens one G.711 µ-law byte (PCMU).
func DecodeULaw(code byte) int16 {
	code = ^code
	segment := code >> 4 & 7
	magnitude := (int32(code&0x0f)<<3+ulawBias)<<segment - ulawBias
	if code&0x80 != 0 {
		magnitude = -magnitude
	}
	return int16(magnitude)
}

// EncodeALaw packs one 16-bit sample as G.711 A-law (PCMA).
func EncodeALaw(sample int16) byte {
	value, sign := int32(sample)>>4, byte(0x80)
	if value < 0 {
		value, sign = ^value, 0
	}
	code := byte(value)
	if value > 31 {
		segment := bits.Len32(uint32(value)) - 4
		code = byte(segment)<<4 | byte(value>>(segment-1))&0x0f
	}
	return (sign | code) ^ 0x55
}

// DecodeALaw opens one G.711 A-law byte (PCMA).
func DecodeALaw(code byte) int16 {
	code ^= 0x55
	segment := code >> 4 & 7
	magnitude := int32(code&0x0f)<<4 + 8
	if segment > 0 {
		magnitude = (magnitude + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		magnitude = -magnitude
	}
	return int16(magnitude)
}
