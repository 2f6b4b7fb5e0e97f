package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/testbed/handset"
	"github.com/callctl/callctl/testbed/meta"
	"github.com/callctl/callctl/testbed/pbx"
)

// The secrets and numbers of the town.
const (
	townBusiness = "+4930901820"
	townToken    = "ops-token-of-the-town"
	townSecret   = "app-secret-of-the-town"
	townGraph    = "graph-token-of-the-town"
	townAgent    = "1001"
	// patience is how long anything may take on a machine that is busy with other
	// things. Nothing waits that long when it works.
	patience = 20 * time.Second
)

const townConfig = `
data_dir: ./data
http: { listen: 127.0.0.1:0, admin: 127.0.0.1:0 }
tokens: [ { name: ops, token: "` + townToken + `", scopes: [admin] } ]
accounts:
  - name: acme
    provider: meta
    business_number: "` + townBusiness + `"
    rules: meta-any-hour
    webhook: { app_secret: "` + townSecret + `", verify_token: verify-token-of-the-town }
    api: { base_url: "http://%s", token: "` + townGraph + `", phone_number_id: "` + demoPNID + `" }
    calling: { mode: graph, agent: "` + townAgent + `", codecs: [opus, pcmu] }
trunks: [ { name: main, uri: "sip:%s;transport=udp" } ]
sip: { listen: [ "udp://127.0.0.1:0", "tcp://127.0.0.1:0" ] }
media: { bind: 127.0.0.1, rtp_ports: 0-0 }
rules: { packs: [ meta-any-hour.yaml ] }
`

// town is what surrounds a daemon that runs as a process of its own: Meta, a PBX
// and the folder of the daemon, which outlives it.
type town struct {
	t    *testing.T
	dir  string
	meta *meta.Fake
	pbx  *pbx.PBX
	// graph serves the fake of Meta.
	graph *http.Server
	// before, when set, sees each Graph connect before the fake does.
	before atomic.Pointer[func(http.ResponseWriter, *http.Request)]
	daemon *process
}

// process is one life of the daemon.
type process struct {
	cmd        *exec.Cmd
	api, admin string // base URLs
	sip        string // host:port, UDP
	log        *syncBuffer
	exited     chan struct{}
}

func newTown(t *testing.T, limits meta.Limits) *town {
	t.Helper()
	w := &town{t: t, dir: t.TempDir()}
	var err error
	w.meta, err = meta.New(meta.Config{
		PhoneNumberID: demoPNID, Business: townBusiness[1:], WABA: "102290129340398", Token: townGraph,
		AppSecret: townSecret, VerifyToken: "verify-token-of-the-town", MediaHost: "127.0.0.1", Limits: limits,
	})
	require.NoError(t, err)
	w.pbx, err = pbx.New(pbx.Config{Host: "127.0.0.1", Transport: "udp"})
	require.NoError(t, err)
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	graph := w.meta.Handler()
	w.graph = &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		if f := w.before.Load(); f != nil && strings.HasSuffix(req.URL.Path, "/calls") {
			(*f)(res, req)
			return
		}
		graph.ServeHTTP(res, req)
	})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 3)
	go func() { ended <- w.graph.Serve(listener) }()
	go func() { ended <- w.meta.Run(ctx) }()
	go func() { ended <- w.pbx.Run(ctx) }()
	t.Cleanup(func() {
		if w.daemon != nil {
			w.daemon.kill()
		}
		cancel()
		_ = w.graph.Close()
		for range 3 {
			<-ended
		}
	})
	_, err = anyHour(w.dir, rulesMeta)
	require.NoError(t, err)
	config := fmt.Sprintf(townConfig, listener.Addr(), w.pbx.Addr())
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "callctl.yaml"), []byte(config), 0o600))
	return w
}

var readyLine = regexp.MustCompile(`msg=ready api=(\S+) admin=(\S+) sip="?\[udp://(\S+)`)

// start starts the daemon and waits until it says that it is ready.
func (w *town) start() *process {
	w.t.Helper()
	p := &process{log: &syncBuffer{}, exited: make(chan struct{})}
	p.cmd = exec.Command("callctl", "serve", "--config", filepath.Join(w.dir, "callctl.yaml"))
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	require.NoError(w.t, p.cmd.Start())
	w.daemon = p
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	deadline := time.After(patience)
	for {
		if m := readyLine.FindStringSubmatch(p.log.String()); m != nil {
			p.api, p.admin, p.sip = "http://"+m[1], "http://"+m[2], m[3]
			w.meta.SetWebhook(p.api + "/webhooks/meta/acme")
			return p
		}
		select {
		case <-p.exited:
			require.FailNow(w.t, "the daemon ended before it was ready", p.log.String())
		case <-deadline:
			require.FailNow(w.t, "the daemon is not ready", p.log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// kill ends the daemon as a power cut does, as far as a process can tell.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop ends the daemon as an operator does and demands a clean end.
func (w *town) stop() {
	w.t.Helper()
	require.NoError(w.t, w.daemon.cmd.Process.Signal(os.Interrupt))
	select {
	case <-w.daemon.exited:
	case <-time.After(patience):
		w.daemon.kill()
		require.FailNow(w.t, "the daemon does not stop", w.daemon.log.String())
	}
	require.Zero(w.t, w.daemon.cmd.ProcessState.ExitCode(), "a clean stop: %s", w.daemon.log)
	require.NotContains(w.t, w.daemon.log.String(), "DATA RACE")
	require.NotContains(w.t, w.daemon.log.String(), "fault in a call")
}

// ask calls the API and decodes its answer into out when that is not nil.
func (w *town) ask(method, path string, in, out any) int {
	w.t.Helper()
	code, err := w.try(w.t.Context(), method, path, in, out)
	require.NoError(w.t, err)
	return code
}

// try is ask for a goroutine beside the test. An answer that is no success is an
// error only when one was to be decoded.
func (w *town) try(ctx context.Context, method, path string, in, out any) (int, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.daemon.api+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+townToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || out == nil {
		return res.StatusCode, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return res.StatusCode, fmt.Errorf("%w: %s %s: %d %s", errAnswer, method, path, res.StatusCode, raw)
	}
	return res.StatusCode, json.Unmarshal(raw, out)
}

var errAnswer = errors.New("the API refused")

// The API's answers, as far as these tests look at them.
type (
	listOf[T any] struct {
		Items      []T    `json:"items"`
		NextCursor string `json:"nextCursor"`
	}
	townEvent struct {
		ID         string    `json:"id"`
		Kind       string    `json:"kind"`
		Ref        string    `json:"ref"`
		CallID     string    `json:"callId"`
		Outcome    string    `json:"outcome"`
		Received   time.Time `json:"received"`
		AuditIndex int64     `json:"auditIndex"`
	}
	townCall struct {
		ID          string    `json:"id"`
		State       string    `json:"state"`
		Direction   string    `json:"direction"`
		User        string    `json:"user"`
		Wacid       string    `json:"wacid"`
		SIPCallID   string    `json:"sipCallId"`
		Disposition string    `json:"disposition"`
		Outcome     string    `json:"outcome"`
		Cause       string    `json:"cause"`
		AnsweredAt  time.Time `json:"answeredAt"`
		BridgedAt   time.Time `json:"bridgedAt"`
		EndedAt     time.Time `json:"endedAt"`
	}
	townCallback struct {
		ID     string `json:"id"`
		State  string `json:"state"`
		Reason string `json:"reason"`
		CallID string `json:"callId"`
	}
	townEntry struct {
		Index   int64           `json:"index"`
		Kind    string          `json:"kind"`
		Subject string          `json:"subject"`
		Payload json.RawMessage `json:"payload"`
	}
)

// all reads every page of a list.
func all[T any](w *town, path string) []T {
	w.t.Helper()
	var items []T
	u, err := url.Parse(path)
	require.NoError(w.t, err)
	q := u.Query()
	q.Set("limit", "200")
	for {
		var page listOf[T]
		require.Equal(w.t, http.StatusOK, w.ask(http.MethodGet, u.EscapedPath()+"?"+q.Encode(), nil, &page))
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items
		}
		q.Set("cursor", page.NextCursor)
	}
}

func (w *town) events(digits string) []townEvent {
	w.t.Helper()
	return all[townEvent](w, "/v1/permissions/"+url.PathEscape(townBusiness)+"/%2B"+digits+"/events")
}

func (w *town) live() []townCall {
	w.t.Helper()
	var page listOf[townCall]
	w.ask(http.MethodGet, "/v1/calls?state=live", nil, &page)
	return page.Items
}

func (w *town) callBack(digits, order string) townCallback {
	w.t.Helper()
	var c townCallback
	w.ask(http.MethodPost, "/v1/callbacks", map[string]any{
		"business": townBusiness, "user": "+" + digits, "agent": townAgent, "order": order,
	}, &c)
	return c
}

func (w *town) callback(id string) townCallback {
	w.t.Helper()
	var c townCallback
	w.ask(http.MethodGet, "/v1/callbacks/"+id, nil, &c)
	return c
}

// allow lets a user give permission for good.
func (w *town) allow(digits string, b handset.Behaviour) {
	w.t.Helper()
	w.meta.SetUser(digits, b)
	require.NoError(w.t, w.meta.Reply(w.t.Context(), digits, true, true))
}

// connects are the Graph requests that placed a call, of one user when digits is
// not empty.
func (w *town) connects(digits string) []meta.Request {
	var out []meta.Request
	for _, r := range w.meta.Requests() {
		to, _ := r.Body["to"].(string)
		if r.Body["action"] == "connect" && (digits == "" || strings.TrimPrefix(to, "+") == digits) {
			out = append(out, r)
		}
	}
	return out
}

// eventually waits for a condition that says what is missing while it does not
// hold.
func (w *town) eventually(what string, holds func() (bool, any)) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, missing := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(w.t, what, "%+v\n%s", missing, tail(w.daemon.log.String()))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// silent waits until nothing of any call is left anywhere: at the daemon, at
// Meta, at the PBX.
func (w *town) silent() {
	w.t.Helper()
	w.eventually("no leg is left", func() (bool, any) {
		for _, c := range w.meta.Calls() {
			if c.Ended.IsZero() {
				return false, c
			}
		}
		for _, c := range w.pbx.Calls() {
			if c.Ended.IsZero() {
				c.Payloads = nil
				return false, c
			}
		}
		live := w.live()
		return len(live) == 0, live
	})
}

var heldLine = regexp.MustCompile(`(?m)^(go_goroutines|process_open_fds) (\d+)$`)

// held is what the daemon holds: its goroutines and open files.
func (w *town) held() map[string]int {
	w.t.Helper()
	_, text := send(w.t, http.MethodGet, w.daemon.admin+"/metrics", "", nil)
	held := map[string]int{}
	for _, m := range heldLine.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		require.NoError(w.t, err)
		held[m[1]] = n
	}
	require.Len(w.t, held, 2, "the metrics tell of goroutines and files: %s", text)
	return held
}

// verify runs `callctl audit verify` over the daemon's database, with every
// checkpoint that left the daemon.
func (w *town) verify(checkpoints ...string) {
	w.t.Helper()
	args := []string{"audit", "verify", filepath.Join(w.dir, "data", "callctl.db")}
	for i, note := range checkpoints {
		name := filepath.Join(w.dir, "checkpoint-"+strconv.Itoa(i))
		require.NoError(w.t, os.WriteFile(name, []byte(note), 0o600))
		args = append(args, "--checkpoint", name)
	}
	out, err := exec.CommandContext(w.t.Context(), "callctl", args...).CombinedOutput()
	require.NoError(w.t, err, "%s", out)
}

// soak is how often something is repeated: usual, or what CALLCTL_SOAK says.
func soak(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("CALLCTL_SOAK")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "CALLCTL_SOAK is a number")
	return n
}

// tail is the end of a log without the lines of the API.
func tail(log string) string {
	const most = 60
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(l string) bool { return strings.Contains(l, "msg=request") })
	return strings.Join(last(lines, most), "\n")
}

// openAttempts are the calls whose attempt has no outcome yet.
func (w *town) openAttempts() []string {
	w.t.Helper()
	settled := map[string]bool{}
	var open []string
	read := func(kind string) (ids []string) {
		for _, e := range all[townEntry](w, "/v1/audit/entries?kind="+kind) {
			var p struct {
				CallID string `json:"callId"`
			}
			require.NoError(w.t, json.Unmarshal(e.Payload, &p))
			ids = append(ids, p.CallID)
		}
		return ids
	}
	for _, id := range read("call.settled") {
		require.False(w.t, settled[id], "settled once")
		settled[id] = true
	}
	for _, id := range read("call.attempted") {
		if !settled[id] {
			open = append(open, id)
		}
	}
	return open
}
