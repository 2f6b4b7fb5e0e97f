package sipbridge_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rawCaller is one dialog that the peer began: a call to a WhatsApp user.
type rawCaller struct {
	peer   *rawPeer
	bridge *net.UDPAddr
	callID string
	to     string // Request-URI
	noACK  bool   // never acknowledge a 200

	mu        sync.Mutex
	answered  chan struct{} // closed when a final response comes
	final     int
	response  string // the final one
	okTo      string // To of the 200, with the bridge's tag
	oks       []time.Time
	byesIn    map[string]time.Time // first of each CSeq
	byeSent   bool
	byeDone   bool
	cancelled bool
}

// dials sends an INVITE for the user to the bridge.
func (p *rawPeer) dials(bridge, callID, user string, edit func(*rawCaller)) *rawCaller {
	p.t.Helper()
	addr, err := net.ResolveUDPAddr("udp4", strings.TrimPrefix(bridge, "udp://"))
	require.NoError(p.t, err)
	c := &rawCaller{
		peer: p, bridge: addr, callID: callID, to: "sip:" + user + "@callctl",
		answered: make(chan struct{}), byesIn: map[string]time.Time{},
	}
	if edit != nil {
		edit(c)
	}
	p.mu.Lock()
	p.legs[callID] = c
	p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send("INVITE", c.to, "<"+c.to+">", "invite", 1, rawSDP)
	return c
}

// send writes a request; the caller holds the lock.
func (c *rawCaller) send(method, uri, to, branch string, cseq int, body string) {
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	msg := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\nFrom: <sip:1001@%s>;tag=raw\r\n"+
		"To: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:1001@%s>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, uri, c.peer.conn.LocalAddr(), c.callID, branch, c.peer.conn.LocalAddr(),
		to, c.callID, cseq, method, c.peer.conn.LocalAddr(), kind, len(body), body)
	_, _ = c.peer.conn.WriteToUDP([]byte(msg), c.bridge)
}

func (c *rawCaller) on(msg string, from *net.UDPAddr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	method, rest, _ := strings.Cut(msg, " ")
	switch method {
	case "SIP/2.0":
		var status int
		_, _ = fmt.Sscan(rest, &status)
		c.onResponse(msg, status)
	case "BYE":
		cseq := header(msg, "CSeq")
		if _, again := c.byesIn[cseq]; !again {
			c.byesIn[cseq] = time.Now()
		}
		ok := fmt.Sprintf("SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
			header(msg, "Via"), header(msg, "From"), header(msg, "To"), c.callID, cseq)
		_, _ = c.peer.conn.WriteToUDP([]byte(ok), from)
	default:
		c.peer.mu.Lock()
		c.peer.odd = append(c.peer.odd, msg)
		c.peer.mu.Unlock()
	}
}

func (c *rawCaller) onResponse(msg string, status int) {
	switch {
	case strings.Contains(header(msg, "CSeq"), "BYE"):
		c.byeDone = true
	case !strings.Contains(header(msg, "CSeq"), "INVITE") || status < 200:
	case status == 200:
		c.oks = append(c.oks, time.Now())
		c.okTo = header(msg, "To")
		c.finished(status, msg)
		if !c.noACK {
			c.send("ACK", strings.Trim(header(msg, "Contact"), "<>"), c.okTo, "ack", 1, "")
		}
	default:
		c.finished(status, msg)
		c.send("ACK", c.to, header(msg, "To"), "invite", 1, "") // of the INVITE's transaction
	}
}

func (c *rawCaller) finished(status int, msg string) {
	if c.final == 0 {
		c.final, c.response = status, msg
		close(c.answered)
	}
}

// cancel gives up while there is no final response.
func (c *rawCaller) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final == 0 && !c.cancelled {
		c.cancelled = true
		c.send("CANCEL", c.to, "<"+c.to+">", "invite", 1, "")
	}
}

// bye ends an answered call.
func (c *rawCaller) bye() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final == 200 && !c.byeSent {
		c.byeSent = true
		c.send("BYE", "sip:callctl@"+c.bridge.String(), c.okTo, "bye", 2, "")
	}
}

// clean says what is wrong with how the dialog ended; empty when nothing is.
func (c *rawCaller) clean() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.final == 0:
		return "the INVITE was left without final response"
	case c.final != 200 && len(c.byesIn) > 0:
		return "BYE for a call that was never answered"
	case c.final == 200 && len(c.byesIn) == 0 && !c.byeSent:
		return "the answered leg was never ended"
	case len(c.byesIn) > 1:
		return fmt.Sprintf("ended %d times", len(c.byesIn))
	case c.byeSent && !c.byeDone:
		return "our BYE was not answered"
	}
	return ""
}

// spaced requires that times follow each other in steps that double from T1.
func spaced(t *testing.T, times []time.Time) {
	t.Helper()
	want := 500 * time.Millisecond
	for i := 1; i < len(times); i++ {
		require.InDelta(t, want.Seconds(), times[i].Sub(times[i-1]).Seconds(), 0.3)
		want = min(2*want, 4*time.Second)
	}
}
