// Package handset is a WhatsApp client's media end as Meta shows it to a
// business: ICE-lite, DTLS-SRTP, one audio line, Opus or G.711.
package handset

import (
	"context"
	"errors"
	"time"
)

var errSkeleton = errors.New("handset: not built yet")

// Behaviour says what the user does when called.
type Behaviour struct {
	RingFor time.Duration // how long it rings before Then happens
	Then    string        // "answer", "reject" or "ignore"
	HangUp  time.Duration // after answering, 0: never
	Codecs  []string      // accepted, in the handset's order: "opus", "pcmu", "pcma"
	ToneHz  float64       // what the user "says": a sine tone (G.711), 0 for silence
	// Payloads, when set, are sent one every 20 ms as they are (Opus): deterministic
	// frames so that the other end can compare them byte for byte.
	Payloads [][]byte
}

// Heard is what arrived at the handset.
type Heard struct {
	Codec       string
	Packets     int
	Lost        int      // sequence gaps
	Reordered   int      //
	SSRCs       int      // distinct, must stay 1
	PeerFirst   bool     // the first packet of the path came from callctl
	Payloads    [][]byte // received payloads in order (bounded to the last 5,000)
	FirstPacket time.Time
	LastPacket  time.Time
}

// Handset is one media session of a user. Owned by whoever made it.
type Handset struct{}

// New opens the UDP socket on host (such as 127.0.0.1).
func New(host string, b Behaviour) (*Handset, error) { return nil, errSkeleton }

// Answer takes callctl's offer and returns Meta's answer (ice-lite).
func (h *Handset) Answer(offer string) (string, error) { return "", errSkeleton }

// Offer returns Meta's offer (ice-lite, setup:actpass) for a user's call.
func (h *Handset) Offer() (string, error) { return "", errSkeleton }

// SetAnswer takes callctl's answer to Offer.
func (h *Handset) SetAnswer(sdp string) error { return errSkeleton }

// Run does ICE, DTLS and media until ctx ends. Media is sent only after the
// first packet from callctl came.
func (h *Handset) Run(ctx context.Context) error { return errSkeleton }

// Heard returns what has arrived so far.
func (h *Handset) Heard() Heard { return Heard{} }

// ToneLevel is the share (0 to 1) of the energy heard in the last second that is
// at hz: G.711 only.
func (h *Handset) ToneLevel(hz float64) float64 { return 0 }

// Close frees the socket.
func (h *Handset) Close() error { return nil }
