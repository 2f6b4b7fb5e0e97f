package media

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// connected is a call with both legs up and started.
func connected(t *testing.T, codec Codec, cfg RelayConfig) (*call, *whatsapp, *pbx) {
	t.Helper()
	w, p := newWhatsApp(t, peerOptions{codecs: []Codec{codec}}), newPBX(t)
	c := newCall(t, testPorts(t), p, codec, codec)
	negotiate(t, c, w, true)
	c.run(t, cfg)
	wait(t, "ready", c.web.Ready())
	wait(t, "peer connected", w.up)
	c.relay.Start()

	return c, w, p
}

func TestAWrongFingerprintBringsNoMedia(t *testing.T) {
	t.Parallel()
	for _, weOffer := range []bool{true, false} {
		w, p := newWhatsApp(t, peerOptions{}), newPBX(t)
		c := newCall(t, testPorts(t), p, Opus, Opus)
		alter := func(text string) string { // one hex digit
			at := strings.Index(text, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
			digit := "0"
			if text[at] == '0' {
				digit = "1"
			}

			return strings.ReplaceAll(text, text[at:at+95], digit+text[at+1:at+95])
		}
		if weOffer {
			offer, err := c.web.Offer()
			require.NoError(t, err)
			require.NoError(t, c.web.SetAnswer(alter(w.answer(t, offer))))
		} else {
			answer, err := c.web.Answer(alter(w.offer(t)))
			require.NoError(t, err)
			w.setAnswer(t, answer)
		}
		c.run(t, RelayConfig{})
		c.relay.Start()
		select {
		case err := <-c.ended:
			require.ErrorIs(t, err, ErrConnect)
			require.ErrorIs(t, err, ErrFingerprint)
		case <-time.After(5 * time.Second):
			require.FailNow(t, "the call went on")
		}
		require.Empty(t, w.packets())
		require.Zero(t, c.web.Stats().PacketsOut)
		select {
		case <-c.web.Ready():
			require.FailNow(t, "ready")
		default:
		}
	}
}

// TestAStrangerGetsNothing: RTP bleed and injection on the plain leg, and anything
// on the secured one.
func TestAStrangerGetsNothing(t *testing.T) {
	t.Parallel()
	c, w, p := connected(t, PCMU, RelayConfig{})
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer stranger.Close()
	before := c.rtp.Stats().Dropped + c.web.Stats().Dropped
	packet := rtp.Packet{
		Header: rtp.Header{Version: 2, PayloadType: 0, SequenceNumber: 1, SSRC: 66}, Payload: []byte("from a stranger"),
	}
	octets, err := packet.Marshal()
	require.NoError(t, err)
	clientHello := []byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	stun := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42}, make([]byte, 12)...)
	garbage := []byte{0xFF, 0, 1}
	sent := 0
	for range 50 {
		for _, b := range [][]byte{octets, clientHello, stun, garbage, {0x80}, nil} {
			for _, s := range []*socket{c.rtp.sock, c.web.sock} {
				_, err := stranger.WriteToUDPAddrPort(b, s.public)
				require.NoError(t, err)
				sent++
			}
		}
		time.Sleep(time.Millisecond)
	}
	sound := rtp.Packet{
		Header: rtp.Header{Version: 2, PayloadType: 0, SequenceNumber: 9, SSRC: 1}, Payload: []byte("the call goes on"),
	}
	p.send(t, sound)
	require.Eventually(t, func() bool { return len(spoken(w.packets(), PCMU)) == 1 }, 5*time.Second, 5*time.Millisecond)
	for _, heard := range spoken(w.packets(), PCMU) {
		require.Equal(t, sound.Payload, heard.Payload)
	}
	require.Empty(t, p.packets())
	require.EqualValues(t, 1, c.rtp.Stats().PacketsIn)
	dropped := c.rtp.Stats().Dropped + c.web.Stats().Dropped - before
	// STUN without integrity is the ICE agent's to refuse.
	require.GreaterOrEqual(t, dropped, uint64(sent-50))

	require.NoError(t, stranger.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	n, err := stranger.Read(make([]byte, maxPacket))
	require.Error(t, err, "a stranger was answered with %d octets", n)
	require.NoError(t, c.end(t))
}

// TestStrangersDoNotDisturbTheSetUp: the ClientHello race that media servers were
// vulnerable to. Strangers spray both DTLS roles while they connect.
func TestStrangersDoNotDisturbTheSetUp(t *testing.T) {
	t.Parallel()
	for _, role := range []webrtc.DTLSRole{webrtc.DTLSRoleClient, webrtc.DTLSRoleServer} {
		w, p := newWhatsApp(t, peerOptions{role: role}), newPBX(t)
		c := newCall(t, testPorts(t), p, Opus, Opus)
		stop, done := make(chan struct{}), make(chan struct{})
		go spray(c.web.sock.public, stop, done)
		negotiate(t, c, w, true)
		c.run(t, RelayConfig{})
		wait(t, "ready", c.web.Ready())
		wait(t, "peer connected", w.up)
		c.relay.Start()
		require.Eventually(t, func() bool { return len(w.packets()) > 0 }, 5*time.Second, time.Millisecond)
		close(stop)
		<-done
		require.Positive(t, c.web.Stats().Dropped)
		require.NoError(t, c.end(t))
	}
}

// spray sends ClientHellos and fatal alerts from one port until stop is closed.
func spray(to netip.AddrPort, stop, done chan struct{}) {
	defer close(done)
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer stranger.Close()
	alert := []byte{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}
	hello := append([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 42, 254, 253}, make([]byte, 40)...)
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
			_, _ = stranger.WriteToUDPAddrPort(alert, to)
			_, _ = stranger.WriteToUDPAddrPort(hello, to)
		}
	}
}

func TestAReplayedPacketIsDropped(t *testing.T) {
	t.Parallel()
	d, seal := sealedFixture(t, PCMU)
	b := seal(1)
	n := copy(d.buf[:], b)
	require.True(t, d.receive(n, d.link.peer, time.Now()))
	n = copy(d.buf[:], b)
	require.False(t, d.receive(n, d.link.peer, time.Now()), "a replay")
	b = seal(2)
	b[len(b)-1] ^= 1
	n = copy(d.buf[:], b)
	require.False(t, d.receive(n, d.link.peer, time.Now()), "not authentic")
	require.EqualValues(t, 1, d.from.count.packetsIn.Load())
	require.EqualValues(t, 1, d.to.count.packetsOut.Load())
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	t.Run("before it is negotiated", func(t *testing.T) {
		t.Parallel()
		c := newCall(t, testPorts(t), newPBX(t), Opus, Opus)
		c.run(t, RelayConfig{})
		require.NoError(t, c.end(t))
	})
	t.Run("when the peer never answers ICE", func(t *testing.T) {
		t.Parallel()
		c := newCall(t, testPorts(t), newPBX(t), Opus, Opus)
		answer, err := c.web.Answer(strings.ReplaceAll(metaOffer, "198.51.100.49 3480", "127.0.0.1 9"))
		require.NoError(t, err)
		require.NotEmpty(t, answer)
		c.run(t, RelayConfig{ConnectTimeout: 300 * time.Millisecond})
		require.ErrorIs(t, <-c.ended, ErrConnect)
		c.stop()
	})
	t.Run("while it connects", func(t *testing.T) {
		t.Parallel()
		c := newCall(t, testPorts(t), newPBX(t), Opus, Opus)
		_, err := c.web.Answer(strings.ReplaceAll(metaOffer, "198.51.100.49 3480", "127.0.0.1 9"))
		require.NoError(t, err)
		c.run(t, RelayConfig{})
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, c.end(t))
	})
	t.Run("when WhatsApp falls silent", func(t *testing.T) {
		t.Parallel()
		c, _, _ := connected(t, Opus, RelayConfig{MediaTimeout: 300 * time.Millisecond})
		select {
		case err := <-c.ended:
			require.ErrorIs(t, err, ErrMediaTimeout)
		case <-time.After(5 * time.Second):
			require.FailNow(t, "Run went on")
		}
		c.stop()
	})
	t.Run("when a stream is closed", func(t *testing.T) {
		t.Parallel()
		c, _, _ := connected(t, Opus, RelayConfig{})
		require.NoError(t, c.rtp.Close())
		require.ErrorIs(t, <-c.ended, ErrClosed)
		c.stop()
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	ports := testPorts(t)
	for _, cfg := range []StreamConfig{
		{Codecs: []Codec{Opus}},
		{Ports: ports},
		{Ports: ports, Codecs: []Codec{"g729"}},
		{Ports: ports, Codecs: []Codec{Opus, Opus}},
	} {
		_, err := NewWebRTCStream(cfg)
		require.ErrorIs(t, err, ErrConfig)
		_, err = NewRTPStream(cfg)
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err := NewRelay(RelayConfig{})
	require.ErrorIs(t, err, ErrConfig)
	require.Zero(t, ports.Open())
}

// TestRunLeavesNothingBehind: goroutines are goleak's business in TestMain; here
// sockets and file descriptors.
func TestRunLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("200 calls")
	}
	ports := testPorts(t)
	fds, goroutines := 0, 0
	for i := range 200 {
		oneCall(t, ports)
		require.Zero(t, ports.Open())
		if i == 9 { // after the runtime has opened what it needs
			fds, goroutines = openFiles(t), settledGoroutines()
		}
	}
	require.Equal(t, fds, openFiles(t))
	require.LessOrEqual(t, settledGoroutines(), goroutines)
}

// oneCall connects a call, hears one packet and ends it.
func oneCall(t *testing.T, ports *Ports) {
	t.Helper()
	t.Run("call", func(t *testing.T) {
		w, p := newWhatsApp(t, peerOptions{}), newPBX(t)
		c := newCall(t, ports, p, Opus, Opus)
		negotiate(t, c, w, true)
		c.run(t, RelayConfig{})
		c.relay.Start()
		wait(t, "ready", c.web.Ready())
		require.NoError(t, c.end(t))
	})
}

func TestRunEndsWithinItsCallersDeadline(t *testing.T) {
	t.Parallel()
	c := newCall(t, testPorts(t), newPBX(t), Opus, Opus)
	relay, err := NewRelay(RelayConfig{WhatsApp: c.web, PBX: c.rtp})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.NoError(t, relay.Run(ctx))
}
