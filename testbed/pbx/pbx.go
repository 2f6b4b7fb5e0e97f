// Package pbx is a PBX: a SIP user agent with RTP.
package pbx

import (
	"context"
	"errors"
	"time"
)

var errSkeleton = errors.New("testbed/pbx: not built yet")

// Extension says what an extension does when called.
type Extension struct {
	RingFor  time.Duration
	Then     string // "answer", "busy", "decline", "ignore"
	HangUp   time.Duration
	Codecs   []string // accepted, in order: "opus", "pcmu", "pcma"
	ToneHz   float64
	Payloads [][]byte // sent one every 20 ms as they are, when set
}

// Config of the PBX.
type Config struct {
	Host       string // 127.0.0.1
	Transport  string // udp or tcp
	Extensions map[string]Extension
}

// Call is one call at the PBX.
type Call struct {
	CallID    string // SIP Call-ID
	Extension string
	State     string // ringing, answered, ended, cancelled
	EndedBy   string // pbx, peer
	Headers   map[string]string
	Codec     string
	Packets   int
	Lost      int
	Payloads  [][]byte // received, in order (bounded to the last 5,000)
}

// PBX answers INVITEs for its extensions.
type PBX struct{}

// New opens the sockets.
func New(cfg Config) (*PBX, error) { return nil, errSkeleton }

// Addr is host:port of the SIP socket.
func (p *PBX) Addr() string { return "" }

// Run serves until ctx ends.
func (p *PBX) Run(ctx context.Context) error { return errSkeleton }

// SetExtension sets or replaces an extension.
func (p *PBX) SetExtension(name string, e Extension) {}

// Calls are all calls so far, in order.
func (p *PBX) Calls() []Call { return nil }

// ToneLevel is the share (0 to 1) of the energy heard in the last second of a
// call that is at hz: G.711 only.
func (p *PBX) ToneLevel(callID string, hz float64) float64 { return 0 }

// HangUp sends BYE (or a final error while ringing).
func (p *PBX) HangUp(callID string) error { return errSkeleton }
