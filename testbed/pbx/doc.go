// Package pbx is a PBX: a SIP user agent (RFC 3261) with RTP, whose extensions
// answer, refuse or ignore as they are told, and which can itself call out. It
// is a fake for tests and for the demo and shares no code with callctl.
package pbx
