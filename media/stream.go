package media

import (
	"fmt"
	"log/slog"
)

// StreamConfig is what a stream needs.
type StreamConfig struct {
	Ports  *Ports
	Codecs []Codec // in order of preference
	Log    *slog.Logger
}

func (cfg StreamConfig) checked() (StreamConfig, error) {
	if cfg.Ports == nil {
		return cfg, fmt.Errorf("%w: stream: no ports", ErrConfig)
	}
	if len(cfg.Codecs) == 0 {
		return cfg, fmt.Errorf("%w: stream: no codecs", ErrConfig)
	}
	seen := map[Codec]bool{}
	for _, c := range cfg.Codecs {
		if !c.known() || seen[c] {
			return cfg, fmt.Errorf("%w: stream: unknown or repeated codec %q", ErrConfig, c)
		}
		seen[c] = true
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}

	return cfg, nil
}

// Stream is one side of a call's audio. The methods that negotiate are called by
// the call's goroutine, in order; they may run while a [Relay] runs.
type Stream interface {
	// Offer returns our SDP offer, always the same one.
	Offer() (string, error)
	// SetAnswer takes the peer's answer to our Offer.
	SetAnswer(sdp string) error
	// Answer takes the peer's offer and returns our answer, always the same one.
	Answer(offer string) (string, error)
	// Codec is the negotiated codec, empty before.
	Codec() Codec
	// Ready is closed when packets can flow both ways (ICE and DTLS are up, or,
	// for plain RTP, both descriptions are known).
	Ready() <-chan struct{}
	// Stats may be called at any time from any goroutine.
	Stats() StreamStats
	// Close frees the socket. It is safe to call twice and before Run.
	Close() error
}
