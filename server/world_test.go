package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/permissions/readback"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
	"github.com/callctl/callctl/provider/meta"
	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/sipbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	business      = "+6531234567"
	otherBusiness = "+6531230000"
	customer      = "+6591234567"
	phoneNumberID = "518638374672395"
	channel       = "4b2ba2df-deb0-4c29-8ba5-a266672daf49"
	subAccount    = "SubAccount-1"
	appSecret     = "app-secret-0123456789"
	verifyToken   = "verify-token-0123456789"
	authorization = "Basic c2VjcmV0LXNlY3JldC1zZWNyZXQ="
)

// The API's tokens, one for each scope.
func secretOf(scope string) string { return "secret-of-scope-" + scope }

// world is a whole server over real packages and a real database; only the
// providers' APIs and the bridge are stand-ins.
type world struct {
	*httptest.Server

	tb     testing.TB
	db     *migrations.DB
	log    *audit.Log
	ledger *permissions.Ledger
	server *server.Server
	bridge *bridge
	graph  *graph
	logs   *bytes.Buffer
	config server.Config
}

type option func(*server.Config)

// anyHour is a shipped pack without its quiet hours: the tests run at any time.
func anyHour(base string) json.RawMessage {
	return fmt.Appendf(nil, `{"name":"%s-any-hour","version":"2026-01-01","valid_from":"2026-01-01","base":%q,"hours":null,"sources":{"hours":"a test"}}`, base, base)
}

func newWorld(tb testing.TB, options ...option) *world {
	tb.Helper()
	ctx := tb.Context()
	dir := tb.TempDir()
	db, err := migrations.Open(ctx, filepath.Join(dir, "callctl.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	log, err := audit.New(ctx, audit.Config{Write: db.Write, Read: db.Read, Dir: filepath.Join(dir, "audit"), Origin: "callctl/test", Now: time.Now})
	require.NoError(tb, err)
	rules, err := geo.Load()
	require.NoError(tb, err)
	ledger, err := permissions.New(permissions.Config{
		Log: log, Read: db.Read, Geo: rules, Now: time.Now,
		Packs: []json.RawMessage{anyHour("meta"), anyHour("8x8-strict")},
		Businesses: []permissions.Business{
			{Number: business, Account: "acme", Rules: "meta-any-hour"},
			{Number: otherBusiness, Account: "other", Rules: "8x8-strict-any-hour", Silent: true},
		},
	})
	require.NoError(tb, err)
	w := &world{tb: tb, db: db, log: log, ledger: ledger, bridge: &bridge{}, graph: newGraph(tb), logs: &bytes.Buffer{}}
	w.config = w.configure(dir, options)
	w.server, err = server.New(w.config)
	require.NoError(tb, err)
	w.Server = httptest.NewUnstartedServer(w.server.Handler())
	w.Config = server.HTTPServer("", w.server.Handler())
	w.Start()
	tb.Cleanup(func() {
		require.NoError(tb, w.server.Shutdown(context.WithoutCancel(ctx)))
		w.Close()
		w.Client().CloseIdleConnections()
	})
	return w
}

func (w *world) configure(dir string, options []option) server.Config {
	newID := counter("id")
	callbacks, err := callback.New(callback.Config{Log: w.log, Read: w.db.Read, Ledger: w.ledger, Dialer: noDialer{}, Now: time.Now, NewID: newID})
	require.NoError(w.tb, err)
	exporter, err := compliance.NewExporter(compliance.Config{Log: w.log, Read: w.db.Read, Ledger: w.ledger, Dir: filepath.Join(dir, "exports"), Now: time.Now, NewID: newID})
	require.NoError(w.tb, err)
	cfg := server.Config{
		Accounts: []server.Account{
			{Name: "acme", Kind: "meta", Business: business, Provider: w.metaAccount(), Template: provider.Template{Name: "call_permission", Language: "en"}, Calling: true},
			{Name: "other", Kind: "8x8", Business: otherBusiness, Provider: w.eightAccount(), Template: provider.Template{Name: "call_permission", Language: "en"}},
		},
		Log: w.log, Write: w.db.Write, Read: w.db.Read, Ledger: w.ledger, Callbacks: callbacks,
		Bridge: w.bridge, Exporter: exporter, Importer: w.importer(newID), Metrics: prometheus.NewRegistry(), Now: time.Now, NewID: newID,
		Logger:  slog.New(slog.NewJSONHandler(&lockedWriter{w: w.logs}, nil)),
		Version: map[string]string{"version": "1.2.3", "commit": "abc", "go": "go1.26"},
	}
	cfg.Reader = w.reader(cfg.Accounts)
	for _, scope := range []string{"admin", "read", "write", "audit"} {
		cfg.Tokens = append(cfg.Tokens, server.Token{Name: scope, Secret: secretOf(scope), Scopes: []string{scope}})
	}
	cfg.Tokens = append(cfg.Tokens, server.Token{Name: "nothing", Secret: secretOf("nothing")})
	for _, o := range options {
		o(&cfg)
	}
	return cfg
}

// reader asks the world's providers; its Run is not needed for what is asked at once.
func (w *world) reader(accounts []server.Account) *readback.Reader {
	var asked []readback.Account
	for _, a := range accounts {
		source, ok := a.Provider.(provider.PermissionReader)
		require.True(w.tb, ok)
		asked = append(asked, readback.Account{Name: a.Name, Business: a.Business, Source: source, Rate: 1000, Retries: time.Hour})
	}
	r, err := readback.New(readback.Config{
		Ledger: w.ledger, Accounts: asked, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(&lockedWriter{w: w.logs}, nil)),
		Asked: func(q readback.Question) { w.server.Asked(q) },
	})
	require.NoError(w.tb, err)
	return r
}

// importer is a running importer of do-not-call lists.
func (w *world) importer(newID func() string) *compliance.Importer {
	i, err := compliance.NewImporter(compliance.ImporterConfig{Log: w.log, Read: w.db.Read, Ledger: w.ledger, Now: time.Now, NewID: newID})
	require.NoError(w.tb, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.tb.Context()))
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	w.tb.Cleanup(func() {
		stop()
		require.NoError(w.tb, <-done)
	})
	return i
}

func (w *world) metaAccount() *meta.Account {
	a, err := meta.New(meta.Config{
		Name: "acme", Business: business, PhoneNumberID: phoneNumberID, BaseURL: w.graph.URL, Token: "graph-token-0123456789",
		AppSecret: appSecret, VerifyToken: verifyToken, HTTP: w.graph.Client(), Now: time.Now,
	})
	require.NoError(w.tb, err)
	return a
}

func (w *world) eightAccount() *eightx8.Account {
	a, err := eightx8.New(eightx8.Config{
		Name: "other", Business: otherBusiness, BaseURL: w.graph.URL, SubAccount: subAccount, Channel: channel,
		Key: "api-key-0123456789", Authorization: authorization, HTTP: w.graph.Client(), Now: time.Now,
	})
	require.NoError(w.tb, err)
	return a
}

func counter(prefix string) func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("%s-%04d", prefix, n)
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

type noDialer struct{}

func (noDialer) Dial(context.Context, callback.Dial) (permissions.Outcome, error) {
	return permissions.OutcomeFailed, nil
}

// graph stands in for the providers' APIs: it takes every message.
type graph struct {
	*httptest.Server

	mu     sync.Mutex
	bodies [][]byte
	fail   bool
	code   int // of a failure
	// The permission query's answer; nothing is granted when empty.
	told       string
	toldStatus int
	asked      int
}

func newGraph(tb testing.TB) *graph {
	tb.Helper()
	g := &graph{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		defer g.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet { // call_permissions, callPermissions
			g.asked++
			w.WriteHeader(max(g.toldStatus, http.StatusOK))
			_, _ = io.WriteString(w, g.told)
			return
		}
		g.bodies = append(g.bodies, b)
		if g.fail {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":{"message":"(#%d) to +6591234567","code":%d}}`, g.code, g.code)
			return
		}
		_, _ = fmt.Fprintf(w, `{"messaging_product":"whatsapp","messages":[{"id":"wamid.REQ%d"}],"umid":"00000000-0000-0000-0000-%012d","status":{"state":"queued"}}`, len(g.bodies), len(g.bodies))
	}))
	tb.Cleanup(g.Close)
	return g
}

// refuse lets every message fail with a code of the provider.
func (g *graph) refuse(code int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail, g.code = true, code
}

// tell sets what the permission query answers.
func (g *graph) tell(status int, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told, g.toldStatus = body, status
}

func (g *graph) sent() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.bodies)
}

// bridge records what reaches it.
type bridge struct {
	mu         sync.Mutex
	delivered  []sipbridge.Event
	originated []sipbridge.Originate
	live       []sipbridge.LiveCall
	cdrs       []sipbridge.CDR
	err        error
	block      chan struct{}
}

func (b *bridge) Deliver(_ context.Context, e sipbridge.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delivered = append(b.delivered, e)
}

func (b *bridge) events() []sipbridge.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.delivered
}

func (b *bridge) Originate(_ context.Context, o sipbridge.Originate, _ func(sipbridge.Result)) (string, error) {
	if b.block != nil {
		<-b.block
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return "", b.err
	}
	b.originated = append(b.originated, o)
	return o.CallID, nil
}

func (b *bridge) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.originated)
}

func (b *bridge) HangUp(id, _ string) bool {
	for _, l := range b.live {
		if l.ID == id {
			return true
		}
	}
	return false
}

func (b *bridge) Live() []sipbridge.LiveCall { return b.live }

func (b *bridge) CDRs(_ context.Context, limit int, _ string) ([]sipbridge.CDR, string, error) {
	return b.cdrs[:min(limit, len(b.cdrs))], "", nil
}

func (b *bridge) CDR(_ context.Context, id string) (sipbridge.CDR, bool, error) {
	for _, c := range b.cdrs {
		if c.ID == id {
			return c, true, nil
		}
	}
	return sipbridge.CDR{}, false, nil
}

// rows counts every row of every table that holds state or evidence.
func (w *world) rows() map[string]int {
	w.tb.Helper()
	tables := map[string]int{}
	names := w.strings(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'`)
	for _, name := range names {
		tables[name] = w.count(`SELECT count(*) FROM "` + name + `"`)
	}
	return tables
}

func (w *world) count(query string, args ...any) int {
	w.tb.Helper()
	var n int
	require.NoError(w.tb, w.db.Read.QueryRowContext(w.tb.Context(), query, args...).Scan(&n))
	return n
}

func (w *world) strings(query string, args ...any) []string {
	w.tb.Helper()
	rows, err := w.db.Read.QueryContext(w.tb.Context(), query, args...)
	require.NoError(w.tb, err)
	defer func() { require.NoError(w.tb, rows.Close()) }()
	var out []string
	for rows.Next() {
		var s sql.NullString
		require.NoError(w.tb, rows.Scan(&s))
		out = append(out, s.String)
	}
	require.NoError(w.tb, rows.Err())
	return out
}

// kinds are the audit kinds so far, in order.
func (w *world) kinds() []string {
	return w.strings(`SELECT kind FROM audit_entries ORDER BY idx`)
}

func sign(raw []byte) string {
	m := hmac.New(sha256.New, []byte(appSecret))
	_, _ = m.Write(raw)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// post sends a delivery to Meta's webhook, signed.
func (w *world) post(raw []byte) *response {
	w.tb.Helper()
	return w.do(http.MethodPost, "/webhooks/meta/acme", raw, map[string]string{"X-Hub-Signature-256": sign(raw)})
}

// post8x8 sends a delivery to 8x8's webhook, with its header.
func (w *world) post8x8(raw []byte) *response {
	w.tb.Helper()
	return w.do(http.MethodPost, "/webhooks/8x8/other", raw, map[string]string{"Authorization": authorization})
}

// as calls the API with the token of a scope; in is JSON or nil.
func (w *world) as(scope, method, path string, in any, headers ...string) *response {
	w.tb.Helper()
	var body []byte
	if in != nil {
		var err error
		body, err = json.Marshal(in)
		require.NoError(w.tb, err)
	}
	h := map[string]string{"Authorization": "Bearer " + secretOf(scope), "Content-Type": "application/json"}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return w.do(method, path, body, h)
}

type response struct {
	status int
	header http.Header
	body   []byte
}

func (r *response) json(tb testing.TB) map[string]any {
	tb.Helper()
	var out map[string]any
	require.NoError(tb, json.Unmarshal(r.body, &out), "%s", r.body)
	return out
}

func (r *response) into(tb testing.TB, v any) {
	tb.Helper()
	require.NoError(tb, json.Unmarshal(r.body, v), "%s", r.body)
}

func (w *world) do(method, path string, body []byte, headers map[string]string) *response {
	w.tb.Helper()
	r, err := w.try(method, path, bytes.NewReader(body), headers)
	require.NoError(w.tb, err)
	return r
}

func (w *world) try(method, path string, body io.Reader, headers map[string]string) (*response, error) {
	req, err := http.NewRequestWithContext(w.tb.Context(), method, w.URL+path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := w.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return &response{status: res.StatusCode, header: res.Header, body: b}, err
}
