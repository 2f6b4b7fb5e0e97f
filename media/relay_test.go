package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// negotiate joins the WhatsApp peer: by our offer, or by its own.
func negotiate(tb testing.TB, c *call, w *whatsapp, weOffer bool) {
	tb.Helper()
	if weOffer {
		offer, err := c.web.Offer()
		require.NoError(tb, err)
		require.NoError(tb, c.web.SetAnswer(w.answer(tb, offer)))

		return
	}
	answer, err := c.web.Answer(w.offer(tb))
	require.NoError(tb, err)
	w.setAnswer(tb, answer)
}

func randomPayload(i int) []byte {
	payload := make([]byte, 20+rand.IntN(100))
	binary.BigEndian.PutUint32(payload, uint32(i))
	for j := 4; j < len(payload); j++ {
		payload[j] = byte(rand.Uint32())
	}

	return payload
}

func TestMediaFlowsBothWaysByteIdentical(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		weOffer bool
		peer    peerOptions
	}{
		{"our offer, peer answers active", true, peerOptions{role: webrtc.DTLSRoleClient}},
		{"our offer, peer answers passive", true, peerOptions{role: webrtc.DTLSRoleServer}},
		{"peer offers actpass", false, peerOptions{}},
		{"our offer, full peer", true, peerOptions{full: true}},
		{"full peer offers", false, peerOptions{full: true}},
		{"pcmu", true, peerOptions{codecs: []Codec{PCMU}}},
		{"pcma, peer offers", false, peerOptions{codecs: []Codec{PCMA}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			codec := Opus
			if len(tc.peer.codecs) > 0 {
				codec = tc.peer.codecs[0]
			}
			w, p := newWhatsApp(t, tc.peer), newPBX(t)
			c := newCall(t, testPorts(t), p, codec, codec)
			negotiate(t, c, w, tc.weOffer)
			require.Equal(t, codec, c.web.Codec())
			require.Equal(t, codec, c.rtp.Codec())
			c.run(t, RelayConfig{})
			wait(t, "ready", c.web.Ready())
			wait(t, "peer connected", w.up)
			require.Empty(t, w.packets(), "nothing may be sent before Start")
			c.relay.Start()
			require.Eventually(t, func() bool { return len(w.packets()) > 0 }, 5*time.Second, time.Millisecond,
				"the first packet leaves without the PBX")
			exchange(t, c, w, p, codec)
			require.NoError(t, c.end(t))
			require.Eventually(t, func() bool {
				return w.pc.GetSenders()[0].Transport().State() == webrtc.DTLSTransportStateClosed
			}, 5*time.Second, 5*time.Millisecond, "close_notify")
		})
	}
}

// exchange sends 100 packets each way and wants every one, unaltered and in order.
func exchange(t *testing.T, c *call, w *whatsapp, p *pbx, codec Codec) {
	t.Helper()
	var sent [][]byte
	for i := range 100 {
		payload := randomPayload(i)
		sent = append(sent, payload)
		header := rtp.Header{
			Version: 2, PayloadType: codec.payloadType(), SequenceNumber: uint16(65500 + i),
			Timestamp: uint32(i) * codec.frame(), SSRC: 7,
		}
		require.NoError(t, w.track.WriteRTP(&rtp.Packet{Header: header, Payload: payload}))
		p.send(t, rtp.Packet{Header: header, Payload: payload})
		time.Sleep(2 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return len(p.packets()) >= 100 }, 5*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		return len(spoken(w.packets(), codec)) >= 100
	}, 5*time.Second, 5*time.Millisecond)
	requireSame(t, sent, p.packets())
	requireSame(t, sent, spoken(w.packets(), codec))
	requireContinuous(t, w.packets())
	require.Zero(t, c.web.Stats().Lost)
	require.EqualValues(t, 100, c.web.Stats().PacketsIn)
	require.EqualValues(t, 100, c.rtp.Stats().PacketsIn)
	require.EqualValues(t, 100, c.rtp.Stats().PacketsOut)
	require.Equal(t, c.web.Stats().PacketsOut, 100+c.web.Stats().SilenceOut)
}

// spoken leaves out the frames of silence.
func spoken(heard []rtp.Packet, codec Codec) (list []rtp.Packet) {
	for _, p := range heard {
		if !bytes.Equal(p.Payload, codec.silence()) {
			list = append(list, p)
		}
	}

	return list
}

func requireSame(t *testing.T, sent [][]byte, heard []rtp.Packet) {
	t.Helper()
	require.Len(t, heard, len(sent))
	for i := range sent {
		require.Equal(t, sent[i], heard[i].Payload, "packet %d", i)
	}
}

// requireContinuous wants one SSRC, consecutive sequence numbers and rising
// timestamps.
func requireContinuous(t *testing.T, heard []rtp.Packet) {
	t.Helper()
	for i := 1; i < len(heard); i++ {
		require.Equal(t, heard[0].SSRC, heard[i].SSRC)
		require.Equal(t, heard[i-1].SequenceNumber+1, heard[i].SequenceNumber, "packet %d", i)
		require.True(t, before(heard[i-1].Timestamp, heard[i].Timestamp), "packet %d: %d then %d", i,
			heard[i-1].Timestamp, heard[i].Timestamp)
	}
}

func TestTonePassesTranscoded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ web, pbx Codec }{{Opus, PCMU}, {Opus, PCMA}, {PCMU, PCMA}, {PCMA, Opus}} {
		t.Run(fmt.Sprintf("%s to %s", tc.web, tc.pbx), func(t *testing.T) {
			t.Parallel()
			w, p := newWhatsApp(t, peerOptions{codecs: []Codec{tc.web}}), newPBX(t)
			c := newCall(t, testPorts(t), p, tc.web, tc.pbx)
			negotiate(t, c, w, true)
			c.run(t, RelayConfig{})
			wait(t, "ready", c.web.Ready())
			wait(t, "peer connected", w.up)
			c.relay.Start()
			web, exchange := newToneSource(t, tc.web, 440), newToneSource(t, tc.pbx, 1000)
			for i := range 50 {
				require.NoError(t, w.track.WriteRTP(web.packet(t, i)))
				p.send(t, *exchange.packet(t, i))
				time.Sleep(4 * time.Millisecond)
			}
			require.Eventually(t, func() bool { return len(p.packets()) >= 49 }, 5*time.Second, 5*time.Millisecond)
			require.Eventually(t, func() bool {
				return len(spoken(w.packets(), tc.web)) >= 49
			}, 5*time.Second, 5*time.Millisecond)
			requireContinuous(t, w.packets())
			requireContinuous(t, p.packets())
			require.Greater(t, toneShare(t, tc.pbx, p.packets(), 440), 0.8)
			require.Greater(t, toneShare(t, tc.web, spoken(w.packets(), tc.web), 1000), 0.8)
			require.NoError(t, c.end(t))
		})
	}
}
