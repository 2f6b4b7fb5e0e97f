package media

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"
)

// Pacing of the connection set-up. The peer may only come up when the user picks
// up, so checks go on until the caller's deadline.
const (
	checkInterval   = 50 * time.Millisecond // RFC 8445 section 14.2, Ta
	flightInterval  = 250 * time.Millisecond
	consentTimeout  = 30 * time.Second // RFC 7675 section 5.1
	replayWindow    = 128              // RFC 3711 section 3.3.2: at least 64
	endlessRequests = 1<<16 - 1
)

// secureLink is the media path to WhatsApp once ICE and DTLS are up. open belongs
// to the goroutine that reads the WhatsApp socket, seal to the one that writes to
// it.
type secureLink struct {
	peer netip.AddrPort
	open *srtp.Context
	seal *srtp.Context
}

// connection is what holds the path up: it is closed by whoever connected.
type connection struct {
	agent *ice.Agent
	dtls  *dtls.Conn
}

// close sends close_notify, ends the agent and waits for their goroutines.
func (c *connection) close() {
	if c.dtls != nil {
		_ = c.dtls.Close()
	}
	if c.agent != nil {
		_ = c.agent.GracefulClose()
	}
}

// connect brings ICE up and then DTLS, never the other way round (protocol: Meta
// answers ClientHello only on a nominated pair). The socket must be read
// meanwhile. The connection is to be closed also when an error is returned.
func (s *WebRTCStream) connect(ctx context.Context) (*connection, *secureLink, error) {
	s.mu.Lock()
	peer, offerer, client := s.peer, s.offerer, s.dtlsClient
	s.mu.Unlock()
	c := &connection{}
	remote, err := s.connectICE(ctx, c, peer, offerer)
	if err != nil {
		return c, nil, fmt.Errorf("%w: ICE: %w", ErrConnect, err)
	}
	s.dtls.only.Store(&remote)
	state, err := s.connectDTLS(ctx, c, peer, client, remote)
	if err != nil {
		return c, nil, fmt.Errorf("%w: DTLS: %w", ErrConnect, err)
	}
	link, err := secure(c.dtls, state, client, remote)
	if err != nil {
		return c, nil, fmt.Errorf("%w: SRTP: %w", ErrConnect, err)
	}

	return c, link, nil
}

// connectICE returns the remote address of the selected pair.
func (s *WebRTCStream) connectICE(
	ctx context.Context, c *connection, peer *description, offerer bool,
) (netip.AddrPort, error) {
	agent, err := s.newAgent(peer)
	if err != nil {
		return netip.AddrPort{}, err
	}
	c.agent = agent
	// RFC 8445 section 6.1.1: the full agent controls a lite one; between two full
	// agents the offerer controls.
	if offerer || peer.lite {
		_, err = agent.Dial(ctx, peer.ufrag, peer.pwd)
	} else {
		_, err = agent.Accept(ctx, peer.ufrag, peer.pwd)
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	pair, err := agent.GetSelectedCandidatePair()
	if err != nil {
		return netip.AddrPort{}, err
	}
	if pair == nil {
		return netip.AddrPort{}, errNoPair
	}
	addr, err := netip.ParseAddr(pair.Remote.Address())
	if err != nil {
		return netip.AddrPort{}, err
	}

	return netip.AddrPortFrom(addr.Unmap(), uint16(pair.Remote.Port())), nil
}

var errNoPair = errors.New("no selected pair")

func (s *WebRTCStream) newAgent(peer *description) (*ice.Agent, error) {
	network := ice.NetworkTypeUDP4
	if s.sock.public.Addr().Is6() {
		network = ice.NetworkTypeUDP6
	}
	agent, err := ice.NewAgentWithOptions(
		ice.WithLocalCredentials(s.ufrag, s.pwd),
		ice.WithUDPMux(stunMux{inbox: s.stun}),
		ice.WithNetworkTypes([]ice.NetworkType{network}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithDisableActiveTCP(),
		ice.WithCheckInterval(checkInterval),
		ice.WithMaxBindingRequests(endlessRequests),
		ice.WithDisconnectedTimeout(consentTimeout),
		ice.WithFailedTimeout(consentTimeout),
		ice.WithLoggerFactory(silentLogs()),
	)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(agent, peer); err != nil {
		_ = agent.GracefulClose()

		return nil, err
	}

	return agent, nil
}

// prepare gathers our one candidate and adds the peer's.
func (s *WebRTCStream) prepare(agent *ice.Agent, peer *description) error {
	if err := agent.OnCandidate(func(ice.Candidate) {}); err != nil {
		return err
	}
	if err := agent.SetRemoteICELite(peer.lite); err != nil {
		return err
	}
	if err := agent.GatherCandidates(); err != nil {
		return err
	}
	for _, candidate := range peer.candidates {
		if err := agent.AddRemoteCandidate(candidate); err != nil {
			return err
		}
	}

	return nil
}

// connectDTLS shakes hands in our role and checks the certificate.
func (s *WebRTCStream) connectDTLS(
	ctx context.Context, c *connection, peer *description, client bool, remote netip.AddrPort,
) (*dtls.State, error) {
	mismatch := false
	verify := func(certs [][]byte, _ [][]*x509.Certificate) error {
		if len(certs) == 0 || sha256.Sum256(certs[0]) != peer.fingerprint {
			mismatch = true

			return ErrFingerprint
		}

		return nil
	}
	options := []dtls.Option{
		dtls.WithCertificates(s.cert),
		dtls.WithInsecureSkipVerify(true), // self-signed: the fingerprint is the trust (RFC 5763)
		dtls.WithVerifyPeerCertificate(verify),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithFlightInterval(flightInterval),
		dtls.WithMTU(1200),
		dtls.WithLoggerFactory(silentLogs()),
	}
	conn, err := dtlsConn(s.dtls, net.UDPAddrFromAddrPort(remote), client, options)
	if err != nil {
		return nil, err
	}
	c.dtls = conn
	if err := conn.HandshakeContext(ctx); err != nil {
		if mismatch {
			return nil, ErrFingerprint
		}

		return nil, err
	}
	state, ok := conn.ConnectionState()
	if !ok || len(state.PeerCertificates) == 0 || sha256.Sum256(state.PeerCertificates[0]) != peer.fingerprint {
		return nil, ErrFingerprint
	}

	return &state, nil
}

func dtlsConn(conn net.PacketConn, remote net.Addr, client bool, shared []dtls.Option) (*dtls.Conn, error) {
	if client {
		options := make([]dtls.ClientOption, 0, len(shared))
		for _, o := range shared {
			options = append(options, o)
		}

		return dtls.ClientWithOptions(conn, remote, options...)
	}
	options := make([]dtls.ServerOption, 0, len(shared)+2)
	for _, o := range shared {
		options = append(options, o)
	}
	// ICE has already shown that the peer receives at this address, so the cookie
	// exchange of RFC 6347 section 4.2.1 would only cost a round trip.
	options = append(options,
		dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true))

	return dtls.ServerWithOptions(conn, remote, options...)
}

// secure derives the SRTP contexts (RFC 5764 section 4.2).
func secure(conn *dtls.Conn, state *dtls.State, client bool, remote netip.AddrPort) (*secureLink, error) {
	profile, err := protectionProfile(conn)
	if err != nil {
		return nil, err
	}
	cfg := srtp.Config{Profile: profile}
	if err := cfg.ExtractSessionKeysFromDTLS(state, client); err != nil {
		return nil, err
	}
	keys := cfg.Keys
	open, err := srtp.CreateContext(keys.RemoteMasterKey, keys.RemoteMasterSalt, profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, err
	}
	seal, err := srtp.CreateContext(keys.LocalMasterKey, keys.LocalMasterSalt, profile)
	if err != nil {
		return nil, err
	}

	return &secureLink{peer: remote, open: open, seal: seal}, nil
}

var errNoProfile = errors.New("no SRTP protection profile agreed")

func protectionProfile(conn *dtls.Conn) (srtp.ProtectionProfile, error) {
	profile, _ := conn.SelectedSRTPProtectionProfile()
	switch profile {
	case dtls.SRTP_AEAD_AES_128_GCM:
		return srtp.ProtectionProfileAeadAes128Gcm, nil
	case dtls.SRTP_AES128_CM_HMAC_SHA1_80:
		return srtp.ProtectionProfileAes128CmHmacSha1_80, nil
	default:
		return 0, errNoProfile
	}
}

// silentLogs keeps pion from writing to stderr: what went wrong comes back as an
// error, and its log lines hold addresses.
func silentLogs() logging.LoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}
