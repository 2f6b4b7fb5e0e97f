package media

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// webrtcEvent is the payload type of telephone-event/8000 in our offers: Meta uses
// 126 whatever we offer (protocol: Meta, Calling API media).
const webrtcEvent = 126

// WebRTCStream is the WhatsApp side: full ICE, controlling, one sha-256
// fingerprint, one SSRC, rtcp-mux. One UDP socket carries STUN, DTLS, SRTP and
// SRTCP (RFC 7983).
type WebRTCStream struct {
	cfg         StreamConfig
	sock        *socket
	cert        tls.Certificate
	fingerprint string
	ufrag, pwd  string
	ssrc        uint32
	session     uint64 // o= line
	count       counters
	stun, dtls  *inbox

	mu             sync.Mutex // negotiation; never taken on the packet path
	offer, answer  string
	offered        []format
	peer           *description
	offerer        bool
	dtlsClient     bool
	negotiated     chan struct{}
	negotiatedOnce sync.Once

	route     atomic.Pointer[route]
	link      atomic.Pointer[secureLink]
	ready     chan struct{}
	readyOnce sync.Once
}

var _ Stream = (*WebRTCStream)(nil)

// NewWebRTCStream opens the socket and makes the certificate; it starts nothing.
func NewWebRTCStream(cfg StreamConfig) (*WebRTCStream, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s := &WebRTCStream{cfg: cfg, negotiated: make(chan struct{}), ready: make(chan struct{})}
	if err := s.identify(); err != nil {
		return nil, err
	}
	if s.sock, err = cfg.Ports.open(); err != nil {
		return nil, err
	}
	s.stun, s.dtls = newInbox(s.sock), newInbox(s.sock)
	s.count.started.Store(time.Now().UnixNano())

	return s, nil
}

// identify makes the certificate, the ICE credentials (RFC 8445 section 5.3: at
// least 24 and 128 bits of randomness) and the SSRC.
func (s *WebRTCStream) identify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("media: make a key: %w", err)
	}
	var seed [48]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return fmt.Errorf("media: random numbers: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(seed[:16]),
		Subject:      pkix.Name{CommonName: "callctl"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(30 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("media: make a certificate: %w", err)
	}
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.fingerprint = fingerprint(der)
	s.ufrag = base64.RawStdEncoding.EncodeToString(seed[16:22])
	s.pwd = base64.RawStdEncoding.EncodeToString(seed[22:40])
	s.ssrc = binary.BigEndian.Uint32(seed[40:44])
	s.session = binary.BigEndian.Uint64(seed[40:48]) >> 2

	return nil
}

// fingerprint is the sha-256 digest of a certificate as SDP writes it (RFC 8122
// section 5): upper-case hex with colons.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)

	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// Offer returns our SDP offer, always the same one.
func (s *WebRTCStream) Offer() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != "" {
		return "", ErrNegotiation
	}
	if s.offer == "" {
		for _, c := range s.cfg.Codecs {
			s.offered = append(s.offered, format{codec: c, pt: c.payloadType()})
		}
		s.offer = s.describe(audioLine{formats: s.offered, event: webrtcEvent, direction: "sendrecv"}, "0", "actpass", nil)
	}

	return s.offer, nil
}

// SetAnswer takes the peer's answer to Offer. A repetition with the same meaning
// is ignored: the media path cannot be negotiated twice.
func (s *WebRTCStream) SetAnswer(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offer == "" {
		return ErrNegotiation
	}
	if s.peer != nil {
		return nil
	}
	peer, err := describeWebRTC(text, s.sock.public.Addr())
	if err != nil {
		return err
	}
	if len(peer.refused) != 1 {
		return fmt.Errorf("%w: answer with more media lines than the offer", ErrSDP)
	}
	switch peer.setup { // RFC 5763 section 5
	case "active":
		s.dtlsClient = false
	case "passive":
		s.dtlsClient = true
	default:
		return fmt.Errorf("%w: setup of an answer must be active or passive", ErrSDP)
	}
	ours, theirs, err := accepted(s.offered, peer)
	if err != nil {
		return err
	}
	s.settle(peer, newRoute(ours, theirs, webrtcEvent, peer), true)

	return nil
}

// Answer takes the peer's offer and returns our answer. Called again it returns
// the first answer: accept must repeat what pre_accept said (protocol: Meta).
func (s *WebRTCStream) Answer(offer string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offer != "" {
		return "", ErrNegotiation
	}
	if s.answer != "" {
		return s.answer, nil
	}
	peer, err := describeWebRTC(offer, s.sock.public.Addr())
	if err != nil {
		return "", err
	}
	setup := "active"
	switch peer.setup {
	case "actpass", "passive", "":
		s.dtlsClient = true
	case "active":
		s.dtlsClient, setup = false, "passive"
	default:
		return "", fmt.Errorf("%w: setup of the offer", ErrSDP)
	}
	f, err := choose(s.cfg.Codecs, peer)
	if err != nil {
		return "", err
	}
	line := audioLine{formats: []format{f}, event: peer.event, direction: mirrored(peer.direction)}
	s.answer = s.describe(line, peer.mid, setup, peer)
	s.settle(peer, newRoute(f, f, peer.event, peer), false)

	return s.answer, nil
}

func (s *WebRTCStream) settle(peer *description, r *route, offerer bool) {
	s.peer, s.offerer = peer, offerer
	s.route.Store(r)
	s.negotiatedOnce.Do(func() { close(s.negotiated) })
}

// describe writes our offer, or our answer to peer.
func (s *WebRTCStream) describe(line audioLine, mid, setup string, peer *description) string {
	var b strings.Builder
	addr := s.sock.public.Addr()
	family := "IP4"
	if addr.Is6() {
		family = "IP6"
	}
	before, after, protocol := "", "", "UDP/TLS/RTP/SAVPF"
	if peer != nil { // RFC 3264 section 6: the answer repeats the offer's protocol
		before, after = peer.refuseOthers()
		protocol = peer.protocol
	}
	fmt.Fprintf(&b, "v=0\r\no=- %d 1 IN %s %s\r\ns=-\r\nt=0 0\r\n", s.session, family, addr)
	if mid != "" && (peer == nil || peer.bundle) {
		fmt.Fprintf(&b, "a=group:BUNDLE %s\r\n", mid)
	}
	b.WriteString("a=msid-semantic: WMS callctl\r\n" + before)
	fmt.Fprintf(&b, "m=audio %d %s %s\r\nc=IN %s %s\r\n",
		s.sock.public.Port(), protocol, line.payloadTypes(), family, addr)
	// RFC 8445 section 5.1.2.1: a host candidate's priority, one component.
	fmt.Fprintf(&b, "a=candidate:1 1 udp 2130706431 %s %d typ host generation 0\r\n", addr, s.sock.public.Port())
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", s.ufrag, s.pwd)
	fmt.Fprintf(&b, "a=fingerprint:sha-256 %s\r\na=setup:%s\r\n", s.fingerprint, setup)
	if mid != "" {
		fmt.Fprintf(&b, "a=mid:%s\r\n", mid)
	}
	fmt.Fprintf(&b, "a=%s\r\na=msid:callctl audio\r\na=rtcp-mux\r\n", line.direction)
	line.writeFormats(&b, true, false)
	fmt.Fprintf(&b, "a=ptime:20\r\na=maxptime:20\r\na=ssrc:%d cname:callctl\r\n", s.ssrc)
	b.WriteString(after)

	return b.String()
}

// Codec is the negotiated codec, empty before.
func (s *WebRTCStream) Codec() Codec {
	if r := s.route.Load(); r != nil {
		return r.codec
	}

	return ""
}

// Ready is closed when ICE and DTLS are up.
func (s *WebRTCStream) Ready() <-chan struct{} { return s.ready }

// Stats may be called at any time from any goroutine.
func (s *WebRTCStream) Stats() StreamStats { return s.count.snapshot(s.Codec()) }

// Close frees the socket. It is safe to call twice and before Run.
func (s *WebRTCStream) Close() error {
	_ = s.stun.Close()
	_ = s.dtls.Close()

	return s.sock.Close()
}
