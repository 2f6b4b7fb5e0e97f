package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a log in a real database and what is needed to subscribe to it.
type house struct {
	dir    string
	db     *migrations.DB
	log    *audit.Log
	logged *lockedBuffer
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{dir: tb.TempDir(), logged: &lockedBuffer{}}
	db, err := migrations.Open(tb.Context(), filepath.Join(h.dir, "callctl.db"))
	require.NoError(tb, err)
	h.db = db
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	h.log, err = audit.New(tb.Context(), audit.Config{
		Write: db.Write, Read: db.Read, Dir: filepath.Join(h.dir, "audit"), Origin: "callctl/test", Now: time.Now,
	})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		_, err := audit.VerifyDatabase(context.WithoutCancel(tb.Context()), db.Read, audit.Verification{Dir: filepath.Join(h.dir, "audit")})
		require.NoError(tb, err)
	})
	return h
}

// notifier makes one that may post to this machine.
func (h *house) notifier(tb testing.TB, options ...func(*Config)) *Notifier {
	tb.Helper()
	cfg := Config{Log: h.log, Read: h.db.Read, AllowPrivate: true, Logger: slog.New(slog.NewTextHandler(h.logged, nil))}
	for _, o := range options {
		o(&cfg)
	}
	n, err := New(cfg)
	require.NoError(tb, err)
	return n
}

// start runs a notifier until the test ends or stop is called.
func start(tb testing.TB, n *Notifier) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	tb.Cleanup(stop)
	return stop
}

// add appends entries and returns the index of the last.
func (h *house) add(tb testing.TB, kinds ...string) (last int64) {
	tb.Helper()
	require.NoError(tb, h.log.Update(tb.Context(), func(ctx context.Context, tx *audit.Tx) (err error) {
		for _, k := range kinds {
			if last, err = tx.Append(ctx, audit.Record{Kind: k, Subject: "s-alice", Payload: map[string]string{"kind": k}}); err != nil {
				return err
			}
		}
		return nil
	}))
	return last
}

func (h *house) subscription(tb testing.TB, n *Notifier, id string) Subscription {
	tb.Helper()
	subs, err := n.List(tb.Context())
	require.NoError(tb, err)
	for _, s := range subs {
		if s.ID == id {
			return s
		}
	}
	require.Fail(tb, "no such subscription")
	return Subscription{}
}

func (h *house) kinds(tb testing.TB) (kinds []string) {
	tb.Helper()
	entries, err := h.log.Entries(tb.Context(), audit.Query{After: -1, Limit: 10000})
	require.NoError(tb, err)
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// delivery is a request as a receiver sees it.
type delivery struct {
	header http.Header
	body   []byte
	at     time.Time
}

func (d delivery) event(tb testing.TB) map[string]any {
	tb.Helper()
	var e map[string]any
	require.NoError(tb, json.Unmarshal(d.body, &e))
	return e
}

func (d delivery) kind(tb testing.TB) string {
	tb.Helper()
	typ, ok := d.event(tb)["type"].(string)
	require.True(tb, ok)
	return strings.TrimPrefix(typ, "callctl.")
}

// verify is the receiver's side of the Standard Webhooks specification, written
// from its text: the key is the base64 after "whsec_", the signed content is
// id.timestamp.body, and one of the space-separated signatures must match.
func (d delivery) verify(secret Secret) error {
	key, err := base64.StdEncoding.DecodeString(string(secret)[len("whsec_"):])
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(d.header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		return err
	}
	if age := time.Since(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return errors.New("too old or too new")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(bytes.Join([][]byte{[]byte(d.header.Get("Webhook-Id")), []byte(d.header.Get("Webhook-Timestamp")), d.body}, []byte(".")))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for one := range strings.FieldsSeq(d.header.Get("Webhook-Signature")) {
		if version, sum, _ := strings.Cut(one, ","); version == "v1" && hmac.Equal([]byte(sum), []byte(want)) {
			return nil
		}
	}
	return errors.New("no signature matches")
}

// receiver is somebody's endpoint. It answers with the next of its answers, and
// with 204 when there are none.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	got     []delivery
	answers []func(http.ResponseWriter)
}

func newReceiver(tb testing.TB) *receiver {
	tb.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	tb.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.got = append(r.got, delivery{header: req.Header.Clone(), body: body, at: time.Now()})
	answer := func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	if len(r.answers) > 0 {
		answer, r.answers = r.answers[0], r.answers[1:]
	}
	r.mu.Unlock()
	answer(w)
}

func (r *receiver) answer(statuses ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range statuses {
		r.answers = append(r.answers, func(w http.ResponseWriter) { w.WriteHeader(s) })
	}
}

func (r *receiver) deliveries() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery{}, r.got...)
}

// wait returns the deliveries once there are n.
func (r *receiver) wait(tb testing.TB, n int) []delivery {
	tb.Helper()
	require.Eventually(tb, func() bool { return len(r.deliveries()) >= n }, 10*time.Second, 2*time.Millisecond, "%d deliveries", n)
	return r.deliveries()
}

func kindsOf(tb testing.TB, list []delivery) (kinds []string) {
	tb.Helper()
	for _, d := range list {
		kinds = append(kinds, d.kind(tb))
	}
	return kinds
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
