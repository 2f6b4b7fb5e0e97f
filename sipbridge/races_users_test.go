package sipbridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/media"
	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

var errNotAccepted = errors.New("the provider did not take the accept")

// ledgerOfEnds keeps the records of ended calls by the provider's id.
type ledgerOfEnds struct {
	mu   sync.Mutex
	ends map[string][]sipbridge.CDR
}

func (l *ledgerOfEnds) watch(cfg *sipbridge.Config) {
	l.ends = map[string][]sipbridge.CDR{}
	cfg.OnEnded = func(cdr sipbridge.CDR) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ends[cdr.Wacid] = append(l.ends[cdr.Wacid], cdr)
	}
}

func (l *ledgerOfEnds) of(wacid string) []sipbridge.CDR {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[wacid]
}

// within waits for cond and says what never came true.
func within(d time.Duration, cond func() string) string {
	deadline := time.Now().Add(d)
	for {
		what := cond()
		if what == "" || time.Now().After(deadline) {
			return what
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// userWorld is one call that a user places.
type userWorld struct {
	r          *rig
	leg        *rawLeg
	wacid      string
	user       string
	offer      string
	terminated bool
}

func (w *userWorld) say(kind sipbridge.EventKind) {
	w.r.deliver(w.wacid, kind, func(e *sipbridge.Event) {
		e.Direction, e.User = sipbridge.UserInitiated, w.user
		if kind == sipbridge.CarrierConnect {
			e.SDPType, e.SDP = "offer", w.offer
		}
	})
}

func (w *userWorld) do(step string) {
	switch step {
	case "connect":
		w.say(sipbridge.CarrierConnect)
	case "terminate":
		w.terminated = true
		w.say(sipbridge.CarrierTerminated)
	case "200":
		if w.leg.asked(5 * time.Millisecond) {
			w.leg.pickUp()
		}
	case "486":
		if w.leg.asked(5 * time.Millisecond) {
			w.leg.refuse("486 Busy Here")
		}
	case "BYE":
		w.leg.bye()
	case "CANCEL": // ours: somebody hangs up
		w.r.bridge.HangUpUser("api", w.user)
	}
}

// TestEveryOrderOfAUsersCallEndsClean is TestEveryOrderEndsClean for calls that
// users place, with an accept that works, fails, or is slow.
func TestEveryOrderOfAUsersCallEndsClean(t *testing.T) {
	peer := newRawPeer(t)
	var records ledgerOfEnds
	r := newRig(t, peer.trunk(), records.watch)
	h := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}})
	offer, err := h.Offer()
	require.NoError(t, err)
	r.carrier.onAccept(func(_ context.Context, wacid, _ string) error {
		switch wacid[len(wacid)-1] {
		case 'f':
			return errNotAccepted
		case 's':
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	})
	n, problems := everyOrder([]string{"connect", "200", "486", "terminate", "BYE", "CANCEL"}, func(n int, sequence []string) string {
		w := &userWorld{
			r: r, offer: offer, user: fmt.Sprintf("+65%08d", 90_000_000+n),
			wacid: fmt.Sprintf("wacid.in-%d-%s", n, []string{"w", "f", "s"}[n%3]),
		}
		w.leg = peer.expect(w.wacid, func(l *rawLeg) { l.autoRing, l.glare = n&1 != 0, n&2 != 0 })
		for _, s := range sequence {
			w.do(s)
			unhurried(n)
		}
		w.r.bridge.HangUpUser("api", w.user)
		return within(patience, func() string {
			w.leg.ring() // CANCEL waits for a provisional response
			return w.verdict(records.of(w.wacid))
		})
	})
	require.Empty(t, problems)
	require.Equal(t, 720, n)
	require.Empty(t, peer.odd)
	for i := range n { // the provider says it again
		w := &userWorld{
			r: r, offer: offer, user: fmt.Sprintf("+65%08d", 90_000_001+i),
			wacid: fmt.Sprintf("wacid.in-%d-%s", i+1, []string{"w", "f", "s"}[(i+1)%3]),
		}
		w.do("connect")
		w.do("terminate")
	}
	require.Empty(t, r.bridge.Live())
	for wacid, list := range records.ends {
		require.Len(t, list, 1, wacid)
	}
}

func (w *userWorld) verdict(ends []sipbridge.CDR) string {
	if len(ends) != 1 {
		return fmt.Sprintf("%d records", len(ends))
	}
	if what := w.leg.clean(); what != "" {
		return what
	}
	count := func(what string) int { return w.r.carrier.count(what + " " + w.wacid + " ") }
	accepts, ended := count("accept"), count("reject")+count("terminate")
	switch {
	case accepts > 1:
		return fmt.Sprintf("%d accepts", accepts)
	case ended > 1:
		return fmt.Sprintf("ended %d times at the provider", ended)
	case ended == 0 && !w.terminated:
		return "not ended at the provider"
	case accepts == 1 && count("reject") > 0:
		return "rejected after accept"
	case accepts == 1 && !w.leg.answered:
		return "accepted without an agent"
	case strings.HasSuffix(w.wacid, "f") && ends[0].Outcome == "connected":
		return "connected although the accept failed"
	}
	return ""
}

// pbxWorld is one call that the PBX places.
type pbxWorld struct {
	r          *rig
	caller     *rawCaller
	user       string
	answer     string
	wacid, id  string // known once dialled
	dialled    chan struct{}
	terminated bool
}

func (w *pbxWorld) say(kind sipbridge.EventKind) {
	select {
	case <-w.dialled:
	case <-time.After(5 * time.Millisecond):
		return
	}
	w.terminated = w.terminated || kind == sipbridge.CarrierTerminated
	w.r.deliver(w.wacid, kind, func(e *sipbridge.Event) {
		e.User, e.Opaque = w.user, w.id
		if kind == sipbridge.CarrierConnect {
			e.SDPType, e.SDP = "answer", w.answer
		}
	})
}

func (w *pbxWorld) do(step string) {
	switch step {
	case "connect":
		w.say(sipbridge.CarrierConnect)
	case "ACCEPTED":
		w.say(sipbridge.CarrierAccepted)
	case "terminate":
		w.say(sipbridge.CarrierTerminated)
	case "CANCEL":
		w.caller.cancel()
	case "BYE":
		w.caller.bye()
	case "hang up": // ours
		w.r.bridge.HangUpUser("api", w.user)
	}
}

// TestEveryOrderOfAPBXsCallEndsClean is the same for calls that the PBX places.
func TestEveryOrderOfAPBXsCallEndsClean(t *testing.T) {
	peer := newRawPeer(t)
	var records ledgerOfEnds
	worlds := map[string]*pbxWorld{} // by user
	var mu sync.Mutex
	r := newRig(t, peer.trunk(), records.watch, func(cfg *sipbridge.Config) {
		cfg.Accounts[0].Codecs = []media.Codec{media.PCMU}
		cfg.Accounts[0].Carrier = dialsOut{cfg.Accounts[0].Carrier, func(to, wacid, opaque string) {
			mu.Lock()
			w := worlds[to]
			mu.Unlock()
			w.wacid, w.id = wacid, opaque
			close(w.dialled)
		}}
	})
	answer := answerOnce(t, r)
	n, problems := everyOrder([]string{"connect", "ACCEPTED", "terminate", "CANCEL", "BYE", "hang up"}, func(n int, sequence []string) string {
		w := &pbxWorld{r: r, answer: answer, user: fmt.Sprintf("+65%08d", 90_000_000+n), dialled: make(chan struct{})}
		mu.Lock()
		worlds[w.user] = w
		mu.Unlock()
		w.caller = peer.dials(r.bridge.ListenAddrs()[0], fmt.Sprintf("from-pbx-%d", n), w.user, nil)
		if n&1 != 0 { // let the call get on a little
			select {
			case <-w.dialled:
			case <-time.After(100 * time.Millisecond):
			}
		}
		for _, s := range sequence {
			w.do(s)
			unhurried(n)
		}
		w.r.bridge.HangUpUser("api", w.user)
		return within(patience, func() string {
			w.caller.bye()
			w.r.bridge.HangUpUser("api", w.user)
			return w.verdict(&records)
		})
	})
	require.Empty(t, problems)
	require.Equal(t, 720, n)
	require.Empty(t, peer.odd)
	require.Empty(t, r.bridge.Live())
}

// dialsOut tells of every connect.
type dialsOut struct {
	sipbridge.Carrier

	dialled func(to, wacid, opaque string)
}

func (d dialsOut) Connect(ctx context.Context, to, offer, opaque string) (string, error) {
	wacid, err := d.Carrier.Connect(ctx, to, offer, opaque)
	if err == nil {
		d.dialled(to, wacid, opaque)
	}
	return wacid, err
}

// answerOnce is a handset's answer to an offer such as the bridge's, good for every
// call whose media need not come up.
func answerOnce(t *testing.T, r *rig) string {
	t.Helper()
	s, err := media.NewWebRTCStream(media.StreamConfig{Ports: r.ports, Codecs: []media.Codec{media.PCMU}})
	require.NoError(t, err)
	defer s.Close()
	offer, err := s.Offer()
	require.NoError(t, err)
	answer, err := r.phone(handset.Behaviour{Codecs: []string{"pcmu"}}).Answer(offer)
	require.NoError(t, err)
	return answer
}

func (w *pbxWorld) verdict(records *ledgerOfEnds) string {
	if what := w.caller.clean(); what != "" {
		return what
	}
	if got := w.r.gate.outcomesOf(w.user); len(got) != 1 {
		return fmt.Sprintf("settled %d times", len(got))
	}
	select {
	case <-w.dialled:
	default:
		return ""
	}
	if n := len(records.of(w.wacid)); n != 1 {
		return fmt.Sprintf("%d records", n)
	}
	switch got := w.r.carrier.count("terminate " + w.wacid + " "); {
	case got > 1:
		return fmt.Sprintf("%d terminates", got)
	case got == 0 && !w.terminated:
		return "not ended at the provider"
	}
	return ""
}
