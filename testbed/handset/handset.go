// Package handset is a WhatsApp client's media end as Meta shows it to a
// business: ICE-lite (RFC 8445), DTLS-SRTP (RFC 5764), one audio line, Opus or
// G.711, after protocol: Meta "user-initiated calls" and "business-initiated
// calls". It is a fake for tests and for the demo.
package handset

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/transport/v5/packetio"

	"github.com/callctl/callctl/testbed/stream"
)

// Handset is one media session of a user. Owned by whoever made it. Its methods
// are safe for concurrent use.
type Handset struct {
	behaviour   Behaviour
	socket      *net.UDPConn
	certificate tls.Certificate
	fingerprint string
	ufrag, pwd  string
	ssrcLabel   uint32

	packetsIn   atomic.Int64
	conflicts   atomic.Int64
	nominatedTo atomic.Pointer[netip.AddrPort]
	sent        atomic.Bool

	spoken, octets, lastTimestamp atomic.Uint32 // for the sender report

	keys   atomic.Pointer[keys]
	dtlsIn *packetio.Buffer

	described chan struct{} // closed when the business's SDP is known
	nominated chan struct{} // closed by the first USE-CANDIDATE
	keyed     chan struct{} // closed when the DTLS handshake gave SRTP keys
	heardOne  chan struct{} // closed by the first media packet
	pickedUp  chan struct{} // closed by PickUp

	mu      sync.Mutex
	peer    *description
	codecs  []stream.Codec // agreed, the first is spoken
	client  bool           // the handset sends the ClientHello
	receive *stream.Receiver
	failure error
	running bool
	changed chan struct{}
}

// New opens the UDP socket on host (such as 127.0.0.1). The handset is picked up
// from the start unless Ring is called before Run.
func New(host string, b Behaviour) (*Handset, error) {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("handset: media host: %w", err)
	}
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		return nil, fmt.Errorf("handset: certificate: %w", err)
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		return nil, fmt.Errorf("handset: %w", err)
	}
	if len(b.Codecs) == 0 {
		b.Codecs = []string{"opus"}
	}
	h := &Handset{
		behaviour: b, socket: socket, certificate: certificate,
		fingerprint: fingerprintOf(certificate.Certificate[0]),
		ufrag:       randomText(12), pwd: randomText(16), ssrcLabel: randomLabel(),
		dtlsIn:    newDTLSBuffer(),
		described: make(chan struct{}), nominated: make(chan struct{}),
		keyed: make(chan struct{}), heardOne: make(chan struct{}),
		pickedUp: make(chan struct{}), changed: make(chan struct{}),
		receive: stream.NewReceiver(nil, nil),
	}
	close(h.pickedUp)
	return h, nil
}

func fingerprintOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return colonHex(sum[:])
}

// Ring makes the handset keep its microphone closed until PickUp. Call it before
// Run.
func (h *Handset) Ring() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.pickedUp:
		h.pickedUp = make(chan struct{})
	default:
	}
}

// PickUp opens the microphone: from now on audio is sent, once the first packet
// of the business came.
func (h *Handset) PickUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.pickedUp:
	default:
		close(h.pickedUp)
	}
}

// Heard returns what has arrived so far. Its payloads are shared: do not change
// them.
func (h *Handset) Heard() Heard { return h.receiver().Heard() }

// ToneLevel is the share (0 to 1) of the energy heard in the last second that is
// at hz.
func (h *Handset) ToneLevel(hz float64) float64 { return h.receiver().ToneLevel(hz) }

// PacketsIn is how many UDP datagrams of any kind have reached the socket since
// Run began: STUN, DTLS, SRTP, SRTCP, rubbish.
func (h *Handset) PacketsIn() int64 { return h.packetsIn.Load() }

// RoleConflicts is how many connectivity checks came from a peer that took the
// controlled role, which belongs to the ICE-lite side (RFC 8445 section 6.1.1).
// Each was answered 487.
func (h *Handset) RoleConflicts() int64 { return h.conflicts.Load() }

// Err is what stopped the media session, such as a certificate that does not
// match the fingerprint of the SDP. It is nil while all is well.
func (h *Handset) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// WaitPackets waits until n audio packets were heard.
func (h *Handset) WaitPackets(ctx context.Context, n int) error {
	for {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if h.Heard().Packets >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("handset: waiting for %d packets: %w", n, ctx.Err())
		}
	}
}

// Close frees the socket. It does not wait for Run, which returns soon after.
func (h *Handset) Close() error {
	_ = h.dtlsIn.Close()
	if err := h.socket.Close(); err != nil {
		return fmt.Errorf("handset: %w", err)
	}
	return nil
}

func (h *Handset) receiver() *stream.Receiver {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.receive
}

func (h *Handset) signal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}
