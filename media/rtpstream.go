package media

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// rtpEvent is the payload type of telephone-event/8000 in our RTP/AVP offers.
const rtpEvent = 101

// RTPStream is the PBX side: plain RTP/AVP. It accepts packets from the address of
// the peer's session description only, and never answers a stranger.
type RTPStream struct {
	cfg     StreamConfig
	sock    *socket
	ssrc    uint32
	session uint64
	count   counters

	mu      sync.Mutex // negotiation; never taken on the packet path
	offer   string
	offered []format
	answer  string
	body    string // answer without its o= line, to see whether it changed
	version int

	route     atomic.Pointer[route]
	ready     chan struct{}
	readyOnce sync.Once
}

var _ Stream = (*RTPStream)(nil)

// NewRTPStream opens the socket; it starts nothing.
func NewRTPStream(cfg StreamConfig) (*RTPStream, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	var seed [12]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("media: random numbers: %w", err)
	}
	s := &RTPStream{
		cfg: cfg, ready: make(chan struct{}),
		ssrc:    binary.BigEndian.Uint32(seed[8:]),
		session: uint64(binary.BigEndian.Uint32(seed[:4])),
	}
	if s.sock, err = cfg.Ports.open(); err != nil {
		return nil, err
	}
	s.count.started.Store(time.Now().UnixNano())

	return s, nil
}

// Offer returns our SDP offer, always the same one. It is small: a request with it
// has to fit a UDP datagram (RFC 3261 section 18.1.1).
func (s *RTPStream) Offer() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != "" {
		return "", ErrNegotiation
	}
	if s.offer == "" {
		for _, c := range s.cfg.Codecs {
			s.offered = append(s.offered, format{codec: c, pt: c.payloadType()})
		}
		line := audioLine{formats: s.offered, event: rtpEvent, direction: "sendrecv"}
		s.offer = s.origin(1) + s.describe(line, nil)
	}

	return s.offer, nil
}

// SetAnswer takes the peer's answer to Offer. It may come again with another
// address (a 183 and then a 200, or a re-INVITE): the last one counts.
func (s *RTPStream) SetAnswer(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offer == "" {
		return ErrNegotiation
	}
	peer, err := describeRTP(text)
	if err != nil {
		return err
	}
	if len(peer.refused) != 1 {
		return fmt.Errorf("%w: answer with more media lines than the offer", ErrSDP)
	}
	ours, theirs, err := accepted(s.offered, peer)
	if err != nil {
		return err
	}
	s.settle(newRoute(ours, theirs, rtpEvent, peer))

	return nil
}

// Answer takes the peer's offer and returns our answer. A later offer of the same
// dialog (hold, re-INVITE) is answered too; an answer that does not change keeps
// its version (RFC 3264 section 8).
func (s *RTPStream) Answer(offer string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	peer, err := describeRTP(offer)
	if err != nil {
		return "", err
	}
	f, err := choose(s.cfg.Codecs, peer)
	if err != nil {
		return "", err
	}
	line := audioLine{formats: []format{f}, event: peer.event, direction: mirrored(peer.direction)}
	if body := s.describe(line, peer); body != s.body {
		s.version++
		s.body = body
		version := s.version
		if s.offer != "" {
			version++ // our offer was version 1
		}
		s.answer = s.origin(version) + body
	}
	s.settle(newRoute(f, f, peer.event, peer))

	return s.answer, nil
}

func (s *RTPStream) settle(r *route) {
	s.route.Store(r)
	s.readyOnce.Do(func() { close(s.ready) })
}

func (s *RTPStream) origin(version int) string {
	return fmt.Sprintf("v=0\r\no=callctl %d %d IN %s\r\ns=-\r\n", s.session, version, s.address())
}

func (s *RTPStream) address() string {
	addr := s.sock.internal.Addr()
	if addr.Is6() {
		return "IP6 " + addr.String()
	}

	return "IP4 " + addr.String()
}

// describe writes what follows the s= line of our offer, or of our answer to peer.
func (s *RTPStream) describe(line audioLine, peer *description) string {
	var b strings.Builder
	before, after := "", ""
	if peer != nil {
		before, after = peer.refuseOthers()
	}
	fmt.Fprintf(&b, "c=IN %s\r\nt=0 0\r\n%sm=audio %d RTP/AVP %s\r\n",
		s.address(), before, s.sock.internal.Port(), line.payloadTypes())
	line.writeFormats(&b, false, true)
	fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n%s", line.direction, after)

	return b.String()
}

// Codec is the negotiated codec, empty before.
func (s *RTPStream) Codec() Codec {
	if r := s.route.Load(); r != nil {
		return r.codec
	}

	return ""
}

// Ready is closed when both descriptions are known.
func (s *RTPStream) Ready() <-chan struct{} { return s.ready }

// Stats may be called at any time from any goroutine.
func (s *RTPStream) Stats() StreamStats { return s.count.snapshot(s.Codec()) }

// Close frees the socket. It is safe to call twice and before Run.
func (s *RTPStream) Close() error { return s.sock.Close() }
