package sipbridge_test

import (
	"context"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

// The tests of this file shorten 64*T1 (32 s), after which a silent peer is given
// up, to shortGiveUp; T1 and T2 are those of RFC 3261.
const shortGiveUp = 2 * time.Second

func TestAnswerThatIsNeverAcknowledged(t *testing.T) {
	t.Parallel() // it waits most of the time
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk(), sipbridge.GiveUpAfter(shortGiveUp))
	r.answering(r.phone(handset.Behaviour{Codecs: []string{"pcmu"}}))
	c := peer.dials(r.bridge.ListenAddrs()[0], "no-ack", user, func(c *rawCaller) { c.noACK = true })
	cdr := r.records(1)[0]
	require.Equal(t, sipbridge.CauseTrunkUnreachable, cdr.Cause)
	require.Equal(t, "connected", cdr.Outcome, "the user had answered")
	require.Equal(t, "FAILED", cdr.Disposition)
	require.Equal(t, 1, r.carrier.count("terminate"))
	require.Eventually(t, func() bool { return c.clean() == "" }, patience, 5*time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(t, c.oks, 3, "200 at 0, 0.5 and 1.5 s")
	spaced(t, c.oks)
	require.Len(t, c.byesIn, 1)
	for _, at := range c.byesIn {
		require.InDelta(t, shortGiveUp.Seconds(), at.Sub(c.oks[0]).Seconds(), 0.4, "RFC 3261 section 13.3.1.4")
	}
}

// agentAnswers is a call whose agent has answered and whose user rings.
func agentAnswers(t *testing.T, edit func(*rawLeg), opts ...rigOption) (*rig, *rawLeg, <-chan sipbridge.Result) {
	t.Helper()
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk(), opts...)
	leg := peer.expect("call-1", edit)
	_, results := r.call(sipbridge.Originate{CallID: "call-1"})
	require.True(t, leg.asked(patience))
	leg.ring()
	leg.pickUp()
	require.Eventually(t, func() bool { return r.carrier.count("connect") == 1 }, patience, time.Millisecond)
	return r, leg, results
}

func TestPeerNeverAnswersBye(t *testing.T) {
	t.Parallel() // it waits most of the time
	r, leg, results := agentAnswers(t, func(l *rawLeg) { l.silent = true }, sipbridge.GiveUpAfter(shortGiveUp))
	began := time.Now()
	require.True(t, r.bridge.HangUp("call-1", "api"))
	require.Equal(t, "cancelled", r.wait(results).Outcome)
	require.Equal(t, 1, r.carrier.count("terminate"), "WhatsApp does not wait for the PBX")
	require.Eventually(t, func() bool { return len(leg.all("BYE")) == 3 }, patience, time.Millisecond, "BYE at 0, 0.5 and 1.5 s")
	r.stop()
	require.GreaterOrEqual(t, time.Since(began), 1500*time.Millisecond)
	require.Len(t, leg.byesIn, 1)
}

var nonceOf = regexp.MustCompile(`nonce="([^"]*)"`)

func TestByeIsChallenged(t *testing.T) {
	for _, c := range []struct {
		name       string
		challenges []string // of one BYE after the other; then 200
		status     string
		asks       string
		answers    string
		byes       int
	}{
		{"once, by the server", []string{`nonce="n1"`}, "401 Unauthorized", "WWW-Authenticate", "Authorization", 2},
		{"once, by a proxy", []string{`nonce="n1"`}, "407 Proxy Authentication Required", "Proxy-Authenticate", "Proxy-Authorization", 2},
		{"with a nonce that has aged", []string{`nonce="n1"`, `nonce="n2",stale=true`}, "401 Unauthorized", "WWW-Authenticate", "Authorization", 3},
		{"credentials are refused", []string{`nonce="n1"`, `nonce="n2"`, `nonce="n3"`}, "401 Unauthorized", "WWW-Authenticate", "Authorization", 2},
		{"endlessly", []string{
			`nonce="n1"`, `nonce="n2",stale=true`, `nonce="n3",stale=true`, `nonce="n4",stale=true`, `nonce="n5",stale=true`,
		}, "401 Unauthorized", "WWW-Authenticate", "Authorization", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[string]bool{}
			r, leg, results := agentAnswers(t, func(l *rawLeg) {
				l.script = func(l *rawLeg, msg string, _ *net.UDPAddr) bool {
					cseq := header(msg, "CSeq")
					if !strings.HasPrefix(msg, "BYE ") || seen[cseq] || len(seen) >= len(c.challenges) {
						return false
					}
					ask := c.challenges[len(seen)]
					seen[cseq] = true
					l.reply(msg, c.status, "", c.asks+`: Digest realm="pbx",qop="auth",`+ask)
					return true
				}
			}, withCredentials)
			require.True(t, r.bridge.HangUp("call-1", "api"))
			r.wait(results)
			r.stop()
			byes := leg.all("BYE")
			require.Len(t, byes, c.byes)
			require.Empty(t, header(byes[0], c.answers))
			for i, bye := range byes[1:] {
				require.Contains(t, header(bye, c.answers), `username="callctl"`)
				require.Equal(t, nonceOf.FindString(c.challenges[i]), nonceOf.FindString(header(bye, c.answers)))
				require.NotEqual(t, header(byes[i], "CSeq"), header(bye, "CSeq"))
				require.NotEqual(t, header(byes[i], "Via"), header(bye, "Via"))
				require.Contains(t, header(bye, "Reason"), "Q.850;cause=31")
			}
		})
	}
}

func withCredentials(cfg *sipbridge.Config) {
	cfg.Trunk.Username, cfg.Trunk.Password = "callctl", "secret"
}

// TestPeerChallengesInviteEndlessly: a peer that calls every nonce stale does not
// get INVITEs for ever.
func TestPeerChallengesInviteEndlessly(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk(), withCredentials)
	leg := peer.expect("call-1", func(l *rawLeg) {
		l.script = func(l *rawLeg, msg string, from *net.UDPAddr) bool {
			if !strings.HasPrefix(msg, "INVITE ") {
				return false
			}
			l.from = from
			l.reply(msg, "401 Unauthorized", "", `WWW-Authenticate: Digest realm="pbx",qop="auth",stale=true,nonce="x"`)
			return true
		}
	})
	_, results := r.call(sipbridge.Originate{CallID: "call-1"})
	res := r.wait(results)
	require.Equal(t, sipbridge.CauseTrunkAuth, res.Cause)
	require.Equal(t, "failed", res.Outcome)
	require.Len(t, leg.all("INVITE"), 4)
	require.Zero(t, r.carrier.count("connect"))
}

// TestRedirectionIsNotFollowed: a PBX cannot make us dial another host.
func TestRedirectionIsNotFollowed(t *testing.T) {
	peer, other := newRawPeer(t), newRawPeer(t)
	r := newRig(t, peer.trunk())
	leg := peer.expect("call-1", nil)
	_, results := r.call(sipbridge.Originate{CallID: "call-1"})
	require.True(t, leg.asked(patience))
	leg.mu.Lock()
	leg.final = 302
	leg.reply(leg.invite, "302 Moved Temporarily", "", "Contact: <sip:9001234@"+other.conn.LocalAddr().String()+">")
	leg.mu.Unlock()
	require.Equal(t, sipbridge.CauseAgentRejected, r.wait(results).Cause)
	require.Equal(t, 302, r.cdr("call-1").SIPStatus)
	r.stop()
	require.Empty(t, leg.clean())
	other.mu.Lock()
	defer other.mu.Unlock()
	require.Empty(t, other.odd)
}

// TestShutdownDoesNotWaitForAProviderThatHangs: neither an accept without answer
// nor the terminate after it holds the end up for long, and the record is written.
func TestShutdownDoesNotWaitForAProviderThatHangs(t *testing.T) {
	t.Parallel() // it waits most of the time
	r, leg, results := agentAnswers(t, nil)
	r.carrier.mu.Lock()
	r.carrier.terminate = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	r.carrier.mu.Unlock()
	began := time.Now()
	r.stop()
	require.Less(t, time.Since(began), patience)
	require.Equal(t, sipbridge.CauseShutdown, r.wait(results).Cause)
	require.Empty(t, leg.clean())
}

// TestOptOutDoesNotWaitForAProviderThatHangs: an accept without answer does not
// hold up the terminate.
func TestOptOutDoesNotWaitForAProviderThatHangs(t *testing.T) {
	peer := newRawPeer(t)
	r := newRig(t, peer.trunk())
	leg := peer.expect("wacid.in", func(l *rawLeg) { l.autoRing = true })
	r.carrier.onAccept(func(ctx context.Context, _, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	})
	r.ring(r.phone(handset.Behaviour{Codecs: []string{"pcmu"}}), "wacid.in", time.Now())
	require.True(t, leg.asked(patience))
	leg.pickUp()
	require.Eventually(t, func() bool { return r.carrier.count("accept") == 1 }, patience, time.Millisecond)
	require.Equal(t, 1, r.bridge.HangUpUser("do_not_call", user))
	require.Eventually(t, func() bool { return r.carrier.count("terminate") == 1 }, time.Second, time.Millisecond)
	require.Equal(t, "do_not_call", r.records(1)[0].Cause)
	require.Zero(t, r.carrier.count("reject"))
	r.stop()
	require.Empty(t, leg.clean())
}
