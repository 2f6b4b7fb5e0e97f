package media

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

func TestSilenceFillsWhatThePBXLeavesOpen(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{Opus, PCMU, PCMA} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			c, w, p := connected(t, codec, RelayConfig{})
			time.Sleep(time.Second) // the PBX says nothing
			quiet := w.packets()
			require.InDelta(t, 50, len(quiet), 12, "one frame every 20 ms")
			require.Empty(t, spoken(quiet, codec))
			require.True(t, quiet[0].Marker, "the first packet begins a talkspurt")

			speak := func(from, n int, ssrc uint32) {
				for i := range n {
					p.send(t, rtp.Packet{Header: rtp.Header{
						Version: 2, PayloadType: codec.payloadType(), SequenceNumber: uint16(from + i),
						Timestamp: uint32(from+i) * codec.frame(), SSRC: ssrc,
					}, Payload: []byte{1, 2, byte(i)}})
					time.Sleep(frameTime)
				}
			}
			speak(100, 20, 1)
			time.Sleep(300 * time.Millisecond) // hold
			speak(60000, 20, 2)                // music on hold from another source
			require.Eventually(t, func() bool {
				return len(spoken(w.packets(), codec)) == 40
			}, 5*time.Second, 5*time.Millisecond)
			require.NoError(t, c.end(t))
			heard := w.packets()
			requireContinuous(t, heard)
			span := heard[len(heard)-1].Timestamp - heard[0].Timestamp
			seconds := float64(span) / float64(codec.clock())
			require.InDelta(t, float64(len(heard))/50, seconds, 0.3, "the timestamps follow the clock")
			require.Equal(t, c.web.Stats().PacketsOut, c.web.Stats().SilenceOut+40)
		})
	}
}

func TestReportsGoOutUnderSRTCP(t *testing.T) {
	t.Parallel()
	c, w, _ := connected(t, Opus, RelayConfig{})
	receiver := w.pc.GetReceivers()[0]
	reports := make(chan *rtcp.SenderReport, 4)
	go func() {
		defer close(reports)
		for {
			list, _, err := receiver.ReadRTCP()
			if err != nil {
				return
			}
			for _, r := range list {
				if sr, ok := r.(*rtcp.SenderReport); ok {
					reports <- sr
				}
			}
		}
	}()
	select {
	case sr := <-reports:
		require.Equal(t, c.web.ssrc, sr.SSRC)
		require.Positive(t, sr.PacketCount)
		age := time.Since(time.Unix(int64(sr.NTPTime>>32)-ntpEpoch, 0))
		require.Less(t, age.Abs(), 10*time.Second)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "no sender report")
	}
	require.NoError(t, c.end(t))
	w.close(t)
	for range reports { // until the reader ended
	}
}

// TestThePBXMayAnswerLate: Run is up, and what comes from WhatsApp before the PBX
// answered is dropped and counted.
func TestThePBXMayAnswerLate(t *testing.T) {
	t.Parallel()
	w, p := newWhatsApp(t, peerOptions{codecs: []Codec{PCMU}}), newPBX(t)
	ports := testPorts(t)
	c := &call{ended: make(chan error, 1)}
	var err error
	c.web, err = NewWebRTCStream(StreamConfig{Ports: ports, Codecs: []Codec{PCMU}})
	require.NoError(t, err)
	c.rtp, err = NewRTPStream(StreamConfig{Ports: ports, Codecs: []Codec{Opus, PCMU}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.web.Close()); require.NoError(t, c.rtp.Close()) })
	c.run(t, RelayConfig{}) // before anything is negotiated
	_, err = c.rtp.Offer()
	require.NoError(t, err)
	p.to = c.rtp.sock.public
	negotiate(t, c, w, false)
	wait(t, "ready", c.web.Ready())
	wait(t, "peer connected", w.up)
	c.relay.Start()
	write := func(i int) {
		require.NoError(t, w.track.WriteRTP(&rtp.Packet{Header: rtp.Header{
			Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i) * 160,
		}, Payload: []byte{byte(i)}}))
		time.Sleep(2 * time.Millisecond)
	}
	for i := range 10 {
		write(i)
	}
	require.Eventually(t, func() bool { return c.web.Stats().Dropped == 10 }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, c.rtp.SetAnswer(p.sdp(PCMU)))
	for i := range 10 {
		write(10 + i)
	}
	require.Eventually(t, func() bool { return len(p.packets()) == 10 }, 5*time.Second, 5*time.Millisecond)
	for i, heard := range p.packets() {
		require.Equal(t, []byte{byte(10 + i)}, heard.Payload)
		require.EqualValues(t, 0, heard.PayloadType)
	}
	stats := c.relay.Stats()
	require.False(t, stats.WhatsApp.FirstOut.IsZero())
	require.False(t, stats.WhatsApp.FirstOut.Before(stats.Started))
	require.Equal(t, PCMU, stats.PBX.Codec)
	require.NoError(t, c.end(t))
}

// TestBeforeStartNothingGoesOut: protocol: Meta, media only after accept is
// acknowledged. What the PBX says before is dropped and counted.
func TestBeforeStartNothingGoesOut(t *testing.T) {
	t.Parallel()
	w, p := newWhatsApp(t, peerOptions{codecs: []Codec{PCMU}}), newPBX(t)
	c := newCall(t, testPorts(t), p, PCMU, PCMU)
	negotiate(t, c, w, true)
	c.run(t, RelayConfig{})
	wait(t, "ready", c.web.Ready())
	for i := range 10 {
		p.send(t, rtp.Packet{Header: rtp.Header{
			Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i) * 160, SSRC: 3,
		}, Payload: []byte{byte(i)}})
	}
	require.Eventually(t, func() bool { return c.rtp.Stats().Dropped == 10 }, 5*time.Second, 5*time.Millisecond)
	require.Zero(t, c.web.Stats().PacketsOut)
	require.Empty(t, w.packets())
	started := time.Now()
	c.relay.Start()
	require.Eventually(t, func() bool { return !c.web.Stats().FirstOut.IsZero() }, time.Second, time.Millisecond)
	require.Less(t, c.web.Stats().FirstOut.Sub(started), 100*time.Millisecond)
	require.NoError(t, c.end(t))
}
