package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
)

// curable is a ledger that refuses one fact until it is cured: the callctl of
// yesterday and of today.
type curable struct {
	*permissions.Ledger

	poison string
	cured  atomic.Bool
}

func (c *curable) RecordTx(ctx context.Context, tx *audit.Tx, events ...permissions.Event) (int, error) {
	if c.cured.Load() {
		return c.Ledger.RecordTx(ctx, tx, events...)
	}
	return poisoned{c.Ledger, c.poison}.RecordTx(ctx, tx, events...)
}

type deliveryBody struct {
	ID                            int64
	State, Problem, Body, Account string
	Unknown                       []string
}

// only is the one delivery in a state.
func (w *world) only(state string) deliveryBody {
	w.tb.Helper()
	var l struct{ Items []deliveryBody }
	w.as("audit", http.MethodGet, "/v1/deliveries?state="+state, nil).into(w.tb, &l)
	require.Len(w.tb, l.Items, 1)
	var d deliveryBody
	w.as("audit", http.MethodGet, fmt.Sprintf("/v1/deliveries/%d", l.Items[0].ID), nil).into(w.tb, &d)
	require.Equal(w.tb, state, d.State)
	return d
}

// What was refused is read again, counts once, and needs its body no more.
func TestReplay(t *testing.T) {
	ledger := &curable{poison: "wamid.T2"}
	w := newWorld(t, func(c *server.Config) {
		ledger.Ledger = c.Ledger.(*permissions.Ledger) //nolint:forcetypeassert // newWorld put it there
		c.Ledger = ledger
	})
	body := change("messages", value(phoneNumberID, text("wamid.T1", "hello"), text("wamid.T2", "stop calls")))
	require.Equal(t, http.StatusOK, w.post(body).status)
	d := w.only("quarantined")
	require.Equal(t, string(body), d.Body)
	require.Contains(t, w.metrics(), `callctl_webhook_deliveries_kept{account="acme",state="quarantined"} 1`+"\n")
	path := fmt.Sprintf("/v1/deliveries/%d", d.ID)

	r := w.as("write", http.MethodPost, path+"/replay", nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "quarantined", r.json(t)["state"], "still refused")
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status)

	ledger.cured.Store(true)
	r = w.as("write", http.MethodPost, path+"/replay", nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "stored", r.json(t)["state"])
	require.NotContains(t, r.json(t), "problem")
	require.NotContains(t, r.json(t), "body", "no reason to keep personal data")
	require.Equal(t, http.StatusOK, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status, "the opt-out counts")
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	seen := map[string]int{}
	for _, e := range events {
		seen[e.ID]++
		if e.Webhook != 0 {
			require.Equal(t, d.ID, e.Webhook)
		}
	}
	require.Equal(t, 1, seen["meta/wamid.T1"], "counted once")
	require.Contains(t, w.kinds(), "webhook.replayed")
	require.Equal(t, http.StatusConflict, w.as("write", http.MethodPost, path+"/replay", nil).status, "the body is gone")
	require.Equal(t, http.StatusOK, w.post(body).status, "a repetition is one")
	require.Contains(t, w.metrics(), `callctl_webhook_deliveries_total{provider="meta",result="repeated"} 1`+"\n")
}

// Replaying what is still not understood changes nothing.
func TestReplayOfWhatIsStillUnknown(t *testing.T) {
	w := newWorld(t)
	w.post(change("flows", `{"event":"FLOW_STATUS_CHANGE","flow_id":"6627390910605886"}`))
	d := w.only("unknown")
	r := w.as("write", http.MethodPost, fmt.Sprintf("/v1/deliveries/%d/replay", d.ID), nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	again := w.only("unknown")
	require.Equal(t, d, again)

	w.post([]byte("call +6591234567"))
	d = w.only("malformed")
	r = w.as("write", http.MethodPost, fmt.Sprintf("/v1/deliveries/%d/replay", d.ID), nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "malformed", r.json(t)["state"])
	for _, path := range []string{"/v1/deliveries/999", "/v1/deliveries/999/content"} {
		require.Equal(t, http.StatusNotFound, w.as("audit", http.MethodGet, path, nil).status, path)
	}
	require.Equal(t, http.StatusNotFound, w.as("write", http.MethodPost, "/v1/deliveries/999/replay", nil).status)
}

// A replay rings nobody: the calls of a delivery that was kept are long over.
func TestReplayCallsNobody(t *testing.T) {
	w := newWorld(t)
	calls := bytes.TrimSuffix(connect("wacid.C1"), []byte("]}]}"))
	body := bytes.Join([][]byte{calls, []byte(`{"field":"flows","value":{"event":"X"}}]}]}`)}, []byte(","))
	require.Equal(t, http.StatusOK, w.post(body).status)
	require.Len(t, w.bridge.events(), 1)
	d := w.only("unknown")
	require.Equal(t, http.StatusOK, w.as("write", http.MethodPost, fmt.Sprintf("/v1/deliveries/%d/replay", d.ID), nil).status)
	require.Len(t, w.bridge.events(), 1)
}

// A part of a known kind that cannot be read is quarantined with the body; the
// parts beside it count.
func TestPoisonedBatch(t *testing.T) {
	w := newWorld(t)
	messages := make([]string, 0, 1000)
	poison := 0
	for i := range 1000 {
		m := text(fmt.Sprintf("wamid.T%d", i), "hello")
		if i%100 == 57 {
			m = strings.Replace(reply(fmt.Sprintf("wamid.T%d", i), "accept"), `"timestamp":"`, `"timestamp":"x`, 1)
			poison++
		}
		messages = append(messages, m)
	}
	body := change("messages", value(phoneNumberID, messages...))
	require.Equal(t, http.StatusOK, w.post(body).status)
	d := w.only("quarantined")
	require.Equal(t, string(body), d.Body)
	require.NotEmpty(t, d.Problem)
	require.NotContains(t, d.Problem, "91234567")
	require.Equal(t, 1000-poison, w.count(`SELECT count(*) FROM permission_events WHERE kind = 'messaged'`))
	require.Equal(t, http.StatusOK, w.post(body).status, "never an endless retry")
}
