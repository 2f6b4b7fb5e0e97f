// Package record writes what was said in a call to two files, one for each leg.
//
// Opus goes into Ogg as it came from the peer, octet for octet (RFC 7845), G.711
// into WAV as it came. Nothing is decoded, so a file holds exactly what was
// received, and silence where nothing came.
//
// [Recorder.Tap] hands a packet over and can never delay it: it copies into a ring
// that was allocated beforehand, takes no lock, and drops the copy (counted) when
// the disk has not kept up. [Recorder.Run] owns the files.
package record
