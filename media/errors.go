package media

import "errors"

// ErrNoCommonCodec is returned when an answer or offer has no codec we can use.
var ErrNoCommonCodec = errors.New("media: no common codec")

// ErrSDP is wrapped by every error about a description that cannot be used. The
// text after it names the line or attribute, never an address.
var ErrSDP = errors.New("media: unusable session description")

// ErrNegotiation is returned when Offer, Answer and SetAnswer are called in an
// order that RFC 3264 does not know, such as SetAnswer without an Offer.
var ErrNegotiation = errors.New("media: offer and answer out of order")

// ErrConfig is wrapped by the errors of the New functions.
var ErrConfig = errors.New("media: invalid configuration")

// ErrNoPort is returned when every port of the range is in use or resting.
var ErrNoPort = errors.New("media: no free UDP port")

// ErrMediaTimeout is returned by Run when a side fell silent for too long.
var ErrMediaTimeout = errors.New("media: no packets from the peer")

// ErrConnect is wrapped by Run's error when ICE or DTLS failed.
var ErrConnect = errors.New("media: could not connect the media path")

// ErrFingerprint is wrapped, beside ErrConnect, when the peer's certificate is
// not the one that its session description promised (RFC 8122 section 6.2).
var ErrFingerprint = errors.New("media: certificate does not match the fingerprint")

// ErrClosed is returned when a stream is used after Close.
var ErrClosed = errors.New("media: stream closed")
