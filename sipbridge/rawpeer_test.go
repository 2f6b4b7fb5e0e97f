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

// rawPeer is a PBX written on bare UDP, so that a test decides every message: it
// answers CANCEL, BYE and ACK as RFC 3261 has it and everything else when told.
type rawPeer struct {
	t    *testing.T
	conn *net.UDPConn
	mu   sync.Mutex
	legs map[string]rawParty // by Call-ID
	done chan struct{}
	odd  []string // messages that no correct peer sends
}

// rawParty is one dialog at the peer.
type rawParty interface {
	on(msg string, from *net.UDPAddr)
}

// rawLeg is one dialog at the peer that the bridge began.
type rawLeg struct {
	peer     *rawPeer
	callID   string
	invite   string
	from     *net.UDPAddr
	invited  chan struct{}
	autoRing bool
	glare    bool                                                // answer 200 when CANCEL comes
	silent   bool                                                // do not answer BYE
	script   func(l *rawLeg, msg string, from *net.UDPAddr) bool // true: the message is dealt with

	mu       sync.Mutex
	final    int // status sent to INVITE
	acks     int
	cancels  int
	byesIn   map[string]bool // by CSeq
	heard    []string        // every message, repetitions too
	byesOut  int
	byeDone  bool // our BYE was answered
	answered bool
}

func newRawPeer(t *testing.T) *rawPeer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	p := &rawPeer{t: t, conn: conn, legs: map[string]rawParty{}, done: make(chan struct{})}
	go p.read()
	t.Cleanup(func() {
		_ = conn.Close()
		<-p.done
	})
	return p
}

func (p *rawPeer) trunk() string { return "sip:" + p.conn.LocalAddr().String() + ";transport=udp" }

// expect prepares for a call; the key is the part of the Call-ID before @, or the
// provider's id.
func (p *rawPeer) expect(key string, edit func(*rawLeg)) *rawLeg {
	l := &rawLeg{peer: p, invited: make(chan struct{}), byesIn: map[string]bool{}}
	if edit != nil {
		edit(l)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.legs[key] = l
	return l
}

func header(msg, name string) string {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (p *rawPeer) read() {
	defer close(p.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		msg := string(buf[:n])
		key, _, _ := strings.Cut(header(msg, "Call-ID"), "@")
		p.mu.Lock()
		l := p.legs[key]
		if wacid := header(msg, "X-Callctl-Wacid"); l == nil && wacid != "" {
			l = p.legs[wacid]
			p.legs[key] = l
		}
		if l == nil {
			p.odd = append(p.odd, msg)
		}
		p.mu.Unlock()
		if l != nil {
			l.on(msg, from)
		}
	}
}

func (l *rawLeg) on(msg string, from *net.UDPAddr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	method, _, _ := strings.Cut(msg, " ")
	l.heard = append(l.heard, msg)
	if l.script != nil && l.script(l, msg, from) {
		return
	}
	switch method {
	case "INVITE":
		if l.invite != "" {
			return // a retransmission
		}
		l.invite, l.from, l.callID = msg, from, header(msg, "Call-ID")
		close(l.invited)
		if l.autoRing {
			l.reply(l.invite, "180 Ringing", "")
		}
	case "ACK":
		l.acks++
	case "CANCEL":
		l.cancels++
		l.reply(msg, "200 OK", "")
		switch {
		case l.final != 0:
		case l.glare:
			l.answer()
		default:
			l.final = 487
			l.reply(l.invite, "487 Request Terminated", "")
		}
	case "BYE":
		l.byesIn[header(msg, "CSeq")] = true
		if !l.silent {
			l.reply(msg, "200 OK", "")
		}
	case "SIP/2.0":
		if strings.Contains(header(msg, "CSeq"), "BYE") {
			l.byeDone = true
		}
	default:
		l.peer.mu.Lock()
		l.peer.odd = append(l.peer.odd, msg)
		l.peer.mu.Unlock()
	}
}

const rawSDP = "v=0\r\no=raw 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

func (l *rawLeg) reply(req, status, body string, extra ...string) {
	to := header(req, "To")
	if !strings.Contains(to, "tag=") {
		to += ";tag=raw"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:1001@%s>\r\n",
		status, header(req, "Via"), header(req, "From"), to, header(req, "Call-ID"), header(req, "CSeq"), l.peer.conn.LocalAddr())
	for _, h := range extra {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	_, _ = l.peer.conn.WriteToUDP([]byte(b.String()), l.from)
}

// answer sends 200; the caller holds the lock.
func (l *rawLeg) answer() {
	l.final, l.answered = 200, true
	l.reply(l.invite, "200 OK", rawSDP)
}

// asked waits a moment for the INVITE.
func (l *rawLeg) asked(d time.Duration) bool {
	select {
	case <-l.invited:
		return true
	case <-time.After(d):
		return false
	}
}

// ring, pickUp, busy and bye are what the PBX does when told; they do nothing when
// it makes no sense any more.
func (l *rawLeg) ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invite != "" && l.final == 0 {
		l.reply(l.invite, "180 Ringing", "")
	}
}

func (l *rawLeg) pickUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invite != "" && l.final == 0 {
		l.answer()
	}
}

func (l *rawLeg) refuse(status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invite != "" && l.final == 0 {
		_, _ = fmt.Sscan(status, &l.final)
		l.reply(l.invite, status, "")
	}
}

func (l *rawLeg) bye() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.answered || l.byesOut > 0 {
		return
	}
	l.byesOut++
	contact := strings.Trim(header(l.invite, "Contact"), "<>")
	fmt.Fprintf(connWriter{l}, "BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbye%s\r\nMax-Forwards: 70\r\nFrom: %s;tag=raw\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
		contact, l.peer.conn.LocalAddr(), l.callID, header(l.invite, "To"), header(l.invite, "From"), l.callID)
}

type connWriter struct{ l *rawLeg }

func (w connWriter) Write(b []byte) (int, error) { return w.l.peer.conn.WriteToUDP(b, w.l.from) }

// clean says what is wrong with how the dialog ended; empty when nothing is.
func (l *rawLeg) clean() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.invite == "":
		return ""
	case l.final == 0:
		return "the INVITE was left without final response"
	case l.acks == 0:
		return fmt.Sprintf("the %d was not acknowledged", l.final)
	case !l.answered && len(l.byesIn) > 0:
		return "BYE for a call that was never answered"
	case l.answered && l.byesOut == 0 && len(l.byesIn) == 0:
		return "the answered leg was never ended"
	case len(l.byesIn) > 1:
		return fmt.Sprintf("ended %d times", len(l.byesIn))
	case l.byesOut > 0 && !l.byeDone:
		return "our BYE was not answered"
	}
	return ""
}

// all are the messages heard of a method, repetitions too.
func (l *rawLeg) all(method string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, m := range l.heard {
		if strings.HasPrefix(m, method+" ") {
			out = append(out, m)
		}
	}
	return out
}
