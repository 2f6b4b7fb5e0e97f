package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
)

// stream posts webhooks for as long as it is told, whatever becomes of the
// daemon, and knows which of them were answered 2xx.
type stream struct {
	w     *town
	users int

	mu       sync.Mutex
	sent     map[string]int  // wamid: of which user
	answered map[string]bool // wamid: was it answered 2xx
}

// run is one sender. Like Meta it comes again with what was not answered 2xx, and
// now and then with what was.
func (s *stream) run(ctx context.Context, sender int, random *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		id, user := fmt.Sprintf("wamid.%d.%d", sender, n), random.IntN(s.users)
		s.mu.Lock()
		s.sent[id] = user
		s.mu.Unlock()
		value := s.fact(id, digitsOf(user), random.IntN(4))
		times := 1
		if random.IntN(5) == 0 {
			times = 3
		}
		// An error is a delivery that came through in none of Meta's tries: it may
		// be there or not, but not twice.
		if s.w.meta.Post(ctx, "messages", value, times) == nil {
			s.mu.Lock()
			s.answered[id] = true
			s.mu.Unlock()
		}
	}
}

// fact is a webhook's value that says one thing about a user.
func (*stream) fact(id, digits string, kind int) map[string]any {
	message := map[string]any{"from": digits, "id": id, "timestamp": strconv.FormatInt(time.Now().Unix(), 10)}
	switch kind {
	case 0:
		message["type"], message["text"] = "text", map[string]any{"body": "When will you call? 🙂"}
	case 1:
		message["type"], message["interactive"] = "interactive", map[string]any{
			"type": "call_permission_reply", "call_permission_reply": map[string]any{"response": "reject", "response_source": "user_action"},
		}
	default:
		message["type"], message["interactive"] = "interactive", map[string]any{
			"type": "call_permission_reply", "call_permission_reply": map[string]any{
				"response": "accept", "is_permanent": true, "response_source": "user_action",
			},
		}
	}
	return map[string]any{
		"messaging_product": "whatsapp",
		"metadata":          map[string]any{"display_phone_number": townBusiness[1:], "phone_number_id": demoPNID},
		"contacts":          []any{map[string]any{"profile": map[string]any{"name": "Zoë"}, "wa_id": digits}},
		"messages":          []any{message},
	}
}

func digitsOf(user int) string { return fmt.Sprintf("65912%05d", user) }

// check demands that the ledger holds what was answered 2xx, exactly once, and
// nothing that was never sent.
func (s *stream) check(t *testing.T) (held int) {
	t.Helper()
	times := map[string]int{}
	for user := range s.users {
		for _, e := range s.w.events(digitsOf(user)) {
			times[e.ID]++
			id := e.ID[len("meta/"):]
			require.Equal(t, user, s.sent[id], "an event is of the user who caused it: %s", id)
		}
	}
	for id := range s.answered {
		require.Equal(t, 1, times["meta/"+id], "answered 2xx, so exactly once: %s", id)
	}
	for id, n := range times {
		require.Equal(t, 1, n, "no event twice: %s", id)
		require.Contains(t, s.sent, id[len("meta/"):])
	}
	return len(times)
}

// takeCheckpoint takes a signed checkpoint away, as a witness would; empty when the
// daemon is dying.
func takeCheckpoint(t *testing.T, p *process) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.api+"/v1/audit/checkpoint", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+townToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var c struct {
		Note string `json:"note"`
	}
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&c) != nil {
		return ""
	}
	return c.Note
}

// TestKilledUnderWebhooks kills the daemon again and again while Meta delivers
// (promises T-07, T-55): what was answered 2xx is there exactly once, and the log
// is the continuation of every checkpoint that it ever gave away.
func TestKilledUnderWebhooks(t *testing.T) {
	const senders = 8
	w := newTown(t, meta.Limits{})
	w.meta.SetKnobs(meta.Knobs{Retry: slices.Repeat([]time.Duration{15 * time.Millisecond}, 200)})
	s := &stream{w: w, users: 12, sent: map[string]int{}, answered: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	random := rand.New(rand.NewPCG(7, 55))
	var notes []string
	w.start()
	var sending sync.WaitGroup
	for i := range senders {
		seed := random.Uint64()
		sending.Go(func() { s.run(ctx, i, rand.New(rand.NewPCG(seed, 0))) })
	}
	kills := soak(t, 20)
	for n := range kills {
		wait := time.Duration(random.IntN(150)) * time.Millisecond
		time.Sleep(wait / 2)
		if note := takeCheckpoint(t, w.daemon); note != "" {
			notes = append(notes, note)
		}
		time.Sleep(wait / 2)
		w.daemon.kill()
		if n%5 == 0 {
			w.verify(last(notes, 20)...)
		}
		w.start()
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	sending.Wait()
	held := s.check(t)
	require.Greater(t, len(s.answered), kills, "the stream flowed between the kills")
	require.NotEmpty(t, notes)
	w.stop()
	w.verify(last(notes, 100)...)
	t.Logf("%d kills: %d deliveries sent, %d answered 2xx, %d in the ledger, %d checkpoints taken", kills, len(s.sent), len(s.answered), held, len(notes))
}

// last is the end of a list, at most n long.
func last(list []string, n int) []string { return list[max(0, len(list)-n):] }

// leftBehind is the state in which a call is when the daemon dies.
type leftBehind struct {
	order string
	// at makes the moment: it returns when the daemon shall die.
	at func(w *town, arrived <-chan struct{})
	// lose keeps the request from Meta: the daemon dies and so does the request.
	lose bool
	// hold keeps Meta's answer to the connect from the daemon.
	hold bool
}

func deadMoments() map[string]leftBehind {
	ringing := func(w *town, _ <-chan struct{}) {
		_, err := w.meta.WaitCall(w.t.Context(), func(c meta.Call) bool { return c.State == "ringing" })
		require.NoError(w.t, err)
	}
	connect := func(_ *town, arrived <-chan struct{}) { <-arrived }
	return map[string]leftBehind{
		"connect lost on its way":           {order: "user_first", at: connect, lose: true},
		"connect placed, answer on its way": {order: "user_first", hold: true, at: func(w *town, a <-chan struct{}) { <-a; ringing(w, a) }},
		"placed after the agent answered":   {order: "agent_first", hold: true, at: func(w *town, a <-chan struct{}) { <-a; ringing(w, a) }},
		"ringing":                           {order: "user_first", at: ringing},
		"talking": {order: "user_first", at: func(w *town, _ <-chan struct{}) {
			w.eventually("both talk", func() (bool, any) {
				live := w.live()
				return len(live) == 1 && live[0].State == "bridged", live
			})
		}},
	}
}

// TestKilledWithACallOpen kills the daemon between an attempt and its outcome
// (promises T-33, T-34): after the restart the attempt is charged and its outcome
// unknown, nobody is called again by itself, and the user can be called again.
func TestKilledWithACallOpen(t *testing.T) {
	for name, m := range deadMoments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, meta.Limits{})
			w.start()
			digits := digitsOf(1)
			ring := 50 * time.Millisecond
			if name != "talking" {
				ring = time.Hour
			}
			w.allow(digits, handset.Behaviour{RingFor: ring, ToneHz: 440, Codecs: []string{"pcmu"}})
			w.pbx.SetExtension(townAgent, pbx.Extension{RingFor: 10 * time.Millisecond})
			arrived := make(chan struct{})
			if m.lose || m.hold {
				w.hold(arrived, m.lose)
			}
			cb := w.callBack(digits, m.order)
			m.at(w, arrived)
			w.daemon.kill()
			w.before.Store(nil)
			w.verify()

			w.start()
			w.settledUnknown(digits, cb.ID)
			calls := len(w.connects(digits))
			time.Sleep(1200 * time.Millisecond)
			require.Len(t, w.connects(digits), calls, "nobody is called again by itself")
			require.Empty(t, w.live())
			w.callableAgain(digits)
			w.stop()
			w.verify()
		})
	}
}

// hold lets a Graph connect say that it arrived. Its answer never comes; when
// lost, neither does the call.
func (w *town) hold(arrived chan struct{}, lost bool) {
	graph := w.meta.Handler()
	var once sync.Once
	f := func(_ http.ResponseWriter, req *http.Request) {
		if !lost {
			graph.ServeHTTP(httptest.NewRecorder(), req)
		}
		once.Do(func() { close(arrived) })
		<-req.Context().Done()
	}
	w.before.Store(&f)
}

// settledUnknown demands what a restart makes of a call that was open.
func (w *town) settledUnknown(digits, id string) {
	w.t.Helper()
	w.eventually("the callback is unknown", func() (bool, any) {
		cb := w.callback(id)
		return cb.State == "unknown", cb
	})
	cb := w.callback(id)
	var attempted, settled []townEvent
	for _, e := range w.events(digits) {
		switch e.Kind {
		case "attempted":
			attempted = append(attempted, e)
		case "settled":
			settled = append(settled, e)
		}
	}
	require.Len(w.t, attempted, 1, "the attempt was durable before the dial")
	require.Equal(w.t, cb.CallID, attempted[0].CallID)
	require.Len(w.t, settled, 1)
	require.Equal(w.t, "unknown", settled[0].Outcome)
	for _, r := range w.connects(digits) {
		require.Equal(w.t, cb.CallID, r.Body["biz_opaque_callback_data"], "every dial has its attempt")
	}
}

// callableAgain calls the user once Meta has no call with them any more.
func (w *town) callableAgain(digits string) {
	w.t.Helper()
	for _, c := range w.meta.Calls() {
		_ = w.meta.HangUp(c.ID)
	}
	w.meta.SetUser(digits, handset.Behaviour{RingFor: 10 * time.Millisecond, HangUp: 300 * time.Millisecond})
	w.eventually("Meta's calls are over", func() (bool, any) {
		for _, c := range w.meta.Calls() {
			if c.Ended.IsZero() {
				return false, c
			}
		}
		return true, nil
	})
	again := w.callBack(digits, "user_first")
	w.eventually("the user is called again", func() (bool, any) {
		cb := w.callback(again.ID)
		return cb.State == "completed", cb
	})
}

// TestKilledBeforeTheRing: a user's connect was durable, but the daemon died
// before it answered 2xx. Meta comes again with the same body, and the call must
// ring while it is fresh; once it has its record, no repetition starts another.
func TestKilledBeforeTheRing(t *testing.T) {
	w := newTown(t, meta.Limits{})
	w.pbx.SetExtension(townAgent, pbx.Extension{RingFor: 10 * time.Millisecond})
	w.start()
	w.hold(make(chan struct{}), true) // nothing of the first life reaches Meta
	wacid, err := w.meta.Call(t.Context(), digitsOf(1), handset.Behaviour{ToneHz: 440})
	require.NoError(t, err)
	_, err = w.meta.WaitDeliveries(t.Context(), 1)
	require.NoError(t, err)
	w.daemon.kill()
	w.before.Store(nil)
	connect := w.meta.Deliveries()[0].Body
	require.Contains(t, string(connect), wacid)
	require.Empty(t, all[townCall](w.started(), "/v1/calls?state=ended"), "the crash left no record")

	w.redeliver(connect)
	w.eventually("the call rings, is answered and talks", func() (bool, any) {
		live := w.live()
		return len(live) == 1 && live[0].State == "bridged", live
	})
	w.redeliver(connect) // Meta may always come again
	require.NoError(t, w.meta.HangUp(wacid))
	w.eventually("the call ends", func() (bool, any) { live := w.live(); return len(live) == 0, live })
	w.redeliver(connect)
	w.daemon.kill()
	w.start()
	invites := len(w.pbx.Calls())
	w.redeliver(connect) // fresh enough, and nothing in memory says that it is over
	time.Sleep(300 * time.Millisecond)
	require.Len(t, w.pbx.Calls(), invites, "a call that has its record never rings again")
	require.Len(t, all[townCall](w, "/v1/calls?state=ended"), 1, "one call, one record")
	w.stop()
}

func (w *town) started() *town {
	w.t.Helper()
	w.start()
	return w
}

// redeliver posts a body again, signed.
func (w *town) redeliver(body []byte) {
	w.t.Helper()
	mac := hmac.New(sha256.New, []byte(townSecret))
	mac.Write(body)
	code, _ := send(w.t, http.MethodPost, w.daemon.api+"/webhooks/meta/acme", string(body), map[string]string{
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	})
	require.Equal(w.t, http.StatusOK, code)
}

// TestKilledWhileItRings: the user picks up a call of a process that is dead.
// Nobody is there to talk to them, so the next process ends the call as soon as
// it hears of it.
func TestKilledWhileItRings(t *testing.T) {
	w := newTown(t, meta.Limits{})
	w.pbx.SetExtension(townAgent, pbx.Extension{})
	w.start()
	digits := digitsOf(1)
	w.allow(digits, handset.Behaviour{RingFor: 2 * time.Second})
	cb := w.callBack(digits, "user_first")
	_, err := w.meta.WaitCall(t.Context(), func(c meta.Call) bool { return c.State == "ringing" })
	require.NoError(t, err)
	w.daemon.kill()
	w.start()
	w.settledUnknown(digits, cb.ID)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call, err := w.meta.WaitCall(ctx, func(c meta.Call) bool { return !c.Ended.IsZero() })
	require.NoError(t, err)
	require.Equal(t, "business", call.EndedBy, "%+v", call)
	require.Len(t, w.connects(digits), 1)
	require.Empty(t, all[townCall](w, "/v1/calls?state=ended"), "its outcome stays unknown")
	w.stop()
}
