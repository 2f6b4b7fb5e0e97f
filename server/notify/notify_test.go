package notify

import (
	"crypto/x509"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (h *house) subscribe(tb testing.TB, n *Notifier, url string, kinds ...string) Subscription {
	tb.Helper()
	s, err := n.Create(tb.Context(), Draft{URL: url, Kinds: kinds, Actor: "ops"})
	require.NoError(tb, err)
	return s
}

func TestDeliveryIsASignedCloudEvent(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	n := h.notifier(t)
	start(t, n)
	s := h.subscribe(t, n, r.URL+"/hook?tenant=1")
	index := h.add(t, "permission.granted")
	d := r.wait(t, 1)[0]

	require.NoError(t, d.verify(s.Secret))
	other, err := newSecret(strings.NewReader(strings.Repeat("x", keySize)))
	require.NoError(t, err)
	require.Error(t, d.verify(other))
	changed := d
	changed.body = []byte(strings.Replace(string(d.body), "granted", "revoked", 1))
	require.Error(t, changed.verify(s.Secret))

	require.Equal(t, strconv.FormatInt(index, 10), d.header.Get("Webhook-Id"))
	require.Equal(t, "application/cloudevents+json", d.header.Get("Content-Type"))
	e := d.event(t)
	at, ok := e["time"].(string)
	require.True(t, ok)
	parsed, err := time.Parse(time.RFC3339Nano, at)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), parsed, time.Minute)
	delete(e, "time")
	require.Equal(t, map[string]any{
		"specversion": "1.0", "id": strconv.FormatInt(index, 10), "source": "callctl/test", "type": "callctl.permission.granted",
		"subject": "s-alice", "datacontenttype": "application/json", "data": map[string]any{"kind": "permission.granted"},
	}, e)
	require.Eventually(t, func() bool { return h.subscription(t, n, s.ID).Delivered == index }, 5*time.Second, time.Millisecond)
}

func TestDeliveriesComeInTheOrderOfTheLog(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	n := h.notifier(t)
	stop := start(t, n)
	h.subscribe(t, n, r.URL)
	r.answer(500, 204, 204, 503, 503) // an event that fails holds back those after it
	const events = 100
	for i := range events {
		h.add(t, fmt.Sprintf("call.event%d", i))
	}
	got := r.wait(t, events+3)
	stop()
	last, seen := int64(-1), 0
	for _, d := range got {
		id, err := strconv.ParseInt(d.header.Get("Webhook-Id"), 10, 64)
		require.NoError(t, err)
		require.True(t, id == last || id == last+1 || last == -1, "%d after %d", id, last)
		if id != last {
			require.Equal(t, fmt.Sprintf("call.event%d", seen), d.kind(t))
			seen++
		}
		last = id
	}
	require.Equal(t, events, seen)
}

func TestFilter(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	n := h.notifier(t)
	start(t, n)
	h.subscribe(t, n, r.URL, "permission.", "call.ended")
	h.add(t, "call.ended", "call.ended_early", "permissions.read", "permission.granted", "dnc.added", "permission.revoked")
	require.Equal(t, []string{"call.ended", "permission.granted", "permission.revoked"}, kindsOf(t, r.wait(t, 3)))
}

func TestBeginsWithWhatHappensNext(t *testing.T) {
	h, all, next := newHouse(t), newReceiver(t), newReceiver(t)
	n := h.notifier(t)
	h.add(t, "call.one", "call.two")
	h.subscribe(t, n, next.URL, "call.")
	from := int64(0)
	_, err := n.Create(t.Context(), Draft{URL: all.URL, Kinds: []string{"call."}, After: &from})
	require.NoError(t, err)
	h.add(t, "call.three")
	start(t, n) // what came before the start is delivered too
	require.Equal(t, []string{"call.two", "call.three"}, kindsOf(t, all.wait(t, 2)))
	require.Equal(t, []string{"call.three"}, kindsOf(t, next.wait(t, 1)))
}

// After a restart the deliveries go on where they were, nothing twice and
// nothing left out.
func TestResumesAfterRestart(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	first := h.notifier(t)
	stop := start(t, first)
	s := h.subscribe(t, first, r.URL, "call.")
	h.add(t, "call.one", "call.two")
	r.wait(t, 2)
	stop()
	h.add(t, "call.three", "dnc.added", "call.four")
	start(t, h.notifier(t))
	got := r.wait(t, 4)
	require.Equal(t, []string{"call.one", "call.two", "call.three", "call.four"}, kindsOf(t, got))
	for _, d := range got {
		require.NoError(t, d.verify(s.Secret), "the secret is the one that was shown")
	}
}

// An answer that was lost leads to the same delivery again, with the same id.
func TestUncertainDeliveryIsRepeated(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	r.answers = append(r.answers, func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	n := h.notifier(t)
	start(t, n)
	h.subscribe(t, n, r.URL)
	h.add(t, "call.ended")
	got := r.wait(t, 2)
	require.Equal(t, got[0].header.Get("Webhook-Id"), got[1].header.Get("Webhook-Id"))
	require.Equal(t, got[0].body, got[1].body)
}

// What is written to the log while the process stops is delivered before it ends.
func TestStopFlushes(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	n := h.notifier(t)
	stop := start(t, n)
	release := make(chan struct{})
	r.answers = append(r.answers, func(w http.ResponseWriter) { <-release; w.WriteHeader(http.StatusOK) })
	s := h.subscribe(t, n, r.URL, "call.")
	h.add(t, "call.one")
	r.wait(t, 1)
	last := h.add(t, "call.two", "call.three")
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	stop()
	require.Equal(t, []string{"call.one", "call.two", "call.three"}, kindsOf(t, r.deliveries()))
	require.Equal(t, last, h.subscription(t, n, s.ID).Delivered)
}

func TestGoneDisables(t *testing.T) {
	h, gone, well := newHouse(t), newReceiver(t), newReceiver(t)
	gone.answer(http.StatusGone)
	n := h.notifier(t)
	stop := start(t, n)
	s := h.subscribe(t, n, gone.URL, "call.")
	h.subscribe(t, n, well.URL, "call.")
	h.add(t, "call.one", "call.two")
	well.wait(t, 2) // one that fails disturbs no other
	require.Eventually(t, func() bool { return h.subscription(t, n, s.ID).State == Disabled }, 5*time.Second, time.Millisecond)
	require.Equal(t, "answered 410", h.subscription(t, n, s.ID).Problem)
	require.Contains(t, h.kinds(t), kindDisabled)
	h.add(t, "call.three")
	well.wait(t, 3)
	stop()
	start(t, h.notifier(t))
	h.add(t, "call.four")
	well.wait(t, 4)
	require.Len(t, gone.deliveries(), 1)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	h, r, elsewhere := newHouse(t), newReceiver(t), newReceiver(t)
	for range 2 {
		r.answers = append(r.answers, func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
	}
	n := h.notifier(t)
	start(t, n)
	s := h.subscribe(t, n, r.URL)
	h.add(t, "call.one")
	r.wait(t, 3)
	require.Empty(t, elsewhere.deliveries())
	require.Eventually(t, func() bool { return h.subscription(t, n, s.ID).State == Active }, 5*time.Second, time.Millisecond)
}

func TestDeleted(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	n := h.notifier(t)
	stop := start(t, n)
	s := h.subscribe(t, n, r.URL, "call.")
	h.add(t, "call.one")
	r.wait(t, 1)
	require.NoError(t, n.Delete(t.Context(), s.ID, "ops"))
	require.ErrorIs(t, n.Delete(t.Context(), s.ID, "ops"), ErrNotFound)
	h.add(t, "call.two")
	stop()
	require.LessOrEqual(t, len(r.deliveries()), 1)
	require.Equal(t, []string{kindCreated, "call.one", kindDeleted, "call.two"}, h.kinds(t))
	subs, err := n.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, subs)
}

func TestTLSIsVerified(t *testing.T) {
	h, r := newHouse(t), &receiver{}
	s := httptest.NewUnstartedServer(r)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // the refused handshake
	s.StartTLS()
	t.Cleanup(s.Close)
	strict := h.notifier(t)
	stop := start(t, strict)
	sub := h.subscribe(t, strict, s.URL, "call.")
	h.add(t, "call.one")
	require.Eventually(t, func() bool { return h.subscription(t, strict, sub.ID).State == Failing }, 5*time.Second, time.Millisecond)
	stop()
	require.Equal(t, "the certificate is not trusted", h.subscription(t, strict, sub.ID).Problem)
	require.Empty(t, r.deliveries())
	start(t, h.notifier(t, func(c *Config) {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(s.Certificate())
	}))
	require.NoError(t, r.wait(t, 1)[0].verify(sub.Secret))
}

// The secret and the address stay out of the log of the process, of the audit
// and of lists.
func TestSecretIsShownOnce(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	r.answer(500)
	n := h.notifier(t)
	start(t, n)
	s := h.subscribe(t, n, r.URL+"/T0KEN-in-path", "call.")
	h.add(t, "call.one")
	r.wait(t, 2)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, string(s.Secret))
	require.Empty(t, h.subscription(t, n, s.ID).Secret)
	require.Contains(t, h.logged.String(), "answered 500")
	for _, hidden := range []string{"T0KEN", string(s.Secret)} {
		require.NotContains(t, h.logged.String(), hidden)
		require.NotContains(t, h.payloads(t), hidden)
	}
	require.Equal(t, "whsec_…", s.Secret.LogValue().String())
}

func TestCreateRefuses(t *testing.T) {
	h := newHouse(t)
	n := h.notifier(t, func(c *Config) { c.AllowPrivate = false })
	for _, d := range []struct {
		draft Draft
		want  error
	}{
		{Draft{URL: "https://example.com", Kinds: []string{"*"}}, ErrKinds},
		{Draft{URL: "https://example.com", Kinds: []string{""}}, ErrKinds},
		{Draft{URL: "https://example.com", Kinds: []string{"Permission."}}, ErrKinds},
		{Draft{URL: "https://example.com", Kinds: []string{strings.Repeat("a", 65)}}, ErrKinds},
		{Draft{URL: "https://example.com", Kinds: make([]string, 51)}, ErrKinds},
		{Draft{URL: "https://example.com", After: new(int64(5))}, ErrAfter},
		{Draft{URL: "https://example.com", After: new(int64(-2))}, ErrAfter},
		{Draft{URL: "ftp://example.com"}, ErrURL},
	} {
		_, err := n.Create(t.Context(), d.draft)
		require.ErrorIs(t, err, d.want, "%+v", d.draft)
	}
	require.Empty(t, h.kinds(t))
	for range MaxSubscriptions {
		h.subscribe(t, n, "https://example.com/hook")
	}
	_, err := n.Create(t.Context(), Draft{URL: "https://example.com/hook"})
	require.ErrorIs(t, err, ErrTooMany)
}

func TestConfig(t *testing.T) {
	_, err := New(Config{Read: &sql.DB{}})
	require.ErrorIs(t, err, ErrConfig)
}

func (h *house) payloads(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	entries, err := h.log.Entries(tb.Context(), auditAll)
	require.NoError(tb, err)
	for _, e := range entries {
		b.Write(e.Payload)
	}
	return b.String()
}
