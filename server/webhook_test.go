package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/sipbridge"
)

func TestWebhookGrant(t *testing.T) {
	w := newWorld(t)
	r := w.post(grant("wamid.G1"))
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	p, err := w.ledger.Permission(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Equal(t, permissions.StatusTemporary, p.Status)
	require.Equal(t, permissions.AuthHMAC, p.GrantAuth)
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE id = ? AND state = 'stored' AND raw IS NULL`, events[0].Webhook))
}

func TestWebhook8x8GrantIsUnverified(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, http.StatusOK, w.post8x8(reply8x8("2b1e044d-6fce-4a11-8962-b39900a755c1")).status)
	p, err := w.ledger.Permission(t.Context(), permissions.Pair{Business: otherBusiness, User: customer})
	require.NoError(t, err)
	require.Equal(t, permissions.StatusTemporary, p.Status)
	require.Equal(t, permissions.AuthBearer, p.GrantAuth)
	require.False(t, p.Verified)
}

// A delivery that is not authenticated leaves nothing behind but a count.
func TestWebhookUnauthenticated(t *testing.T) {
	w := newWorld(t)
	before := w.rows()
	body := grant("wamid.G1")
	good := sign(body)
	headers := []string{
		"", "sha256=", strings.TrimPrefix(good, "sha256="), strings.ToUpper(good), good[:len(good)-2], good + "00",
		"sha1=" + good[7:], sign(append(bytes.Clone(body), ' ')), "sha256=" + strings.Repeat("0", 64), " " + good[:8], good + "," + good,
	}
	for _, h := range headers {
		r := w.do(http.MethodPost, "/webhooks/meta/acme", body, map[string]string{"X-Hub-Signature-256": h})
		require.Equal(t, http.StatusUnauthorized, r.status, "header %q", h)
		require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	}
	for _, h := range []string{"", "Basic", authorization + "x", "Bearer " + authorization, strings.ToLower(authorization)} {
		r := w.do(http.MethodPost, "/webhooks/8x8/other", reply8x8("u"), map[string]string{"Authorization": h})
		require.Equal(t, http.StatusUnauthorized, r.status, "header %q", h)
	}
	flipped := bytes.Clone(body)
	for i := range flipped {
		flipped[i] ^= 1
		r := w.do(http.MethodPost, "/webhooks/meta/acme", flipped, map[string]string{"X-Hub-Signature-256": good})
		require.Equal(t, http.StatusUnauthorized, r.status, "bit flipped in byte %d", i)
		flipped[i] ^= 1
	}
	require.Equal(t, before, w.rows())
	require.Contains(t, w.metrics(), fmt.Sprintf(`callctl_webhook_deliveries_total{provider="meta",result="unauthenticated"} %d`, len(headers)+len(body)))
}

func TestWebhookRepeats(t *testing.T) {
	w := newWorld(t)
	body := grant("wamid.G1")
	var wg sync.WaitGroup
	statuses := make(chan int, 1000)
	for range 16 {
		wg.Go(func() {
			for range 1000 / 16 {
				r, err := w.try(http.MethodPost, "/webhooks/meta/acme", bytes.NewReader(body), map[string]string{"X-Hub-Signature-256": sign(body)})
				if err != nil {
					statuses <- 0
					continue
				}
				statuses <- r.status
			}
		})
	}
	wg.Wait()
	close(statuses)
	n := 0
	for s := range statuses {
		require.Equal(t, http.StatusOK, s)
		n++
	}
	for ; n < 1000; n++ {
		require.Equal(t, http.StatusOK, w.post(body).status)
	}
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, []string{"permission.granted"}, w.kinds())
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries`))
	require.Equal(t, 999, w.count(`SELECT repeats FROM webhook_deliveries`))
}

// The same event in another body (another batch) is still one event.
func TestWebhookSameEventOtherBody(t *testing.T) {
	w := newWorld(t)
	g := reply("wamid.G1", "accept")
	require.Equal(t, http.StatusOK, w.post(change("messages", value(phoneNumberID, g))).status)
	require.Equal(t, http.StatusOK, w.post(change("messages", value(phoneNumberID, g, text("wamid.T1", "hello")))).status)
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Len(t, events, 2)
}

func TestWebhookMalformed(t *testing.T) {
	w := newWorld(t)
	deep := []byte(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100))
	bodies := map[string][]byte{
		"cut":           grant("wamid.G1")[:80],
		"empty":         {},
		"two values":    []byte(`{} {}`),
		"not JSON":      []byte("call +6591234567"),
		"duplicate key": []byte(`{"object":"a","object":"b"}`),
		"too deep":      deep,
	}
	for name, body := range bodies {
		r := w.post(body)
		require.Equal(t, http.StatusBadRequest, r.status, name)
		require.Equal(t, "malformed", r.json(t)["reason"], name)
	}
	require.Equal(t, http.StatusBadRequest, w.post(bodies["cut"]).status, "again")
	var l struct {
		Items []struct {
			ID      int64
			State   string
			Repeats int
			Account string
			Problem string
		}
	}
	w.as("admin", http.MethodGet, "/v1/deliveries?state=malformed", nil).into(t, &l)
	require.Len(t, l.Items, len(bodies))
	require.Len(t, w.kinds(), len(bodies))
	found := map[string]bool{}
	for _, item := range l.Items {
		require.Equal(t, "malformed", item.State)
		require.Equal(t, "acme", item.Account)
		require.NotContains(t, item.Problem, "91234567")
		r := w.as("admin", http.MethodGet, fmt.Sprintf("/v1/deliveries/%d/content", item.ID), nil)
		found[string(r.body)] = true
	}
	for name, body := range bodies {
		require.True(t, found[string(body)], "the body of %q is kept", name)
	}
}

func TestWebhookMalformedIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a thousand rows")
	}
	w := newWorld(t)
	for i := range 1010 {
		require.Equal(t, http.StatusBadRequest, w.post(fmt.Appendf(nil, "no JSON %d", i)).status)
	}
	require.Equal(t, 1000, w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'malformed'`))
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE raw = ?`, []byte("no JSON 1009")))
	require.Len(t, w.kinds(), 1010, "the audit keeps them all")
}

func TestWebhookTooLarge(t *testing.T) {
	w := newWorld(t)
	before := w.rows()
	body := bytes.Repeat([]byte(" "), 3<<20+1)
	headers := map[string]string{"X-Hub-Signature-256": sign(body)}
	for name, reader := range map[string]io.Reader{"content-length": bytes.NewReader(body), "chunked": struct{ io.Reader }{bytes.NewReader(body)}} {
		r, err := w.try(http.MethodPost, "/webhooks/meta/acme", reader, headers)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusRequestEntityTooLarge, r.status, name)
	}
	require.Equal(t, before, w.rows())
	padded := append(grant("wamid.G1"), body...)[:3<<20]
	require.Equal(t, http.StatusOK, w.post(padded).status, "at the limit")
}

func TestWebhookRefusesEncodings(t *testing.T) {
	w := newWorld(t)
	body := grant("wamid.G1")
	r := w.do(http.MethodPost, "/webhooks/meta/acme", body, map[string]string{"X-Hub-Signature-256": sign(body), "Content-Encoding": "gzip"})
	require.Equal(t, http.StatusUnsupportedMediaType, r.status)
	require.Zero(t, w.count(`SELECT count(*) FROM webhook_deliveries`))
}

func TestWebhookUnknown(t *testing.T) {
	w := newWorld(t)
	r := w.post(change("flows", `{"event":"FLOW_STATUS_CHANGE","flow_id":"6627390910605886"}`))
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, []string{"webhook.unknown"}, w.kinds())
	var l struct{ Items []struct{ Unknown []string } }
	w.as("admin", http.MethodGet, "/v1/deliveries?state=unknown", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.NotEmpty(t, l.Items[0].Unknown)
	require.Equal(t, http.StatusOK, w.post(change("flows", `{"event":"FLOW_STATUS_CHANGE","flow_id":"6627390910605886"}`)).status)
	require.Equal(t, []string{"webhook.unknown"}, w.kinds(), "once for each delivery")
}

func TestWebhookWrongAccount(t *testing.T) {
	w := newWorld(t)
	before := w.rows()
	require.Equal(t, http.StatusForbidden, w.post(change("messages", value("999999999999999", reply("wamid.G1", "accept")))).status)
	foreign := bytes.ReplaceAll(reply8x8("u-1"), []byte(channel), []byte("00000000-0000-4000-8000-000000000000"))
	require.Equal(t, http.StatusForbidden, w.post8x8(foreign).status)
	require.Equal(t, before, w.rows())
}

func TestWebhookUnknownAccount(t *testing.T) {
	w := newWorld(t)
	body := grant("wamid.G1")
	for _, path := range []string{"/webhooks/meta/nobody", "/webhooks/8x8/acme", "/webhooks/meta/other", "/webhooks/meta/"} {
		r := w.do(http.MethodPost, path, body, map[string]string{"X-Hub-Signature-256": sign(body)})
		require.Equal(t, http.StatusNotFound, r.status, path)
	}
}

func TestWebhookChallenge(t *testing.T) {
	w := newWorld(t)
	get := func(query string) *response { return w.do(http.MethodGet, "/webhooks/meta/acme?"+query, nil, nil) }
	r := get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + verifyToken)
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "1158201444", string(r.body))
	require.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, http.StatusForbidden, get("hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong").status)
	require.Equal(t, http.StatusForbidden, get("").status)
	require.Equal(t, http.StatusMethodNotAllowed, w.do(http.MethodGet, "/webhooks/8x8/other", nil, nil).status)
}

// Call events reach the bridge after the commit, and again when the delivery is
// repeated: the process may have died before it handed them over.
func TestWebhookCallEvents(t *testing.T) {
	w := newWorld(t)
	body := connect("wacid.C1")
	require.Equal(t, http.StatusOK, w.post(body).status)
	require.Equal(t, http.StatusOK, w.post(body).status)
	events := w.bridge.events()
	require.Len(t, events, 2)
	for _, e := range events {
		require.Equal(t, "wacid.C1", e.Wacid)
		require.Equal(t, sipbridge.CarrierConnect, e.Kind)
	}
}

var errPoison = errors.New("poisoned fact of +6591234567")

// poisoned refuses the fact with one id, as a ledger refuses what it cannot take.
type poisoned struct {
	*permissions.Ledger

	id string
}

func (p poisoned) RecordTx(ctx context.Context, tx *audit.Tx, events ...permissions.Event) (int, error) {
	n := 0
	for _, e := range events {
		if strings.HasSuffix(e.ID, p.id) {
			return n, errPoison
		}
		m, err := p.Ledger.RecordTx(ctx, tx, e)
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// One bad fact among many loses none of the good ones, and is kept.
func TestWebhookQuarantine(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Ledger = poisoned{c.Ledger.(*permissions.Ledger), "wamid.T57"} }) //nolint:forcetypeassert // newWorld put it there
	messages := make([]string, 0, 100)
	for i := range 100 {
		messages = append(messages, text(fmt.Sprintf("wamid.T%d", i), "hello"))
	}
	body := change("messages", value(phoneNumberID, messages...))
	require.Equal(t, http.StatusOK, w.post(body).status)
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Len(t, events, 99)
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'quarantined' AND raw = ?`, body))
	require.Len(t, w.strings(`SELECT problem FROM webhook_deliveries`), 1)
	require.NotContains(t, w.strings(`SELECT problem FROM webhook_deliveries`)[0], "91234567")
	require.Contains(t, w.kinds(), "webhook.malformed")
	require.Equal(t, http.StatusOK, w.post(body).status, "never an endless retry")
}

func TestWebhookAllFactsBad(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Ledger = poisoned{c.Ledger.(*permissions.Ledger), "wamid.G1"} }) //nolint:forcetypeassert // newWorld put it there
	require.Equal(t, http.StatusOK, w.post(grant("wamid.G1")).status)
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'quarantined'`))
}

// No 2xx without a commit.
func TestWebhookCommitFails(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.db.Write.Close())
	r := w.post(grant("wamid.G1"))
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.NotEmpty(t, r.header.Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, w.post([]byte("no JSON")).status)
	require.Zero(t, w.count(`SELECT count(*) FROM webhook_deliveries`))
	require.Empty(t, w.bridge.events())
}

func TestWebhookLogsNoNumbers(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	w.post([]byte(`{"from":"6591234567"`))
	w.post(change("messages", value("999999999999999", text("wamid.T1", "call me at +6591234567"))))
	w.as("read", http.MethodGet, "/v1/permissions/%2B6531234567/%2B6591234567?x=6591234567", nil)
	w.as("write", http.MethodPost, "/v1/callbacks", map[string]any{"business": business, "user": "6591234567x"})
	require.NotEmpty(t, w.logs.String())
	require.NotContains(t, w.logs.String(), "91234567")
	require.NotContains(t, w.logs.String(), "Ann")
	require.NotContains(t, w.metrics(), "91234567")
}

// metrics is what /metrics answers.
func (w *world) metrics() string {
	w.tb.Helper()
	return string(w.adminGet("/metrics").body)
}
