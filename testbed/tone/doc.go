// Package tone makes and measures the sounds that the fakes of testbed speak:
// sine tones in G.711 (ITU-T G.711) and Opus (RFC 6716), and the share of a
// heard signal that is at one frequency (Goertzel's algorithm).
//
// It shares no code with the codecs of callctl, on purpose.
package tone
