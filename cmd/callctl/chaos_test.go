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
	"strconv"
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
		digits: digitsOf(n), agent: strconv.Itoa(2000 + n), times: 1 + random.IntN(5)/4,
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
	random := rand.New(rand.NewPCG(31, 32))
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

// party is one call of the chaos: who begins it and what both ends do.
type party struct {
	digits, agent string
	begins        string // user_first, agent_first, agent (the PBX calls), or meta.UserInitiated
	user          handset.Behaviour
	extension     pbx.Extension
	hangUp        time.Duration // through the API, for when nobody else does
}

func newParty(n int, random *rand.Rand) *party {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	some := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
	p := &party{
		digits: digitsOf(n), agent: strconv.Itoa(2000 + n), hangUp: 300*time.Millisecond + some(400*time.Millisecond),
		begins:    pick("user_first", "agent_first", "agent", meta.UserInitiated, meta.UserInitiated),
		user:      handset.Behaviour{RingFor: some(100 * time.Millisecond), Then: pick("answer", "answer", "answer", "reject", "ignore"), ToneHz: 440, Codecs: []string{"pcmu"}},
		extension: pbx.Extension{RingFor: some(100 * time.Millisecond), Then: pick("answer", "answer", "answer", "answer", "busy", "decline", "ignore")},
	}
	switch random.IntN(4) {
	case 0:
		p.user.HangUp = 1 + some(200*time.Millisecond)
	case 1:
		p.extension.HangUp = 1 + some(200*time.Millisecond)
	case 2: // both, at about the same time
		p.user.HangUp, p.extension.HangUp = 100*time.Millisecond, 100*time.Millisecond
	}
	if p.begins == meta.UserInitiated {
		p.agent = townAgent
	}
	return p
}

// run begins the call and sees to it that it ends.
func (p *party) run(ctx context.Context, w *town) error {
	w.meta.SetUser(p.digits, p.user)
	w.pbx.SetExtension(p.agent, p.extension)
	if err := w.meta.Reply(ctx, p.digits, true, true); err != nil {
		return err
	}
	wacid, sipID := "", ""
	var err error
	switch p.begins {
	case meta.UserInitiated:
		wacid, err = w.meta.Call(ctx, p.digits, p.user)
	case "agent":
		sipID, err = w.pbx.Call(ctx, "sip:+"+p.digits+"@"+w.daemon.sip+";transport=udp", p.extension)
	default:
		_, err = w.try(ctx, http.MethodPost, "/v1/callbacks", map[string]any{
			"business": townBusiness, "user": "+" + p.digits, "agent": p.agent, "order": p.begins,
		}, nil)
	}
	if err != nil {
		return err
	}
	time.Sleep(p.hangUp)
	switch p.extension.Then {
	case "busy", "decline": // the user grows tired, also of a call that never rang
		if wacid != "" {
			_ = w.meta.HangUp(wacid)
		}
	}
	if sipID != "" && p.user.Then == "ignore" {
		_ = w.pbx.HangUp(sipID)
	}
	var live listOf[townCall]
	if _, err := w.try(ctx, http.MethodGet, "/v1/calls?state=live", nil, &live); err != nil {
		return err
	}
	for _, c := range live.Items {
		if c.User == "+"+p.digits {
			if _, err := w.try(ctx, http.MethodDelete, "/v1/calls/"+c.ID, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestChaos lets Meta deliver late, twice, in any order, and lose its answers,
// while calls of every kind begin and end (promises T-11 to T-16): every call
// ends on both sides with one record, and nothing of it stays.
func TestChaos(t *testing.T) {
	for i, c := range []struct {
		name  string
		knobs meta.Knobs
	}{
		{"twice", meta.Knobs{Duplicate: 2}},
		{"out of order", meta.Knobs{Reorder: shuffled, ReorderWindow: 120 * time.Millisecond}},
		{"late", meta.Knobs{Delay: 60 * time.Millisecond}},
		{"lost answers", meta.Knobs{LoseConnectResponse: true}},
		{"everything", meta.Knobs{
			Duplicate: 1, Reorder: shuffled, ReorderWindow: 80 * time.Millisecond, Delay: 20 * time.Millisecond, LoseConnectResponse: true,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(4, uint64(i)))
			w := newTown(t, meta.Limits{})
			w.start()
			before := w.held()
			w.meta.SetKnobs(c.knobs)
			running, ctx := errgroup.WithContext(t.Context())
			running.SetLimit(6)
			for n := range soak(t, 24) {
				p := newParty(n, random)
				running.Go(func() error { return p.run(ctx, w) })
			}
			require.NoError(t, running.Wait())
			w.silent()
			w.recorded()
			for _, d := range w.meta.Deliveries() {
				require.Equal(t, http.StatusOK, d.Status, "%s", d.Body)
			}
			w.graph.SetKeepAlivesEnabled(false)
			http.DefaultClient.CloseIdleConnections()
			w.eventually("nothing of a call is held", func() (bool, any) {
				now := w.held()
				// A connection to the database may have been opened meanwhile, with
				// its three files; each call would hold at least two sockets.
				return now["go_goroutines"] <= before["go_goroutines"]+1 && now["process_open_fds"] <= before["process_open_fds"]+12,
					fmt.Sprint(now, " of ", before)
			})
			w.stop()
			w.verify()
		})
	}
}

// shuffled returns webhooks in another order.
func shuffled(list []meta.Webhook) []meta.Webhook {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// recorded demands one record for each call, and none without a call.
func (w *town) recorded() {
	t := w.t
	t.Helper()
	var calls []townCall
	w.eventually("all records are there", func() (bool, any) {
		calls = all[townCall](w, "/v1/calls?state=ended")
		open := w.openAttempts()
		return len(open) == 0, open
	})
	ids, wacids := map[string]townCall{}, map[string]int{}
	for _, c := range calls {
		require.NotContains(t, ids, c.ID, "one record each")
		require.NotEqual(t, "internal_error", c.Cause)
		ids[c.ID] = c
		if c.Wacid != "" {
			wacids[c.Wacid]++
		}
	}
	ours := 0
	for _, c := range w.meta.Calls() {
		require.LessOrEqual(t, wacids[c.ID], 1, "no call has two records: %+v", c)
		if c.Direction == meta.UserInitiated {
			require.Equal(t, 1, wacids[c.ID], "every user's call has its record: %+v", c)
			ours++
			continue
		}
		r, ok := ids[c.Opaque]
		require.True(t, ok, "every call at Meta is one of ours: %+v", c)
		if !c.Accepted.IsZero() && r.Wacid == c.ID && r.Cause == "user_hangup" {
			require.Equal(t, "connected", r.Outcome, "%+v", r)
		}
	}
	for _, c := range calls {
		if c.Direction == meta.UserInitiated {
			ours--
		}
	}
	require.Zero(t, ours, "no record without a call")
}
