// Package opus is the Opus codec (RFC 6716) behind two small interfaces.
package opus
