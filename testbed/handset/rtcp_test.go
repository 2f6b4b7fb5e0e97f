package handset_test

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/stream"
)

func TestReports(t *testing.T) {
	h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{"pcmu"}, ReportEvery: 30 * time.Millisecond})
	require.NoError(t, err)
	run(t, h)
	b := newBusiness(t, "pcmu")
	answer, err := h.Answer(b.offer())
	require.NoError(t, err)
	require.NoError(t, b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	ctx := within(t, 10*time.Second)
	b.speak(ctx, stream.Sender{Codec: stream.Codec{Name: "pcmu"}})
	require.NoError(t, h.WaitPackets(ctx, 10))
	require.NoError(t, b.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}}))
	require.Eventually(t, func() bool { return h.Heard().Reports == 1 }, 2*time.Second, time.Millisecond)
	packets, _, err := b.pc.GetTransceivers()[0].Receiver().ReadRTCP()
	require.NoError(t, err)
	report, ok := packets[0].(*rtcp.SenderReport)
	require.True(t, ok)
	require.Positive(t, report.PacketCount)
	require.Equal(t, report.PacketCount*160, report.OctetCount)
	const ntpEpoch = 2_208_988_800
	require.InDelta(t, time.Now().Unix()+ntpEpoch, float64(report.NTPTime>>32), 2)
}
