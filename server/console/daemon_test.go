package console_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/sipbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	business    = "+6531234567"
	customer    = "+6591234567"
	secret      = "secret-of-the-operator"
	auditSecret = "secret-of-the-auditor"
)

// hostile are texts that people could choose as a name or send in a header.
var hostile = []string{
	`<img src=x onerror="ran=1">`,
	`<script>ran=1</script>`,
	`"><svg onload=ran=1>`,
	`'-ran=1-'`,
	`</td></tr></table><iframe srcdoc="<script>parent.ran=1</script>">`,
	`<a href="javascript:ran=1" autofocus onfocus=ran=1>call me</a>`,
	`{{constructor.constructor("ran=1")()}}${ran=1}`,
	"\u202egnp.exe \u2066<b>bold</b> &lt;i&gt; &amp;",
	`<style>@import "http://127.0.0.1:1/x.css"</style><link rel=stylesheet href=//127.0.0.1:1>`,
}

// daemon is the real server over a real database; only calls are a stand-in.
type daemon struct {
	*httptest.Server

	t         *testing.T
	log       *audit.Log
	ledger    *permissions.Ledger
	callbacks *callback.Scheduler
	bridge    *bridge
	logs      *lockedBuffer
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	d := &daemon{t: t, logs: &lockedBuffer{}}
	d.log, err = audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: filepath.Join(dir, "audit"), Origin: "callctl/test", Now: time.Now})
	require.NoError(t, err)
	d.bridge = &bridge{log: d.log}
	rules, err := geo.Load()
	require.NoError(t, err)
	d.ledger, err = permissions.New(permissions.Config{
		Log: d.log, Read: db.Read, Geo: rules, Businesses: []permissions.Business{{Number: business, Account: "acme", Rules: "meta-any-hour"}},
		Packs: []json.RawMessage{json.RawMessage(`{"name": "meta-any-hour", "version": "2026-01-01", "valid_from": "2026-01-01",
			"base": "meta", "hours": null, "sources": {"hours": "a test runs at any hour"}}`)},
	})
	require.NoError(t, err)
	d.callbacks, err = callback.New(callback.Config{Log: d.log, Read: db.Read, Ledger: d.ledger, Dialer: noDialer{}, NewID: uuid.NewString})
	require.NoError(t, err)
	s, err := server.New(server.Config{
		Log: d.log, Write: db.Write, Read: db.Read, Ledger: d.ledger, Callbacks: d.callbacks, Bridge: d.bridge,
		Logger: slog.New(slog.NewJSONHandler(d.logs, nil)),
		Tokens: []server.Token{
			{Name: "operator", Secret: secret, Scopes: []string{"read", "write", "audit"}},
			{Name: "auditor", Secret: auditSecret, Scopes: []string{"audit"}},
		},
	})
	require.NoError(t, err)
	d.Server = httptest.NewUnstartedServer(s.Handler())
	d.Config = server.HTTPServer("", s.Handler())
	d.Start()
	t.Cleanup(func() {
		require.NoError(t, s.Shutdown(context.WithoutCancel(t.Context())))
		d.Close()
	})
	return d
}

// append writes an entry to the audit log, as the daemon does when something happened.
func (d *daemon) append(kind string) {
	d.t.Helper()
	require.NoError(d.t, appendTo(d.t.Context(), d.log, kind))
}

func appendTo(ctx context.Context, log *audit.Log, kind string) error {
	return log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		_, err := tx.Append(ctx, audit.Record{Kind: kind, Payload: map[string]string{"callId": "live"}})
		return err
	})
}

// ring begins a call, with its entry.
func (d *daemon) ring(id, user string) {
	d.t.Helper()
	d.bridge.mu.Lock()
	d.bridge.live = append(d.bridge.live, sipbridge.LiveCall{
		ID: id, Direction: sipbridge.UserInitiated, User: user, Business: business, State: "ringing", StartedAt: time.Now(),
	})
	d.bridge.mu.Unlock()
	d.append("call.received")
}

// end adds the record of an ended call for each user, whose name is everywhere.
func (d *daemon) end(users ...string) {
	d.t.Helper()
	for _, u := range users {
		d.bridge.ended = append(d.bridge.ended, sipbridge.CDR{
			ID: u, Direction: sipbridge.BusinessInitiated, Business: business, User: u, Agent: u,
			StartedAt: time.Now(), EndedAt: time.Now(), Disposition: u, EndedBy: u,
		})
	}
}

// schedule has the customer grant permission, and promises a call tomorrow.
func (d *daemon) schedule() string {
	d.t.Helper()
	pair := permissions.Pair{Business: business, User: customer}
	_, err := d.ledger.Record(d.t.Context(), permissions.Event{
		ID: "meta/wamid.G1", Kind: permissions.Granted, Pair: pair, At: time.Now(), Account: "acme", Auth: permissions.AuthHMAC,
		Expires: time.Now().Add(7 * 24 * time.Hour),
	})
	require.NoError(d.t, err)
	c, err := d.callbacks.Add(d.t.Context(), callback.Callback{
		Business: business, User: customer, Agent: "1001", NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(25 * time.Hour),
	})
	require.NoError(d.t, err)
	return c.ID
}

func (d *daemon) callbackState(id string) string {
	d.t.Helper()
	c, err := d.callbacks.Get(d.t.Context(), id)
	require.NoError(d.t, err)
	return string(c.State)
}

func (d *daemon) root() string {
	d.t.Helper()
	c, err := d.log.Checkpoint(d.t.Context())
	require.NoError(d.t, err)
	return base64.StdEncoding.EncodeToString(c.Root[:])
}

func (d *daemon) logged() string {
	d.logs.mu.Lock()
	defer d.logs.mu.Unlock()
	return d.logs.String()
}

type lockedBuffer struct {
	bytes.Buffer

	mu sync.Mutex
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

type noDialer struct{}

func (noDialer) Dial(context.Context, callback.Dial) (permissions.Outcome, error) {
	return permissions.OutcomeFailed, nil
}

// bridge has the calls that the test gave it, and ends one that is hung up.
type bridge struct {
	mu    sync.Mutex
	log   *audit.Log
	live  []sipbridge.LiveCall
	ended []sipbridge.CDR
	ids   []string
}

func (b *bridge) HangUp(id, _ string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.live, func(l sipbridge.LiveCall) bool { return l.ID == id })
	if i < 0 {
		return false
	}
	b.ids = append(b.ids, id)
	l := b.live[i]
	b.live = slices.Delete(b.live, i, i+1)
	b.ended = slices.Insert(b.ended, 0, sipbridge.CDR{ID: id, Direction: l.Direction, Business: l.Business, User: l.User, StartedAt: l.StartedAt, EndedAt: time.Now(), Disposition: "ANSWERED"})
	return appendTo(context.Background(), b.log, "call.ended") == nil
}

func (b *bridge) hungUp() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ids)
}

func (b *bridge) Live() []sipbridge.LiveCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.live)
}

func (b *bridge) CDRs(_ context.Context, limit int, _ string) ([]sipbridge.CDR, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ended[:min(limit, len(b.ended))]), "", nil
}

func (b *bridge) CDR(context.Context, string) (sipbridge.CDR, bool, error) {
	return sipbridge.CDR{}, false, nil
}

func (b *bridge) Originate(context.Context, sipbridge.Originate, func(sipbridge.Result)) (string, error) {
	return "", http.ErrNotSupported
}

func (b *bridge) Deliver(context.Context, sipbridge.Event) {}
