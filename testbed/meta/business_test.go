package meta_test

import (
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// peer is a full-ICE WebRTC end of pion that speaks PCMU as soon as it can.
type peer struct {
	t    *testing.T
	pc   *webrtc.PeerConnection
	stop chan struct{}
	wg   sync.WaitGroup
}

func newBusiness(t *testing.T) *peer {
	t.Helper()
	codec := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	engine := &webrtc.MediaEngine{}
	require.NoError(t, engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: codec}, webrtc.RTPCodecTypeAudio))
	require.NoError(t, engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: 111}, webrtc.RTPCodecTypeAudio))
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	require.NoError(t, settings.SetAnsweringDTLSRole(webrtc.DTLSRoleClient))
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	track, err := webrtc.NewTrackLocalStaticRTP(codec, "audio", "callctl")
	require.NoError(t, err)
	_, err = pc.AddTrack(track)
	require.NoError(t, err)
	p := &peer{t: t, pc: pc, stop: make(chan struct{})}
	p.wg.Go(func() { p.speak(track) })
	t.Cleanup(func() {
		p.quiet()
		require.NoError(t, pc.GracefulClose())
	})
	return p
}

// quiet stops the audio but not the connection.
func (p *peer) quiet() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.wg.Wait()
}

func (p *peer) speak(track *webrtc.TrackLocalStaticRTP) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for n := uint16(1); ; n++ {
		select {
		case <-ticker.C:
			_ = track.WriteRTP(&rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 160},
				Payload: make([]byte, 160),
			})
		case <-p.stop:
			return
		}
	}
}

func (p *peer) local(description webrtc.SessionDescription) string {
	gathered := webrtc.GatheringCompletePromise(p.pc)
	require.NoError(p.t, p.pc.SetLocalDescription(description))
	<-gathered
	return p.pc.LocalDescription().SDP
}

func (p *peer) offer() string {
	offer, err := p.pc.CreateOffer(nil)
	require.NoError(p.t, err)
	return p.local(offer)
}

func (p *peer) answer(offer string) string {
	p.remote(webrtc.SDPTypeOffer, offer)
	answer, err := p.pc.CreateAnswer(nil)
	require.NoError(p.t, err)
	return p.local(answer)
}

func (p *peer) remote(kind webrtc.SDPType, sdp string) {
	require.NoError(p.t, p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}))
}
