package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
)

// doubter notes the pairs that the reader is told of.
type doubter struct {
	reader

	mu    sync.Mutex
	pairs []permissions.Pair
}

func (d *doubter) Refused(p permissions.Pair) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pairs = append(d.pairs, p)
}

// What a provider's refusal of a request says of our number stops the next one.
func TestRefusedForTheNumber(t *testing.T) {
	w := newWorld(t)
	w.graph.refuse(138000)
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusBadGateway, r.status, "%s", r.body)
	require.Contains(t, string(r.body), "138000")
	var l struct {
		Items []struct {
			Kind string
			Code int
		}
	}
	w.as("read", http.MethodGet, numberPath+"/notices", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Equal(t, "unable", l.Items[0].Kind)
	require.Equal(t, 138000, l.Items[0].Code)
	r = w.as("write", http.MethodPost, "/v1/permissions/%2B6531234567/%2B6591234568/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, "business_restricted", r.json(t)["reason"])
}

// A user who cannot be reached is not asked again soon.
func TestRefusedForTheUser(t *testing.T) {
	w := newWorld(t)
	w.graph.refuse(131026)
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusBadGateway, r.status, "%s", r.body)
	ask := map[string]any{"business": business, "user": customer, "action": "send_call_permission_request"}
	d := w.as("read", http.MethodPost, "/v1/decisions", ask)
	require.Contains(t, string(d.body), `"unreachable"`)
	ask["user"] = "+6591234568"
	require.Equal(t, true, w.as("read", http.MethodPost, "/v1/decisions", ask).json(t)["allow"], "others can be asked")
}

// A provider that holds something else than the ledger is asked, and one that says
// when to come again is quoted.
func TestRefusedWithADoubt(t *testing.T) {
	rd := &doubter{}
	w := newWorld(t, func(c *server.Config) { c.Reader = rd })
	w.graph.refuse(138017)
	require.Equal(t, http.StatusBadGateway, w.as("write", http.MethodPost, pairPath+"/requests", nil).status)
	require.Equal(t, []permissions.Pair{{Business: business, User: customer}}, rd.pairs)

	w.graph.refuse(138009)
	r := w.as("write", http.MethodPost, "/v1/permissions/%2B6531234567/%2B6591234568/requests", nil)
	require.Equal(t, http.StatusBadGateway, r.status)
	require.NotEmpty(t, r.header.Get("Retry-After"))
	var p struct{ RetryAfter time.Time }
	r.into(t, &p)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), p.RetryAfter, time.Minute)
	require.Len(t, rd.pairs, 1)
}
