package handset_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/stream"
	"github.com/callctl/callctl/testbed/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// business is a full-ICE WebRTC peer of pion: what callctl is to Meta.
type business struct {
	t        *testing.T
	pc       *webrtc.PeerConnection
	track    *webrtc.TrackLocalStaticRTP
	received *stream.Receiver
	ready    chan struct{}
	wg       sync.WaitGroup
}

var types = map[string]webrtc.RTPCodecParameters{
	"opus": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, PayloadType: 111},
	"pcmu": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, PayloadType: 0},
	"pcma": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: 8000}, PayloadType: 8},
}

func newBusiness(t *testing.T, codec string) *business {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	require.NoError(t, engine.RegisterCodec(types[codec], webrtc.RTPCodecTypeAudio))
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	require.NoError(t, settings.SetAnsweringDTLSRole(webrtc.DTLSRoleClient))
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	track, err := webrtc.NewTrackLocalStaticRTP(types[codec].RTPCodecCapability, "audio", "callctl")
	require.NoError(t, err)
	_, err = pc.AddTrack(track)
	require.NoError(t, err)
	b := &business{
		t: t, pc: pc, track: track, ready: make(chan struct{}),
		received: stream.NewReceiver([]stream.Codec{{Name: codec, PayloadType: uint8(types[codec].PayloadType)}}, nil),
	}
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			close(b.ready)
		}
	})
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		b.wg.Go(func() {
			for {
				packet, _, err := remote.ReadRTP()
				if err != nil {
					return
				}
				b.received.Take(packet, time.Now())
			}
		})
	})
	t.Cleanup(func() {
		require.NoError(t, pc.GracefulClose())
		b.wg.Wait()
	})
	return b
}

func (b *business) local(description webrtc.SessionDescription) string {
	gathered := webrtc.GatheringCompletePromise(b.pc)
	require.NoError(b.t, b.pc.SetLocalDescription(description))
	<-gathered
	return b.pc.LocalDescription().SDP
}

func (b *business) offer() string {
	offer, err := b.pc.CreateOffer(nil)
	require.NoError(b.t, err)
	return b.local(offer)
}

func (b *business) answer(offer string) string {
	require.NoError(b.t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := b.pc.CreateAnswer(nil)
	require.NoError(b.t, err)
	return b.local(answer)
}

// speak sends until ctx ends, after the connection stands.
func (b *business) speak(ctx context.Context, sender stream.Sender) {
	b.t.Helper()
	select {
	case <-b.ready:
	case <-ctx.Done():
		b.t.Fatal("no connection:", ctx.Err())
	}
	time.Sleep(100 * time.Millisecond) // pion binds the track a moment after it says connected
	sender.Write = func(p *rtp.Packet) error { return b.track.WriteRTP(p) }
	b.wg.Go(func() { _ = sender.Run(ctx) })
}

// run starts a handset and stops it at the end of the test.
func run(t *testing.T, h *handset.Handset) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestBusinessCallsAndBothHear(t *testing.T) {
	for _, codec := range []string{"pcmu", "pcma", "opus"} {
		for _, passive := range []bool{false, true} {
			t.Run(codec+map[bool]string{true: " passive", false: " active"}[passive], func(t *testing.T) {
				t.Parallel()
				h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{codec}, ToneHz: 440, Passive: passive})
				require.NoError(t, err)
				run(t, h)
				b := newBusiness(t, codec)
				answer, err := h.Answer(b.offer())
				require.NoError(t, err)
				require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
				converse(t, h, b, codec)
			})
		}
	}
}

func TestUserCallsAndBothHear(t *testing.T) {
	for _, codec := range []string{"pcmu", "opus"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{"opus", codec}, ToneHz: 440})
			require.NoError(t, err)
			run(t, h)
			offer, err := h.Offer()
			require.NoError(t, err)
			b := newBusiness(t, codec)
			require.NoError(t, h.SetAnswer(b.answer(offer)))
			converse(t, h, b, codec)
		})
	}
}

// converse proves that both ends hear the other's tone, that the handset waited
// for the business, and that nothing was lost.
func converse(t *testing.T, h *handset.Handset, b *business, codec string) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	time.Sleep(200 * time.Millisecond) // long enough for a handset that does not wait
	require.Zero(t, b.received.Heard().Packets)
	b.speak(ctx, stream.Sender{Codec: stream.Codec{Name: codec, PayloadType: uint8(types[codec].PayloadType)}, ToneHz: 1000})
	require.NoError(t, h.WaitPackets(ctx, 60))
	require.Eventually(t, func() bool {
		return h.ToneLevel(1000) > 0.8 && h.ToneLevel(440) < 0.05 && b.received.ToneLevel(440) > 0.8
	}, 5*time.Second, 200*time.Millisecond)
	heard := h.Heard()
	require.Equal(t, codec, heard.Codec)
	require.True(t, heard.PeerFirst)
	require.Equal(t, []int{0, 0, 1}, []int{heard.Lost, heard.Reordered, heard.SSRCs})
	require.Equal(t, 1, b.received.Heard().SSRCs)
	require.Zero(t, b.received.Heard().Lost)
	require.Greater(t, h.PacketsIn(), int64(60))
	require.Zero(t, h.RoleConflicts())
	require.NoError(t, h.Err())
}

func TestPayloadsArriveAsTheyWere(t *testing.T) {
	up, down := tone.OpusFrames(40, 500), tone.OpusFrames(40, 900)
	h, err := handset.New("127.0.0.1", handset.Behaviour{Payloads: down})
	require.NoError(t, err)
	run(t, h)
	b := newBusiness(t, "opus")
	answer, err := h.Answer(b.offer())
	require.NoError(t, err)
	require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	ctx := within(t, 10*time.Second)
	b.speak(ctx, stream.Sender{Codec: stream.Codec{Name: "opus", PayloadType: 111}, Payloads: up})
	require.NoError(t, h.WaitPackets(ctx, len(up)))
	require.Equal(t, up, h.Heard().Payloads)
	require.Eventually(t, func() bool { return b.received.Heard().Packets == len(down) }, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, down, b.received.Heard().Payloads)
}

func TestRingingHandsetIsSilent(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{"pcmu"}, ToneHz: 440})
	require.NoError(t, err)
	h.Ring()
	run(t, h)
	b := newBusiness(t, "pcmu")
	answer, err := h.Answer(b.offer())
	require.NoError(t, err)
	require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	ctx := within(t, 10*time.Second)
	b.speak(ctx, stream.Sender{Codec: stream.Codec{Name: "pcmu"}})
	require.NoError(t, h.WaitPackets(ctx, 20))
	require.Zero(t, b.received.Heard().Packets)
	h.PickUp()
	require.Eventually(t, func() bool { return b.received.Heard().Packets > 5 }, 5*time.Second, 10*time.Millisecond)
}

func TestSendFirstIsSeen(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{"pcmu"}, SendFirst: true})
	require.NoError(t, err)
	run(t, h)
	b := newBusiness(t, "pcmu")
	answer, err := h.Answer(b.offer())
	require.NoError(t, err)
	require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	require.Eventually(t, func() bool { return b.received.Heard().Packets > 5 }, 5*time.Second, 10*time.Millisecond)
	ctx := within(t, 5*time.Second)
	b.speak(ctx, stream.Sender{Codec: stream.Codec{Name: "pcmu"}})
	require.NoError(t, h.WaitPackets(ctx, 5))
	require.False(t, h.Heard().PeerFirst)
}

func TestWrongFingerprintStopsTheCall(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{Passive: true})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	b := newBusiness(t, "opus")
	offer := b.offer()
	at := strings.Index(offer, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
	answer, err := h.Answer(offer[:at] + "00:11:22" + offer[at+8:])
	require.NoError(t, err)
	require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	require.Eventually(t, func() bool { return h.Err() != nil }, 5*time.Second, 10*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, handset.ErrFingerprint)
}

func TestRunEndsWithCloseAndRunsOnce(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{})
	require.NoError(t, err)
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- h.Run(t.Context()) }()
	}
	require.ErrorIs(t, <-done, handset.ErrRunning)
	require.NoError(t, h.Close())
	require.NoError(t, <-done)
}
