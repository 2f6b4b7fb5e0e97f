package sipbridge_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
)

// ask sends one request from addr and returns the final response, empty for
// silence.
func ask(t *testing.T, from, to, method, extra string) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)})
	require.NoError(t, err)
	defer c.Close()
	dst, err := net.ResolveUDPAddr("udp4", to)
	require.NoError(t, err)
	msg := fmt.Sprintf("%s sip:%s@callctl SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@y>%s\r\nCall-ID: %d\r\nCSeq: 1 %s\r\nContact: <sip:a@%s>\r\nContent-Length: 0\r\n\r\n",
		method, user, c.LocalAddr(), time.Now().UnixNano(), extra, time.Now().UnixNano(), method, c.LocalAddr())
	_, err = c.WriteToUDP([]byte(msg), dst)
	require.NoError(t, err)
	buf := make([]byte, 4096)
	for {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := c.Read(buf)
		if err != nil {
			return ""
		}
		if !strings.HasPrefix(string(buf[:n]), "SIP/2.0 1") {
			return string(buf[:n])
		}
	}
}

func TestRequestsOutsideOfCalls(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk())
	to := r.target("udp")
	for _, c := range []struct{ method, extra, status string }{
		{"OPTIONS", "", "200"},
		{"INVITE", "", "488"},
		{"INVITE", ";tag=none", "481"},
		{"BYE", ";tag=none", "481"},
		{"INFO", ";tag=none", "481"},
		{"REFER", "", "405"},
		{"REGISTER", "", "405"},
		{"UPDATE", ";tag=none", "405"},
		{"FOO", "", "501"},
	} {
		res := ask(t, "127.0.0.1", to, c.method, c.extra)
		require.True(t, strings.HasPrefix(res, "SIP/2.0 "+c.status), "%s: %s", c.method, res)
		if c.status == "405" || c.status == "501" || c.method == "OPTIONS" {
			require.Contains(t, res, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO")
		}
		require.NotContains(t, res, "Server:")
	}
	for _, method := range []string{"OPTIONS", "INVITE", "REGISTER"} {
		require.Empty(t, ask(t, "127.0.0.2", to, method, ""), "a source that is not the trunk gets silence")
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := d.DialContext(t.Context(), "tcp", r.target("tcp"))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(2*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "a foreign connection is closed")
	var timeout net.Error
	if ok := errors.As(err, &timeout); ok {
		require.False(t, timeout.Timeout(), "a foreign connection is closed")
	}
}

func TestInviteLargerThanAnEthernetFrame(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk())
	leg := peer.expect("big", func(l *rawLeg) { l.autoRing = true })
	_, results := r.call(sipbridge.Originate{CallID: "big", Purpose: strings.Repeat("long purpose ", 80), CallbackID: strings.Repeat("c", 500)})
	require.True(t, leg.asked(patience))
	require.Greater(t, len(leg.invite), 1300)
	require.Less(t, len(header(leg.invite, "X-Callctl-Purpose")), 600, "headers stay below what PBXs pass on")
	require.True(t, r.bridge.HangUp("big", "api"))
	r.wait(results)
}

func TestHeadersCannotBeInjected(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk())
	leg := peer.expect("inject", func(l *rawLeg) { l.autoRing = true })
	_, results := r.call(sipbridge.Originate{CallID: "inject", Purpose: "x\r\nX-Evil: 1\r\n\r\nbody"})
	require.True(t, leg.asked(patience))
	require.Empty(t, header(leg.invite, "X-Evil"))
	require.Equal(t, "xX-Evil: 1body", header(leg.invite, "X-Callctl-Purpose"))
	require.True(t, r.bridge.HangUp("inject", "api"))
	r.wait(results)
}

// TestForkedAndRepeatedAnswers: the first 200 is the call, its repetition is
// acknowledged again, and one with another tag is acknowledged and ended.
func TestForkedAndRepeatedAnswers(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk())
	leg := peer.expect("fork", nil)
	_, results := r.call(sipbridge.Originate{CallID: "fork"})
	require.True(t, leg.asked(patience))
	leg.ring()
	leg.pickUp()
	acks := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool {
			leg.mu.Lock()
			defer leg.mu.Unlock()
			return leg.acks == n
		}, patience, time.Millisecond)
	}
	acks(1)
	leg.mu.Lock()
	leg.reply(leg.invite, "200 OK", rawSDP)
	leg.mu.Unlock()
	acks(2)
	leg.mu.Lock()
	to := header(leg.invite, "To")
	leg.reply(strings.Replace(leg.invite, to, to+";tag=other", 1), "200 OK", rawSDP)
	leg.mu.Unlock()
	acks(3)
	require.Eventually(t, func() bool {
		leg.mu.Lock()
		defer leg.mu.Unlock()
		return len(leg.byesIn) == 1
	}, patience, time.Millisecond, "the fork must be ended")
	require.Len(t, r.bridge.Live(), 1, "the call itself goes on")
	leg.bye()
	require.Equal(t, sipbridge.CauseAgentHangup, r.wait(results).Cause)
}
