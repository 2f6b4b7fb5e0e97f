package handset

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v5/packetio"
)

// datagrams is the DTLS share of the socket (RFC 7983) towards the nominated
// address, as pion/dtls wants it.
type datagrams struct {
	h      *Handset
	remote net.Addr
}

func (d *datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, err := d.h.dtlsIn.Read(p, nil)
	if err != nil {
		return n, nil, fmt.Errorf("handset: %w", err)
	}
	return n, d.remote, nil
}

func (d *datagrams) WriteTo(p []byte, _ net.Addr) (int, error) {
	n, err := d.h.socket.WriteToUDPAddrPort(p, *d.h.nominatedTo.Load())
	if err != nil {
		return n, fmt.Errorf("handset: %w", err)
	}
	return n, nil
}

func (d *datagrams) Close() error                       { return d.h.dtlsIn.Close() }
func (d *datagrams) LocalAddr() net.Addr                { return d.h.socket.LocalAddr() }
func (d *datagrams) SetDeadline(t time.Time) error      { return d.h.dtlsIn.SetReadDeadline(t) }
func (d *datagrams) SetReadDeadline(t time.Time) error  { return d.h.dtlsIn.SetReadDeadline(t) }
func (d *datagrams) SetWriteDeadline(_ time.Time) error { return nil }

var _ net.PacketConn = (*datagrams)(nil)

// keys are the SRTP contexts of one call. Each has one lock, because pion's
// contexts have none.
type keys struct {
	inMu, outMu sync.Mutex
	in, out     *srtp.Context
}

// handshake waits for the nomination, does DTLS in the agreed role and keeps the
// SRTP keys. The connection is closed (close_notify) when ctx ends.
func (h *Handset) handshake(ctx context.Context) error {
	for _, ready := range []chan struct{}{h.described, h.nominated} {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
	}
	conn, err := h.dtlsConn()
	if err != nil {
		return fmt.Errorf("handset: DTLS: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("handset: DTLS handshake: %w", err)
	}
	agreed, err := h.exportKeys(conn)
	if err != nil {
		return err
	}
	h.keys.Store(agreed)
	close(h.keyed)
	h.report(ctx) // RTCP BYE goes before the close_notify of DTLS
	return nil
}

func (h *Handset) dtlsConn() (*dtls.Conn, error) {
	packets := &datagrams{h: h, remote: net.UDPAddrFromAddrPort(*h.nominatedTo.Load())}
	shared := []dtls.Option{
		dtls.WithCertificates(h.certificate),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // RFC 8122: the fingerprint is the trust, see verify
		dtls.WithVerifyPeerCertificate(h.verify),
	}
	if h.client {
		options := make([]dtls.ClientOption, 0, len(shared))
		for _, option := range shared {
			options = append(options, option)
		}
		return dtls.ClientWithOptions(packets, packets.remote, options...)
	}
	options := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
	for _, option := range shared {
		options = append(options, option)
	}
	return dtls.ServerWithOptions(packets, packets.remote, options...)
}

func (h *Handset) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 || fingerprintOf(certificates[0]) != h.peer.fingerprint {
		return ErrFingerprint
	}
	return nil
}

func (h *Handset) exportKeys(conn *dtls.Conn) (*keys, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, ErrProfile
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, ErrProfile
	}
	config := &srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, h.client); err != nil {
		return nil, fmt.Errorf("handset: SRTP keys: %w", err)
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile,
		srtp.SRTPNoReplayProtection()) // duplicates are counted, not hidden
	if err != nil {
		return nil, fmt.Errorf("handset: SRTP: %w", err)
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)
	if err != nil {
		return nil, fmt.Errorf("handset: SRTP: %w", err)
	}
	return &keys{in: in, out: out}, nil
}

// newDTLSBuffer holds what arrives for DTLS before it is read.
func newDTLSBuffer() *packetio.Buffer {
	buffer := packetio.NewBuffer()
	buffer.SetLimitCount(64)
	return buffer
}
