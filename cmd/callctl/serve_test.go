package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const serveConfig = `
data_dir: ./data
http: { listen: 127.0.0.1:0, admin: 127.0.0.1:0 }
tokens: [ { name: ops, token_file: ops.token, scopes: [admin] } ]
accounts:
  - name: acme
    provider: meta
    business_number: "+4930901820"
    rules: meta-any-hour
    webhook: { app_secret_file: app.secret, verify_token_file: verify.token }
    api: { token_file: graph.token, phone_number_id: "106540352242922" }
    calling: { mode: graph, agent: "1001" }
trunks: [ { name: main, uri: "sip:127.0.0.1:5999;transport=udp" } ]
sip: { listen: [ "udp://127.0.0.1:0", "tcp://127.0.0.1:0" ] }
media: { bind: 127.0.0.1, rtp_ports: 0-0 }
rules: { packs: [ meta-any-hour.yaml ] }
`

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serving is a daemon that was started from a file, as an operator starts it.
type serving struct {
	api, admin, dir string
	log             *syncBuffer
	stop            func() int // exit code
}

func serve(t *testing.T, dir string) serving {
	t.Helper()
	_, err := anyHour(dir, rulesMeta)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"callctl.yaml": serveConfig, "ops.token": "ops-token-of-the-test\n", "app.secret": "app-secret-of-the-test\n",
		"verify.token": "verify-token-of-the-test\n", "graph.token": "graph-token-of-the-test\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := serving{dir: dir, log: &syncBuffer{}}
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, []string{"serve", "--config", filepath.Join(dir, "callctl.yaml")}, nil, s.log, s.log)
	}()
	ready := regexp.MustCompile(`msg=ready api=(\S+) admin=(\S+)`)
	require.Eventually(t, func() bool {
		m := ready.FindStringSubmatch(s.log.String())
		if m == nil {
			return false
		}
		s.api, s.admin = "http://"+m[1], "http://"+m[2]
		return true
	}, 20*time.Second, 10*time.Millisecond, "the daemon says that it is ready: %s", s.log)
	s.stop = sync.OnceValue(func() int { cancel(); return <-exited })
	t.Cleanup(func() { s.stop() })
	return s
}

func send(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw)
}

func TestServe(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	s := serve(t, t.TempDir())

	code, _ := send(t, http.MethodGet, s.admin+"/readyz", "", nil)
	require.Equal(t, http.StatusOK, code)
	code, body := send(t, http.MethodGet, s.api+"/webhooks/meta/acme?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-token-of-the-test", "", nil)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "1158201444", body)
	code, _ = send(t, http.MethodGet, s.api+"/v1/permissions", "", nil)
	require.Equal(t, http.StatusUnauthorized, code)
	ops := map[string]string{"Authorization": "Bearer ops-token-of-the-test"}

	grant := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"4930901820","phone_number_id":"106540352242922"},"messages":[{"from":"6591234567","id":"wamid.T",` +
		`"timestamp":"1767168000","type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":` +
		`{"response":"accept","is_permanent":true,"response_source":"user_action"}}}]}}]}]}`
	code, _ = send(t, http.MethodPost, s.api+"/webhooks/meta/acme", grant, map[string]string{"X-Hub-Signature-256": "sha256=" + strings.Repeat("0", 64)})
	require.Equal(t, http.StatusUnauthorized, code)
	mac := hmac.New(sha256.New, []byte("app-secret-of-the-test"))
	mac.Write([]byte(grant))
	code, _ = send(t, http.MethodPost, s.api+"/webhooks/meta/acme", grant, map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))})
	require.Equal(t, http.StatusOK, code)
	code, body = send(t, http.MethodGet, s.api+"/v1/permissions/%2B4930901820/%2B6591234567", "", ops)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"permanent"`)

	var said syncBuffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"serve", "--config", filepath.Join(s.dir, "callctl.yaml")}, nil, &said, &said),
		"a second daemon on the same database is refused: %s", said.String())
	require.Equal(t, exitDone, s.stop(), s.log.String())
	require.NotContains(t, s.log.String(), "6591234567", "numbers reach no log")
	require.Equal(t, exitDone, run(t.Context(), []string{"audit", "verify", filepath.Join(s.dir, "data", "callctl.db")}, nil, &said, &said), said.String())
}

// A daemon that was stopped goes on where it was: the grant is still there.
func TestServeAgain(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	dir := t.TempDir()
	ops := map[string]string{"Authorization": "Bearer ops-token-of-the-test", "Content-Type": "application/json"}
	first := serve(t, dir)
	code, body := send(t, http.MethodPost, first.api+"/v1/dnc", `{"user":"+6591234567","reason":"asked by letter"}`, ops)
	require.Less(t, code, 300, body)
	require.Equal(t, exitDone, first.stop())

	second := serve(t, dir)
	code, body = send(t, http.MethodPost, second.api+"/v1/decisions", `{"business":"+4930901820","user":"+6591234567"}`, ops)
	require.Equal(t, http.StatusOK, code, body)
	require.Contains(t, body, `"reason":"do_not_call"`)
	require.Equal(t, exitDone, second.stop())
}
