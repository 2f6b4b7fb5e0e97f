// Package media is the RTP plane: ports, streams, relay; no SIP, no SQL.
//
// A call has two streams: a [WebRTCStream] towards WhatsApp (ICE, DTLS-SRTP,
// protocol D) and an [RTPStream] towards the PBX (RTP/AVP). A [Relay] joins
// them: the reading goroutine of a stream rewrites the header in place and
// writes to the other, with no allocation, no channel and no lock that calls
// share. Sequence, timestamp and SSRC towards WhatsApp are continuous for the
// whole call whatever the other side does.
package media

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

var errSkeleton = errors.New("media: not built yet")

// Codec is a codec as SDP names it.
type Codec string

// The codecs.
const (
	Opus Codec = "opus"
	PCMU Codec = "pcmu"
	PCMA Codec = "pcma"
)

// ErrNoCommonCodec is returned when an answer or offer has no codec we can use.
var ErrNoCommonCodec = errors.New("media: no common codec")

// ErrSDP is wrapped by every error about a description that cannot be used.
var ErrSDP = errors.New("media: unusable session description")

// PortsConfig bounds the UDP ports of the media plane.
type PortsConfig struct {
	Bind       netip.Addr // local address to bind, such as 0.0.0.0 or 127.0.0.1
	Public     netip.Addr // address written into SDP and candidates
	First      uint16     // even; both zero means any free port
	Last       uint16
	Quarantine time.Duration // how long a freed port rests; 0 means 30 s
}

// Ports hands out UDP sockets. Safe for concurrent use.
type Ports struct{}

// NewPorts checks cfg.
func NewPorts(cfg PortsConfig) (*Ports, error) { return nil, errSkeleton }

// Open is the number of sockets now handed out.
func (p *Ports) Open() int { return 0 }

// StreamConfig is what a stream needs.
type StreamConfig struct {
	Ports  *Ports
	Codecs []Codec // in order of preference
	Log    *slog.Logger
}

// StreamStats counts packets of one stream since it began.
type StreamStats struct {
	PacketsIn  uint64    `json:"packetsIn"`
	PacketsOut uint64    `json:"packetsOut"`
	BytesIn    uint64    `json:"bytesIn"`
	BytesOut   uint64    `json:"bytesOut"`
	Lost       uint64    `json:"lost"`    // gaps in the received sequence
	Dropped    uint64    `json:"dropped"` // garbage, wrong source, replay, no route
	Jitter     float64   `json:"jitter"`  // RFC 3550 interarrival jitter, seconds
	FirstIn    time.Time `json:"firstIn,omitzero"`
	FirstOut   time.Time `json:"firstOut,omitzero"`
	Codec      Codec     `json:"codec"`
}

// Stream is one side of a call's audio. The methods that negotiate are called by
// the call's goroutine, in order; Run is called once.
type Stream interface {
	// Offer returns our SDP offer.
	Offer() (string, error)
	// SetAnswer takes the peer's answer to our Offer.
	SetAnswer(sdp string) error
	// Answer takes the peer's offer and returns our answer, always the same one.
	Answer(offer string) (string, error)
	// Codec is the negotiated codec, empty before.
	Codec() Codec
	// Ready is closed when packets can flow both ways (ICE and DTLS are up).
	Ready() <-chan struct{}
	// Stats may be called at any time from any goroutine.
	Stats() StreamStats
	// Close frees the socket. It is safe to call twice and before Run.
	Close() error
}

// WebRTCStream is the WhatsApp side: full ICE, controlling, one sha-256
// fingerprint, one SSRC, rtcp-mux (protocol D).
type WebRTCStream struct{}

// NewWebRTCStream opens the socket and makes the certificate; it starts nothing.
func NewWebRTCStream(cfg StreamConfig) (*WebRTCStream, error) { return nil, errSkeleton }

// RTPStream is the PBX side: RTP/AVP, symmetric source locked to the SDP address.
type RTPStream struct{}

// NewRTPStream opens the socket; it starts nothing.
func NewRTPStream(cfg StreamConfig) (*RTPStream, error) { return nil, errSkeleton }

// RelayConfig is what a Relay needs.
type RelayConfig struct {
	WhatsApp *WebRTCStream
	PBX      *RTPStream
	Log      *slog.Logger
	// SilenceAfter is how long the PBX may send nothing before the relay sends
	// silence of its own to WhatsApp; 0 means 40 ms.
	SilenceAfter time.Duration
	// MediaTimeout ends Run with ErrMediaTimeout when WhatsApp sent nothing for
	// so long; 0 means 30 s.
	MediaTimeout time.Duration
}

// ErrMediaTimeout is returned by Run when a side fell silent for too long.
var ErrMediaTimeout = errors.New("media: no packets from the peer")

// ErrConnect is wrapped by Run's error when ICE or DTLS failed.
var ErrConnect = errors.New("media: could not connect the media path")

// Relay joins the two streams of a call.
type Relay struct{}

// NewRelay checks cfg. It transcodes only when the two negotiated codecs differ.
func NewRelay(cfg RelayConfig) (*Relay, error) { return nil, errSkeleton }

// Run connects the WhatsApp stream (ICE, DTLS) and relays until ctx ends (then it
// returns nil) or the media fails. The PBX stream may get its answer while Run
// is already running. Every goroutine it started has ended when it returns.
func (r *Relay) Run(ctx context.Context) error { return errSkeleton }

// Start lets media flow towards WhatsApp: called once the provider acknowledged
// accept, or the user accepted our call. The first packet leaves at once
// (silence if the PBX has sent none), because Meta waits for ours (protocol D).
func (r *Relay) Start() {}
