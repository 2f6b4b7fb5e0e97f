package pbx_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/pbx"
)

// agent is a bare SIP user agent on UDP that writes every message itself, so that
// it can also be impolite.
type agent struct {
	t    *testing.T
	conn *net.UDPConn
	pbx  *net.UDPAddr
	tag  string
	id   string
}

func newAgent(t *testing.T, p *pbx.PBX) *agent {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	address, err := net.ResolveUDPAddr("udp", p.Addr())
	require.NoError(t, err)
	return &agent{t: t, conn: conn, pbx: address, tag: sip.GenerateTagN(8), id: sip.GenerateTagN(12)}
}

func (a *agent) send(method, to, branch string, body string, headers ...string) {
	a.t.Helper()
	local := a.conn.LocalAddr().String()
	lines := append([]string{
		method + " sip:100@" + a.pbx.String() + " SIP/2.0",
		"Via: SIP/2.0/UDP " + local + ";branch=z9hG4bK" + branch,
		"From: <sip:caller@" + local + ">;tag=" + a.tag, "To: " + to, "Call-ID: " + a.id,
		"CSeq: " + map[string]string{"INVITE": "1", "ACK": "1", "CANCEL": "1", "BYE": "2"}[method] + " " + method,
		"Contact: <sip:caller@" + local + ">", "Max-Forwards: 70",
		"Content-Length: " + strconv.Itoa(len(body)),
	}, headers...)
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	_, err := a.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"+body), a.pbx)
	require.NoError(a.t, err)
}

// read is the next message whose start line contains want.
func (a *agent) read(want string, patience time.Duration) sip.Message {
	a.t.Helper()
	buffer := make([]byte, 4096)
	require.NoError(a.t, a.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		n, err := a.conn.Read(buffer)
		require.NoError(a.t, err, "waiting for %s", want)
		message, err := sip.NewParser().ParseSIP(buffer[:n])
		require.NoError(a.t, err)
		if start, _, _ := strings.Cut(string(buffer[:n]), "\r\n"); strings.Contains(start, want) {
			return message
		}
	}
}

const agentSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 9 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

func TestAnswerIsRepeatedUntilTheACK(t *testing.T) {
	p := run(t, pbx.Config{Extensions: map[string]pbx.Extension{"100": {Codecs: []string{"pcmu"}}}})
	a := newAgent(t, p)
	a.send("INVITE", "<sip:100@pbx>", "1", agentSDP, "X-Callctl-Call-ID: c-1", "P-Asserted-Identity: <sip:+6591234567@callctl>")
	a.read("180", time.Second)
	first := a.read("200", time.Second).(*sip.Response)
	require.Contains(t, string(first.Body()), "RTP/AVP 0 101\r\n", "one codec, the extension's")
	again := a.read("200", 2*time.Second).(*sip.Response)
	require.Equal(t, first.To().Value(), again.To().Value())
	require.Equal(t, "ringing", p.Calls()[0].State, "no ACK, no call")
	a.send("ACK", again.To().Value(), "2", "")
	ctx := within(t, 5*time.Second)
	call, err := p.WaitState(ctx, a.id, "answered")
	require.NoError(t, err)
	require.Equal(t, "c-1", call.Headers["X-Callctl-Call-ID"])
	require.Equal(t, "<sip:+6591234567@callctl>", call.Headers["P-Asserted-Identity"])

	a.send("INVITE", again.To().Value(), "3", agentSDP)
	a.read("488", time.Second)
	a.send("BYE", again.To().Value(), "4", "", `Reason: Q.850;cause=16;text="NORMAL_CLEARING"`)
	a.read("200", time.Second)
	call, err = p.WaitState(ctx, a.id, "ended")
	require.NoError(t, err)
	require.Equal(t, `Q.850;cause=16;text="NORMAL_CLEARING"`, call.Reason)
	a.send("BYE", again.To().Value(), "5", "")
	a.read("481", time.Second)
}

func TestCancelCarriesItsReason(t *testing.T) {
	p := run(t, pbx.Config{Extensions: map[string]pbx.Extension{"100": {Then: "ignore"}}})
	a := newAgent(t, p)
	a.send("INVITE", "<sip:100@pbx>", "1", agentSDP)
	a.read("180", time.Second)
	a.send("CANCEL", "<sip:100@pbx>", "1", "", `Reason: SIP;cause=200;text="Call completed elsewhere"`)
	a.read("200", time.Second)
	final := a.read("487", time.Second).(*sip.Response)
	a.send("ACK", final.To().Value(), "1", "")
	call, err := p.WaitState(within(t, 5*time.Second), a.id, "cancelled")
	require.NoError(t, err)
	require.Equal(t, `SIP;cause=200;text="Call completed elsewhere"`, call.Reason)
	a.send("CANCEL", "<sip:100@pbx>", "9", "")
	a.read("481", time.Second)
}

func TestEarlyMedia(t *testing.T) {
	p := run(t, pbx.Config{Extensions: map[string]pbx.Extension{
		"100": {EarlyMedia: true, RingFor: 200 * time.Millisecond, ToneHz: 425},
	}})
	rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = rtp.Close() })
	a := newAgent(t, p)
	port := strconv.Itoa(rtp.LocalAddr().(*net.UDPAddr).Port)
	a.send("INVITE", "<sip:100@pbx>", "1", strings.Replace(agentSDP, "audio 9", "audio "+port, 1))
	progress := a.read("183", time.Second).(*sip.Response)
	require.Contains(t, string(progress.Body()), "m=audio")
	require.NoError(t, rtp.SetReadDeadline(time.Now().Add(150*time.Millisecond)))
	_, err = rtp.Read(make([]byte, 1500))
	require.NoError(t, err, "audio comes before the answer")
	answer := a.read("200", time.Second).(*sip.Response)
	a.send("ACK", answer.To().Value(), "2", "")
	_, err = p.WaitState(within(t, 5*time.Second), a.id, "answered")
	require.NoError(t, err)
	require.NoError(t, p.HangUp(a.id))
	a.read("BYE", time.Second)
}

func TestCallerLearnsTheReason(t *testing.T) {
	ua, err := sipgo.NewUA()
	require.NoError(t, err)
	server, err := sipgo.NewServer(ua, sipgo.WithServerLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 100, "Trying", nil))
		refusal := sip.NewResponseFromRequest(req, 403, "Forbidden", nil)
		refusal.AppendHeader(sip.NewHeader("Reason", `callctl;cause=403;text="permission_expired"`))
		_ = tx.Respond(refusal)
	})
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeUDP(conn) })
	t.Cleanup(func() {
		_ = conn.Close()
		_ = ua.Close()
		serving.Wait()
	})
	p := run(t, pbx.Config{Transport: "udp", Proxy: conn.LocalAddr().String()})
	ctx := within(t, 5*time.Second)
	id, err := p.Call(ctx, "sip:+6591234567@callctl", pbx.Extension{})
	require.NoError(t, err)
	refused, err := p.WaitState(ctx, id, "refused")
	require.NoError(t, err)
	require.Equal(t, 403, refused.Status)
	require.Equal(t, `callctl;cause=403;text="permission_expired"`, refused.Reason)
	require.True(t, refused.Outbound)
}

func TestStoppingDoesNotWaitForASilentPeer(t *testing.T) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	p, err := pbx.New(pbx.Config{Host: "127.0.0.1", Transport: "udp", Proxy: silent.LocalAddr().String()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	_, err = p.Call(ctx, "sip:100@nowhere", pbx.Extension{})
	require.NoError(t, err)
	_, err = silent.Read(make([]byte, 4096))
	require.NoError(t, err)
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Run waits for a peer that never answers")
	}
}
