package sipbridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/sipbridge"
	"github.com/callctl/callctl/testbed/handset"
)

// permutations calls f with every order of the steps.
func permutations(steps []string, f func([]string)) {
	if len(steps) == 0 {
		f(nil)
		return
	}
	for i, s := range steps {
		rest := append(slices.Clone(steps[:i]), steps[i+1:]...)
		permutations(rest, func(tail []string) { f(append([]string{s}, tail...)) })
	}
}

// everyOrder plays one call for each order of the steps, several at a time, and
// returns how many there were and what play said went wrong. The number of a call
// also chooses its variant.
func everyOrder(steps []string, play func(n int, sequence []string) string) (n int, problems []string) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 24)
	permutations(steps, func(sequence []string) {
		n++
		number := n
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if what := play(number, sequence); what != "" {
				mu.Lock()
				problems = append(problems, fmt.Sprintf("%s (variant %d): %s", strings.Join(sequence, " "), number%8, what))
				mu.Unlock()
			}
		})
	})
	wg.Wait()
	return n, problems
}

// unhurried lets a step have its effect before the next, in every other call; in
// the others the steps race.
func unhurried(n int) {
	if n%8 >= 4 {
		time.Sleep(15 * time.Millisecond)
	}
}

// raceWorld is what the steps of one call act on.
type raceWorld struct {
	r          *rig
	leg        *rawLeg
	id         string
	wacid      string
	answer     string
	dialled    chan struct{}
	terminated bool // the provider said terminate
}

func (w *raceWorld) waitDialled() bool {
	select {
	case <-w.dialled:
		return true
	case <-time.After(5 * time.Millisecond):
		return false
	}
}

func (w *raceWorld) do(step string) {
	switch step {
	case "connect":
		if w.waitDialled() {
			w.r.deliver(w.wacid, sipbridge.CarrierConnect, func(e *sipbridge.Event) { e.SDPType, e.SDP, e.Opaque = "answer", w.answer, w.id })
		}
	case "ACCEPTED":
		if w.waitDialled() {
			w.r.deliver(w.wacid, sipbridge.CarrierAccepted)
		}
	case "terminate":
		if w.waitDialled() {
			w.terminated = true
			w.r.deliver(w.wacid, sipbridge.CarrierTerminated)
		}
	case "200":
		if w.leg.asked(5 * time.Millisecond) {
			w.leg.pickUp()
		}
	case "BYE":
		w.leg.bye()
	case "CANCEL": // ours: somebody hangs up
		w.r.bridge.HangUp(w.id, "api")
	}
}

// TestEveryOrderEndsClean runs outgoing calls in both orders of legs, each with
// every order of what both sides can do, with and without 180, with and without
// a 200 that crosses our CANCEL, and looks at both ends: every leg ended exactly
// once, one record, nothing live.
func TestEveryOrderEndsClean(t *testing.T) {
	steps := []string{"connect", "ACCEPTED", "terminate", "200", "BYE", "CANCEL"}
	for _, order := range []sipbridge.Order{sipbridge.AgentFirst, sipbridge.UserFirst} {
		t.Run(string(order), func(t *testing.T) {
			peer := newRawPeer(t)
			r := newRig(t, peer.trunk())
			worlds := map[string]*raceWorld{}
			var mu sync.Mutex
			r.carrier.onConnect(func(_ context.Context, wacid, offer, opaque string) error {
				mu.Lock()
				w := worlds[opaque]
				mu.Unlock()
				h, err := handset.New("127.0.0.1", handset.Behaviour{Codecs: []string{"pcmu"}})
				if err != nil {
					return err
				}
				defer h.Close()
				w.wacid = wacid
				w.answer, err = h.Answer(offer)
				close(w.dialled)
				return err
			})
			n, problems := everyOrder(steps, func(n int, sequence []string) string {
				key := fmt.Sprintf("race-%d", n)
				w := &raceWorld{r: r, id: key, dialled: make(chan struct{})}
				w.leg = peer.expect(key, func(l *rawLeg) { l.autoRing, l.glare = n&1 != 0, n&2 != 0 })
				mu.Lock()
				worlds[key] = w
				mu.Unlock()
				return w.run(order, n, sequence)
			})
			require.Empty(t, problems)
			require.Equal(t, 720, n)
			require.Empty(t, peer.odd)
			require.Empty(t, r.bridge.Live())
		})
	}
}

// run plays one call and says what went wrong.
func (w *raceWorld) run(order sipbridge.Order, n int, sequence []string) string {
	results := make(chan sipbridge.Result, 2)
	_, err := w.r.bridge.Originate(context.Background(), sipbridge.Originate{
		CallID: w.id, Business: business, User: user, Agent: "1001", Order: order,
	}, func(res sipbridge.Result) { results <- res })
	if err != nil {
		return err.Error()
	}
	for _, s := range sequence {
		w.do(s)
		unhurried(n)
	}
	w.r.bridge.HangUp(w.id, "api")
	w.leg.ring() // CANCEL waits for a provisional response
	select {
	case <-results:
	case <-time.After(patience):
		return "the call did not end"
	}
	return w.verdict()
}

func (w *raceWorld) verdict() string {
	deadline := time.Now().Add(patience)
	what := "?"
	for what != "" && time.Now().Before(deadline) {
		w.leg.ring()
		if what = w.leg.clean(); what != "" {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if what != "" {
		return what
	}
	if got := w.r.gate.settled(w.id); len(got) != 1 {
		return fmt.Sprintf("settled %d times", len(got))
	}
	if _, ok, err := w.r.bridge.CDR(context.Background(), w.id); err != nil || !ok {
		return "no record"
	}
	select {
	case <-w.dialled:
	default:
		return ""
	}
	want := 1
	if w.terminated {
		want = 0
	}
	got := w.r.carrier.count("terminate " + w.wacid + " ")
	if got > 1 || (got < want && !w.terminated) {
		return fmt.Sprintf("%d terminates, want %d", got, want)
	}
	return ""
}
