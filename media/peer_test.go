package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

func testPorts(tb testing.TB) *Ports {
	tb.Helper()
	p, err := NewPorts(PortsConfig{Bind: loopback, Public: loopback})
	require.NoError(tb, err)

	return p
}

// whatsapp is the peer of a WebRTCStream: a full pion PeerConnection, which shares
// only pion's layers below with what it tests.
type whatsapp struct {
	pc    *webrtc.PeerConnection
	track *webrtc.TrackLocalStaticRTP
	up    chan struct{}

	mu    sync.Mutex
	heard []rtp.Packet
}

// peerOptions vary the peer.
type peerOptions struct {
	codecs []Codec
	full   bool            // a full ICE agent instead of a lite one
	role   webrtc.DTLSRole // of its answers; 0 is active
}

func newWhatsApp(tb testing.TB, o peerOptions) *whatsapp {
	tb.Helper()
	var engine webrtc.MediaEngine
	if len(o.codecs) == 0 {
		o.codecs = []Codec{Opus}
	}
	capabilities := map[Codec]webrtc.RTPCodecCapability{
		Opus: {MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
		PCMU: {MimeType: webrtc.MimeTypePCMU, ClockRate: 8000},
		PCMA: {MimeType: webrtc.MimeTypePCMA, ClockRate: 8000},
	}
	for _, c := range o.codecs {
		require.NoError(tb, engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: capabilities[c], PayloadType: webrtc.PayloadType(c.payloadType()),
		}, webrtc.RTPCodecTypeAudio))
	}
	require.NoError(tb, engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 8000}, PayloadType: 126,
	}, webrtc.RTPCodecTypeAudio))

	var settings webrtc.SettingEngine
	settings.SetLite(!o.full)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.LoggerFactory = silentLogs()
	if o.role != 0 {
		require.NoError(tb, settings.SetAnsweringDTLSRole(o.role))
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&engine), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	require.NoError(tb, err)
	w := &whatsapp{pc: pc, up: make(chan struct{})}
	tb.Cleanup(func() { w.close(tb) })
	w.track, err = webrtc.NewTrackLocalStaticRTP(capabilities[o.codecs[0]], "audio", "whatsapp")
	require.NoError(tb, err)
	_, err = pc.AddTrack(w.track)
	require.NoError(tb, err)
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { w.listen(t) })
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(w.up) })
		}
	})

	return w
}

func (w *whatsapp) close(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, w.pc.GracefulClose())
}

func (w *whatsapp) listen(t *webrtc.TrackRemote) {
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.heard = append(w.heard, *p)
		w.mu.Unlock()
	}
}

func (w *whatsapp) packets() []rtp.Packet {
	w.mu.Lock()
	defer w.mu.Unlock()

	return append([]rtp.Packet(nil), w.heard...)
}

func (w *whatsapp) answer(tb testing.TB, offer string) string {
	tb.Helper()
	require.NoError(tb, w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := w.pc.CreateAnswer(nil)
	require.NoError(tb, err)
	gathered := webrtc.GatheringCompletePromise(w.pc)
	require.NoError(tb, w.pc.SetLocalDescription(answer))
	<-gathered

	return w.pc.LocalDescription().SDP
}

func (w *whatsapp) offer(tb testing.TB) string {
	tb.Helper()
	offer, err := w.pc.CreateOffer(nil)
	require.NoError(tb, err)
	gathered := webrtc.GatheringCompletePromise(w.pc)
	require.NoError(tb, w.pc.SetLocalDescription(offer))
	<-gathered

	return w.pc.LocalDescription().SDP
}

func (w *whatsapp) setAnswer(tb testing.TB, answer string) {
	tb.Helper()
	require.NoError(tb, w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
}

// pbx is the peer of an RTPStream: a plain socket.
type pbx struct {
	conn *net.UDPConn
	to   netip.AddrPort // our RTPStream

	mu    sync.Mutex
	heard []rtp.Packet
	done  chan struct{}
}

func newPBX(tb testing.TB) *pbx {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(tb, err)
	p := &pbx{conn: conn, done: make(chan struct{})}
	go p.listen()
	tb.Cleanup(func() {
		require.NoError(tb, conn.Close())
		<-p.done
	})

	return p
}

func (p *pbx) listen() {
	defer close(p.done)
	buf := make([]byte, maxPacket)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		var packet rtp.Packet
		if packet.Unmarshal(append([]byte(nil), buf[:n]...)) == nil {
			p.mu.Lock()
			p.heard = append(p.heard, packet)
			p.mu.Unlock()
		}
	}
}

func (p *pbx) packets() []rtp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()

	return append([]rtp.Packet(nil), p.heard...)
}

func (p *pbx) sdp(c Codec) string {
	port := p.conn.LocalAddr().(*net.UDPAddr).Port //nolint:forcetypeassert // a UDP socket
	lines := map[Codec]string{
		Opus: "a=rtpmap:111 opus/48000/2\r\n", PCMU: "", PCMA: "",
	}

	return fmt.Sprintf("v=0\r\no=pbx 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP %d 101\r\n%sa=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
		port, c.payloadType(), lines[c])
}

func (p *pbx) send(tb testing.TB, packet rtp.Packet) {
	tb.Helper()
	b, err := packet.Marshal()
	require.NoError(tb, err)
	_, err = p.conn.WriteToUDPAddrPort(b, p.to)
	require.NoError(tb, err)
}

// call is a relay between two peers.
type call struct {
	web   *WebRTCStream
	rtp   *RTPStream
	relay *Relay
	stop  context.CancelFunc
	ended chan error
}

// newCall opens the streams and connects the PBX peer to its stream.
func newCall(tb testing.TB, ports *Ports, p *pbx, toWhatsApp, toPBX Codec) *call {
	tb.Helper()
	c := &call{ended: make(chan error, 1)}
	var err error
	c.web, err = NewWebRTCStream(StreamConfig{Ports: ports, Codecs: []Codec{toWhatsApp}})
	require.NoError(tb, err)
	c.rtp, err = NewRTPStream(StreamConfig{Ports: ports, Codecs: []Codec{toPBX}})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, c.web.Close())
		require.NoError(tb, c.rtp.Close())
	})
	_, err = c.rtp.Offer()
	require.NoError(tb, err)
	p.to = c.rtp.sock.public
	require.NoError(tb, c.rtp.SetAnswer(p.sdp(toPBX)))

	return c
}

func (c *call) run(tb testing.TB, cfg RelayConfig) {
	tb.Helper()
	cfg.WhatsApp, cfg.PBX = c.web, c.rtp
	var err error
	c.relay, err = NewRelay(cfg)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(tb.Context())
	c.stop = cancel
	go func() { c.ended <- c.relay.Run(ctx) }()
}

// end stops the relay and returns Run's error.
func (c *call) end(tb testing.TB) error {
	tb.Helper()
	c.stop()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(5 * time.Second):
		require.FailNow(tb, "Run did not end")

		return nil
	}
}

func wait(tb testing.TB, what string, ch <-chan struct{}) {
	tb.Helper()
	select {
	case <-ch:
	case <-time.After(10 * time.Second):
		require.FailNow(tb, "timed out: "+what)
	}
}
