// Package testbed holds wire-level fakes on loopback: Meta, 8x8, a WhatsApp
// handset, a PBX. They share no code with callctl, so that they share none of
// its bugs: everything they know comes from the wire. Packages tone and stream
// are the codecs and the RTP that the fakes have in common.
package testbed
