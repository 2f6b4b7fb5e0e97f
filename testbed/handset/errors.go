package handset

import "errors"

var (
	// ErrDescribed is returned when a second offer or answer is given to a handset.
	ErrDescribed = errors.New("handset: offer and answer were exchanged already")
	// ErrCodec is returned for a codec name that is not opus, pcmu or pcma.
	ErrCodec = errors.New("handset: unknown codec")
	// ErrFingerprint is kept when the business's certificate is not the one of its SDP.
	ErrFingerprint = errors.New("handset: the certificate does not match the fingerprint of the SDP")
	// ErrRunning is returned by a second Run.
	ErrRunning = errors.New("handset: Run was called already")
	// ErrProfile is kept when DTLS agreed on no SRTP protection profile.
	ErrProfile = errors.New("handset: no SRTP protection profile")
)
