package pbx

import "errors"

var (
	// ErrTransport is returned for a transport other than udp, tcp and both.
	ErrTransport = errors.New("pbx: unknown transport")
	// ErrNoCall is returned for a Call-ID that is not a live call.
	ErrNoCall = errors.New("pbx: no such live call")
	// ErrStopped is returned once Run has ended.
	ErrStopped = errors.New("pbx: stopped")
	// ErrSDP is returned for an SDP that has no usable audio line.
	ErrSDP = errors.New("pbx: no usable audio line in the SDP")
	// ErrCodec is returned for a codec name that is not opus, pcmu or pcma.
	ErrCodec = errors.New("pbx: unknown codec")
	// ErrTarget is returned for a target that is no SIP URI.
	ErrTarget = errors.New("pbx: the target is no SIP URI")
)
