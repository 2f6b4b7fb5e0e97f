package meta_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// kinds is what a webhook item is called: event or status.
func kind(item map[string]any) string {
	if event, ok := item["event"].(string); ok {
		return event
	}
	return item["status"].(string)
}

func TestBusinessCallIsAnswered(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetUser(user, handset.Behaviour{RingFor: 100 * time.Millisecond, Codecs: []string{"pcmu"}, ToneHz: 440})
	w.fake.SetPermission(user, "permanent", time.Time{})
	b := newBusiness(t)
	status, answer := w.connect(b.offer())
	require.Equal(t, 200, status)
	wacid := wacidOf(answer)
	connect := w.next()
	require.Equal(t, "connect", kind(connect))
	require.Equal(t, wacid, connect["id"])
	require.Equal(t, "BUSINESS_INITIATED", connect["direction"])
	require.Equal(t, "attempt-7", connect["biz_opaque_callback_data"])
	session := connect["session"].(map[string]any)
	require.Equal(t, "answer", session["sdp_type"])
	for _, line := range []string{"a=ice-lite", "a=setup:active", "a=sendrecv", "a=rtcp-mux", "a=maxptime:20", "a=ptime:20", "a=mid:0", "a=group:BUNDLE 0"} {
		require.Contains(t, session["sdp"], line+"\r\n")
	}
	b.remote(webrtc.SDPTypeAnswer, session["sdp"].(string))
	require.Equal(t, "RINGING", kind(w.next()))
	require.Equal(t, "ACCEPTED", kind(w.next()))
	call := w.fake.Calls()[0]
	ctx := within(t, 10*time.Second)
	require.NoError(t, call.Handset.WaitPackets(ctx, 50))
	heard := call.Handset.Heard()
	require.True(t, heard.PeerFirst)
	require.Equal(t, 1, heard.SSRCs)
	require.Positive(t, w.fake.PacketsIn())

	status, _ = w.act("terminate", wacid, nil)
	require.Equal(t, 200, status)
	terminate := w.next()
	require.Equal(t, "terminate", kind(terminate))
	require.Equal(t, "COMPLETED", terminate["status"])
	require.Contains(t, terminate, "start_time")
	require.Contains(t, terminate, "duration")
	ended, err := w.fake.WaitState(ctx, wacid, "ended")
	require.NoError(t, err)
	require.Equal(t, "business", ended.EndedBy)
	_, answer = w.act("terminate", wacid, nil)
	require.Equal(t, 100, code(answer))
	require.ErrorIs(t, w.fake.HangUp(wacid), meta.ErrNoCall)
}

func TestUserRejectsIgnoresOrHangsUp(t *testing.T) {
	cases := []struct {
		name      string
		behaviour handset.Behaviour
		webhooks  []string
		state, by string
		answered  bool
	}{
		{"rejects", handset.Behaviour{Then: "reject"}, []string{"connect", "RINGING", "REJECTED", "terminate"}, "rejected", "user", false},
		{"ignores", handset.Behaviour{Then: "ignore"}, []string{"connect", "RINGING", "terminate"}, "ended", "timeout", false},
		{"hangs up", handset.Behaviour{HangUp: 50 * time.Millisecond}, []string{"connect", "RINGING", "ACCEPTED", "terminate"}, "ended", "user", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *meta.Config) { cfg.Timers.Ring = 200 * time.Millisecond })
			w.fake.SetUser(user, c.behaviour)
			w.fake.SetPermission(user, "permanent", time.Time{})
			b := newBusiness(t)
			_, answer := w.connect(b.offer())
			var last map[string]any
			for _, want := range c.webhooks {
				last = w.next()
				require.Equal(t, want, kind(last))
			}
			_, duration := last["duration"]
			require.Equal(t, c.answered, duration)
			ended, err := w.fake.WaitState(within(t, time.Second), wacidOf(answer), c.state)
			require.NoError(t, err)
			require.Equal(t, c.by, ended.EndedBy)
		})
	}
}

func TestFourUnansweredCallsRevoke(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetUser(user, handset.Behaviour{Then: "reject"})
	w.fake.SetPermission(user, "permanent", time.Time{})
	b := newBusiness(t)
	offer := b.offer()
	for range 4 {
		status, _ := w.connect(offer)
		require.Equal(t, 200, status)
		for _, want := range []string{"connect", "RINGING", "REJECTED", "terminate"} {
			require.Equal(t, want, kind(w.next()))
		}
	}
	reply := w.next()
	require.NotContains(t, reply, "context")
	require.Equal(t, object{"response": "reject", "response_source": "automatic"},
		reply["interactive"].(map[string]any)["call_permission_reply"])
	_, answer := w.connect(offer)
	require.Equal(t, 138006, code(answer))
}

func TestUserCallIsAccepted(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t, 20*time.Second)
	wacid, err := w.fake.Call(ctx, user, handset.Behaviour{Codecs: []string{"opus", "pcmu"}, ToneHz: 440})
	require.NoError(t, err)
	connect := w.next()
	require.Equal(t, "USER_INITIATED", connect["direction"])
	session := connect["session"].(map[string]any)
	require.Equal(t, "offer", session["sdp_type"])
	sdp := session["sdp"].(string)
	require.Contains(t, sdp, "UDP/TLS/RTP/SAVPF 111 0 126\r\n")
	require.Contains(t, sdp, "a=setup:actpass\r\n")
	b := newBusiness(t)
	mine := b.answer(sdp)

	_, answer := w.act("accept", wacid, object{"sdp_type": "offer", "sdp": mine})
	require.Equal(t, 100, code(answer), "sdp_type must be answer")
	_, answer = w.act("accept", wacid, object{"sdp_type": "answer", "sdp": strings.Replace(mine, "a=setup:active", "a=setup:actpass", 1)})
	require.Equal(t, "SDP Validation error - Provided SDP is invalid", details(answer))
	status, _ := w.act("pre_accept", wacid, object{"sdp_type": "answer", "sdp": mine})
	require.Equal(t, 200, status)
	_, answer = w.act("accept", wacid, object{"sdp_type": "answer", "sdp": mine + "a=x:y\r\n"})
	require.Contains(t, details(answer), "differs")
	h := w.fake.Calls()[0].Handset
	require.NoError(t, h.WaitPackets(ctx, 10))
	require.Equal(t, "ringing", w.fake.Calls()[0].State, "media before accept does not answer")
	status, _ = w.act("accept", wacid, object{"sdp_type": "answer", "sdp": mine})
	require.Equal(t, 200, status)
	_, answer = w.act("accept", wacid, object{"sdp_type": "answer", "sdp": mine})
	require.Equal(t, 100, code(answer))
	_, answer = w.act("reject", wacid, nil)
	require.Equal(t, 100, code(answer))
	_, err = w.fake.WaitState(ctx, wacid, "accepted")
	require.NoError(t, err)
	require.NoError(t, w.fake.HangUp(wacid))
	terminate := w.next()
	require.Equal(t, "terminate", kind(terminate))
	require.Contains(t, terminate, "duration")
	ended, err := w.fake.WaitState(ctx, wacid, "ended")
	require.NoError(t, err)
	require.Equal(t, "user", ended.EndedBy)
}

func TestUserCallIsNotAccepted(t *testing.T) {
	w := newWorld(t, func(cfg *meta.Config) { cfg.Timers.Accept = 100 * time.Millisecond })
	w.fake.SetKnobs(meta.Knobs{CallbackPermission: true})
	ctx := within(t, 10*time.Second)
	wacid, err := w.fake.Call(ctx, user, handset.Behaviour{})
	require.NoError(t, err)
	var terminate, reply map[string]any
	for range 3 {
		switch item := w.next(); {
		case item["interactive"] != nil:
			reply = item
		case kind(item) == "terminate":
			terminate = item
		}
	}
	require.Equal(t, "COMPLETED", terminate["status"])
	require.NotContains(t, terminate, "duration")
	require.Equal(t, wacid, reply["context"].(map[string]any)["id"], "an automatic grant names the call")
	ended, err := w.fake.WaitState(ctx, wacid, "ended")
	require.NoError(t, err)
	require.Equal(t, "timeout", ended.EndedBy)

	wacid, err = w.fake.Call(ctx, user, handset.Behaviour{})
	require.NoError(t, err)
	status, _ := w.act("reject", wacid, nil)
	require.Equal(t, 200, status)
	_, err = w.fake.WaitState(ctx, wacid, "rejected")
	require.NoError(t, err)
}

func TestNoMediaFailsTheCall(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  int
		speak bool
	}{{"never", 138021, false}, {"no more", 138022, true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *meta.Config) {
				cfg.Timers.NoMedia, cfg.Timers.Silence = 1500*time.Millisecond, 300*time.Millisecond
			})
			w.fake.SetUser(user, handset.Behaviour{Codecs: []string{"pcmu"}})
			w.fake.SetPermission(user, "permanent", time.Time{})
			b := newBusiness(t)
			if !c.speak {
				b.quiet()
			}
			_, answer := w.connect(b.offer())
			ctx := within(t, 10*time.Second)
			b.remote(webrtc.SDPTypeAnswer, w.next()["session"].(map[string]any)["sdp"].(string))
			if c.speak {
				require.NoError(t, w.fake.Calls()[0].Handset.WaitPackets(ctx, 5))
				b.quiet()
			}
			ended, err := w.fake.WaitState(ctx, wacidOf(answer), "ended")
			require.NoError(t, err)
			require.Equal(t, c.code, ended.Failed)
			require.Equal(t, "RINGING", kind(w.next()))
			require.Equal(t, "ACCEPTED", kind(w.next()))
			terminate := w.next()
			require.Equal(t, "FAILED", terminate["status"])
			require.InDelta(t, c.code, terminate["errors"].([]any)[0].(map[string]any)["code"], 0)
			w.mu.Lock()
			value := valueOf(w.bodies[len(w.bodies)-1])
			w.mu.Unlock()
			require.Equal(t, terminate["errors"], value["errors"])
		})
	}
}

func TestReorder(t *testing.T) {
	w := newWorld(t, func(cfg *meta.Config) { cfg.Timers.Ring = 20 * time.Millisecond })
	w.fake.SetKnobs(meta.Knobs{ReorderWindow: 100 * time.Millisecond, Reorder: func(batch []meta.Webhook) []meta.Webhook {
		slices.Reverse(batch)
		return batch
	}})
	w.fake.SetPermission(user, "permanent", time.Time{})
	b := newBusiness(t)
	status, _ := w.connect(b.offer())
	require.Equal(t, 200, status)
	for _, want := range []string{"terminate", "RINGING", "connect"} {
		require.Equal(t, want, kind(w.next()))
	}
}

func TestLostConnectResponse(t *testing.T) {
	w := newWorld(t, nil)
	w.fake.SetKnobs(meta.Knobs{LoseConnectResponse: true})
	w.fake.SetPermission(user, "permanent", time.Time{})
	raw, err := json.Marshal(object{
		"messaging_product": "whatsapp", "to": user, "action": "connect", "biz_opaque_callback_data": "attempt-9",
		"session": object{"sdp_type": "offer", "sdp": newBusiness(t).offer()},
	})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.api.URL+calls, strings.NewReader(string(raw)))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer token")
	response, err := w.api.Client().Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	require.Error(t, err)
	require.Equal(t, "attempt-9", w.next()["biz_opaque_callback_data"])
}

// The layout is that of Meta's sample
// wacid.HBgLMTIxOTU1NTA3MTQVAgASGCAzODg1NTE5NEU1NTBEMTc1RTFFQUY5NjNCQ0FCRkEzRhwYCzE3MDE1NTU4ODU3FQIAAA==.
func TestWacidLayout(t *testing.T) {
	w := newWorld(t, nil)
	wacid, err := w.fake.Call(t.Context(), "12195550714", handset.Behaviour{})
	require.NoError(t, err)
	require.Len(t, wacid, len("wacid.HBgLMTIxOTU1NTA3MTQVAgASGCAzODg1NTE5NEU1NTBEMTc1RTFFQUY5NjNCQ0FCRkEzRhwYCzE3MDE1NTU4ODU3FQIAAA=="))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(wacid, "wacid."))
	require.NoError(t, err)
	require.Regexp(t, "^\x1c\x18\x0b12195550714\x15\x02\x00\x12\x18\x20[0-9A-F]{32}\x1c\x18\x0b"+business+"\x15\x02\x00\x00$", string(raw))
	require.True(t, strings.HasPrefix(wacid, "wacid.HBgLMTIxOTU1NTA3MTQVAgASGC"))
}

func TestStoppingEndsCalls(t *testing.T) {
	fake, err := meta.New(meta.Config{WebhookURL: "http://127.0.0.1:1/"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fake.Run(ctx) }()
	_, err = fake.Call(ctx, user, handset.Behaviour{})
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, "stopped", fake.Calls()[0].EndedBy)
	_, err = fake.Call(t.Context(), user, handset.Behaviour{})
	require.ErrorIs(t, err, meta.ErrNotRunning)
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}

func TestFinishedCallsLeaveNoSocket(t *testing.T) {
	w := newWorld(t, nil)
	offer := newBusiness(t).offer()
	place := func(n int) {
		for i := range n {
			digits := "1408555" + strconv.Itoa(1000+i)
			w.fake.SetUser(digits, handset.Behaviour{HangUp: 10 * time.Millisecond})
			w.fake.SetPermission(digits, "permanent", time.Time{})
			status, _ := w.post(calls, object{
				"messaging_product": "whatsapp", "to": digits, "action": "connect",
				"session": object{"sdp_type": "offer", "sdp": offer},
			})
			require.Equal(t, 200, status)
		}
		require.NoError(t, w.untilOver(within(t, 20*time.Second)))
	}
	place(5) // opens what stays open, such as connections to the receiver
	before := openFiles(t)
	place(60)
	require.Eventually(t, func() bool { return openFiles(t) <= before+5 }, 10*time.Second, 100*time.Millisecond)
}

// untilOver waits until no call lives.
func (w *world) untilOver(ctx context.Context) error {
	for _, c := range w.fake.Calls() {
		if _, err := w.fake.WaitState(ctx, c.ID, "ended"); err != nil {
			return err
		}
	}
	return nil
}
