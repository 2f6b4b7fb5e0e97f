package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
)

// The moments at which a user says "stop calls".
const (
	atAnyTime   = "at any time"
	atConnect   = "while connect is on its way"
	atRinging   = "ringing"
	atAccepted  = "at the very ACCEPTED"
	whenTalking = "talking"
)

// race is one user who is called, or calls, and says "stop calls".
type race struct {
	digits, agent string
	direction     string // a call's order, or meta.UserInitiated
	moment        string
	wait          time.Duration // on top of the moment
	times         int           // how often it is said at once
	ring, agentUp time.Duration

	callback string
	acked    time.Time // the opt-out was answered 2xx
}

func newRace(n int, random *rand.Rand) *race {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	some := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
	r := &race{
		digits: digitsOf(n), agent: fmt.Sprint(2000 + n), times: 1 + random.IntN(5)/4,
		direction: pick("user_first", "agent_first", "agent_first", meta.UserInitiated),
		moment:    pick(atAnyTime, atAnyTime, atConnect, atRinging, atAccepted, whenTalking),
		ring:      some(150 * time.Millisecond), agentUp: some(80 * time.Millisecond),
	}
	switch r.moment {
	case atAnyTime:
		r.wait = some(400 * time.Millisecond)
	default:
		r.wait = some(5 * time.Millisecond)
	}
	if r.direction == meta.UserInitiated {
		r.agent = townAgent
	}
	return r
}

// connectWatch tells when the Graph connect of a user arrives.
type connectWatch struct {
	mu   sync.Mutex
	seen map[string]chan struct{}
}

func (c *connectWatch) arrived(digits string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[digits] == nil {
		c.seen[digits] = make(chan struct{}, 8)
	}
	return c.seen[digits]
}

// watchConnects tells of connects, and lets each take a little.
func (w *town) watchConnects() *connectWatch {
	watch := &connectWatch{seen: map[string]chan struct{}{}}
	graph := w.meta.Handler()
	f := func(res http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(raw))
		var body struct{ Action, To string }
		if json.Unmarshal(raw, &body) == nil && body.Action == "connect" {
			watch.arrived(strings.TrimPrefix(body.To, "+")) <- struct{}{}
			time.Sleep(5 * time.Millisecond)
		}
		graph.ServeHTTP(res, req)
	}
	w.before.Store(&f)
	return watch
}

// run calls and says "stop calls" at the moment.
func (r *race) run(ctx context.Context, w *town, watch *connectWatch) error {
	b := handset.Behaviour{RingFor: r.ring, ToneHz: 440, Codecs: []string{"pcmu"}}
	w.meta.SetUser(r.digits, b)
	w.pbx.SetExtension(r.agent, pbx.Extension{RingFor: r.agentUp})
	if err := w.meta.Reply(ctx, r.digits, true, true); err != nil {
		return err
	}
	if err := r.begin(ctx, w, b); err != nil {
		return err
	}
	r.await(ctx, w, watch)
	time.Sleep(r.wait)
	var saying errgroup.Group
	for range r.times {
		saying.Go(func() error {
			_, err := w.meta.Text(ctx, r.digits, "Stop calls!")
			return err
		})
	}
	err := saying.Wait()
	r.acked = time.Now()
	return err
}

// begin places the call, or lets the user place it.
func (r *race) begin(ctx context.Context, w *town, b handset.Behaviour) error {
	if r.direction == meta.UserInitiated {
		if _, err := w.meta.Call(ctx, r.digits, b); err != nil {
			return err
		}
		r.untilLive(ctx, w) // a call that users place after they opted out is theirs
		return nil
	}
	var c townCallback
	_, err := w.try(ctx, http.MethodPost, "/v1/callbacks", map[string]any{
		"business": townBusiness, "user": "+" + r.digits, "agent": r.agent, "order": r.direction,
	}, &c)
	r.callback = c.ID
	return err
}

// await waits for the moment. A moment that does not come is no failure: the
// call may have ended otherwise.
func (r *race) await(ctx context.Context, w *town, watch *connectWatch) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	state := func(states ...string) {
		_, _ = w.meta.WaitCall(ctx, func(c meta.Call) bool { return c.User == r.digits && slices.Contains(states, c.State) })
	}
	switch r.moment {
	case atConnect:
		if r.direction == meta.UserInitiated {
			return
		}
		select {
		case <-watch.arrived(r.digits):
		case <-ctx.Done():
		}
	case atRinging:
		state("ringing", "accepted")
	case atAccepted:
		state("accepted")
	case whenTalking:
		state("accepted")
		r.untilLive(ctx, w, "bridged")
	}
}

// untilLive waits until the daemon has a live call with the user, in one of the
// states when there are any.
func (r *race) untilLive(ctx context.Context, w *town, states ...string) {
	for ctx.Err() == nil {
		var live listOf[townCall]
		_, _ = w.try(ctx, http.MethodGet, "/v1/calls?state=live", nil, &live)
		for _, c := range live.Items {
			if c.User == "+"+r.digits && (len(states) == 0 || slices.Contains(states, c.State)) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// check demands that after the opt-out nothing reaches the user.
func (r *race) check(w *town, calls []townCall) {
	t := w.t
	name := fmt.Sprintf("%s %s %+v", r.direction, r.moment, *r)
	events := w.events(r.digits)
	optedOut, attempts := int64(math.MaxInt64), map[string]bool{}
	for _, e := range events {
		if e.Kind == "opted_out" {
			optedOut = min(optedOut, e.AuditIndex)
		}
	}
	require.Less(t, optedOut, int64(math.MaxInt64), "the opt-out is in the ledger: %s", name)
	for _, e := range events {
		if e.Kind == "attempted" {
			require.Less(t, e.AuditIndex, optedOut, "no attempt after the opt-out: %s", name)
			attempts[e.CallID] = true
		}
	}
	for _, c := range w.connects(r.digits) {
		opaque, _ := c.Body["biz_opaque_callback_data"].(string)
		require.True(t, attempts[opaque], "a dial has an attempt from before the opt-out: %s", name)
	}
	for _, c := range calls {
		if c.User == "+"+r.digits && !c.BridgedAt.IsZero() {
			require.False(t, c.BridgedAt.After(r.acked), "nobody is joined after the opt-out: %s: %+v", name, c)
		}
	}
	require.Equal(t, 1, w.confirmations(r.digits), "one confirmation: %s", name)
	if r.callback != "" {
		require.NotContains(t, []string{"pending", "dialling"}, w.callback(r.callback).State, name)
	}
	code := w.ask(http.MethodPost, "/v1/calls", map[string]any{"business": townBusiness, "user": "+" + r.digits, "agent": r.agent}, nil)
	require.Equal(t, http.StatusForbidden, code, "nobody who opted out is called: %s", name)
}

// confirmations are the texts that went to a user.
func (w *town) confirmations(digits string) int {
	n := 0
	for _, q := range w.meta.Requests() {
		if to, _ := q.Body["to"].(string); strings.HasSuffix(q.Path, "/messages") && strings.TrimPrefix(to, "+") == digits && q.Body["type"] == "text" {
			n++
		}
	}
	return n
}

// TestOptOutRaces lets users say "stop calls" at every moment of a call
// (promises T-31, T-32).
func TestOptOutRaces(t *testing.T) {
	w := newTown(t, meta.Limits{})
	w.meta.SetKnobs(meta.Knobs{Duplicate: 1})
	w.pbx.SetExtension(townAgent, pbx.Extension{RingFor: 30 * time.Millisecond})
	w.start()
	watch := w.watchConnects()
	random := rand.New(rand.NewPCG(31, 32)) //nolint:gosec // repeatable on purpose
	races := make([]*race, soak(t, 120))
	for i := range races {
		races[i] = newRace(i, random)
	}
	running, ctx := errgroup.WithContext(t.Context())
	running.SetLimit(6)
	for _, r := range races {
		running.Go(func() error { return r.run(ctx, w, watch) })
	}
	require.NoError(t, running.Wait())
	began := time.Now()
	w.silent()
	require.Less(t, time.Since(began), patience/2, "the last calls end soon after the last opt-out")
	w.eventually("everyone has their confirmation", func() (bool, any) {
		for _, r := range races {
			if w.confirmations(r.digits) == 0 {
				return false, *r
			}
		}
		return true, nil
	})
	calls := all[townCall](w, "/v1/calls?state=ended")
	dialled := len(w.connects(""))
	for _, r := range races {
		r.check(w, calls)
	}
	require.Len(t, w.connects(""), dialled, "the refused ones were not dialled")
	w.report(t, races)
	w.stop()
	w.verify()
}

// report logs how far the calls had come, and how fast they ended.
func (w *town) report(t *testing.T, races []*race) {
	t.Helper()
	acked := map[string]time.Time{}
	for _, r := range races {
		acked[r.digits] = r.acked
	}
	var took []time.Duration
	accepted := 0
	for _, c := range w.meta.Calls() {
		took = append(took, max(0, c.Ended.Sub(acked[c.User])))
		if !c.Accepted.IsZero() {
			accepted++
		}
	}
	late := 0
	for _, q := range w.connects("") {
		to, _ := q.Body["to"].(string)
		if q.Time.After(acked[strings.TrimPrefix(to, "+")]) {
			late++
		}
	}
	slices.Sort(took)
	t.Logf("%d races, %d calls at Meta, %d answered; last leg gone %v after the 2xx of the opt-out at p50, %v at p99; %d connects that were confirmed before the opt-out arrived after it",
		len(races), len(took), accepted, took[len(took)/2], took[len(took)*99/100], late)
}
