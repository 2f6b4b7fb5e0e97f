package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server"
)

// What a person looks at is found without reading the plain deliveries, of which
// there are far more.
func TestKeptDeliveriesAreFoundByIndex(t *testing.T) {
	w := newWorld(t)
	for name, query := range map[string]string{
		"page":     `SELECT id FROM webhook_deliveries WHERE state <> 'stored' AND account = ? AND state = ? AND id < 9 ORDER BY id DESC LIMIT 5`,
		"count":    `SELECT count(*) FROM webhook_deliveries WHERE state <> 'stored' AND account = ? AND state = ?`,
		"forget":   `UPDATE webhook_deliveries SET raw = NULL WHERE state <> 'stored' AND account = ? AND state = ? AND raw IS NOT NULL AND received_ms < 9`,
		"accounts": `SELECT DISTINCT account FROM webhook_deliveries WHERE state <> 'stored' AND ? <> ?`,
	} {
		plan := w.plan(query, "a", "b")
		require.Contains(t, plan, "webhook_deliveries_state", name)
	}
}

// plan is how the database carries a query out.
func (w *world) plan(query string, args ...any) string {
	w.tb.Helper()
	rows, err := w.db.Read.QueryContext(w.tb.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	require.NoError(w.tb, err)
	defer func() { require.NoError(w.tb, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(w.tb, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(w.tb, rows.Err())
	return strings.Join(steps, "\n")
}

// The pages of a state run over all accounts, the newest first.
func TestKeptDeliveriesOfAllAccounts(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.post(fmt.Appendf(nil, "no JSON %d", i))
		w.post8x8(fmt.Appendf(nil, "nor this %d", i))
		w.post(grant(fmt.Sprintf("wamid.G%d", i)))
	}
	var seen []int64
	accounts := map[string]int{}
	cursor := ""
	for range 10 {
		var l struct {
			Items []struct {
				ID             int64
				Account, State string
			}
			NextCursor string
		}
		w.as("audit", http.MethodGet, "/v1/deliveries?state=malformed&limit=3&cursor="+cursor, nil).into(t, &l)
		for _, d := range l.Items {
			require.Equal(t, "malformed", d.State)
			seen = append(seen, d.ID)
			accounts[d.Account]++
		}
		if cursor = l.NextCursor; cursor == "" {
			break
		}
	}
	require.IsDecreasing(t, seen)
	require.Equal(t, map[string]int{"acme": 5, "other": 5}, accounts)
	require.Empty(t, w.as("audit", http.MethodGet, "/v1/deliveries?state=unknown", nil).json(t)["items"])
}

// After 30 days the bodies are gone, the lines that say what came are not.
func TestPurgeForgetsBodies(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *server.Config) { c.Now = func() time.Time { return now } })
	w.post([]byte("no JSON"))
	require.NoError(t, w.server.Purge(t.Context()))
	require.Equal(t, "no JSON", w.only("malformed").Body, "too young")
	now = now.Add(31 * 24 * time.Hour)
	require.NoError(t, w.server.Purge(t.Context()))
	d := w.only("malformed")
	require.Empty(t, d.Body)
	require.Equal(t, http.StatusConflict, w.as("write", http.MethodPost, fmt.Sprintf("/v1/deliveries/%d/replay", d.ID), nil).status)
}
