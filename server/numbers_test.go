package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
)

const numberPath = "/v1/numbers/%2B6531234567"

// restricted is Meta's notice that our number may place no calls until a time.
func restricted(number string, until time.Time) []byte {
	return change("account_update", fmt.Sprintf(
		`{"phone_number":%q,"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":%d}]}`,
		number, until.Unix()))
}

// A restriction of the number stops calls and requests, says until when, and
// leaves the permission as it is.
func TestRestriction(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	until := time.Now().Add(7 * 24 * time.Hour).Truncate(time.Second)
	r := w.post(restricted(business[1:], until))
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	var n struct {
		Business, Account, Provider string
		Restrictions                []struct {
			Type, Notice string
			Until        time.Time
		}
		Violations, Templates, Drift []any
	}
	w.as("read", http.MethodGet, numberPath, nil).into(t, &n)
	require.Equal(t, business, n.Business)
	require.Equal(t, "acme", n.Account)
	require.Equal(t, "meta", n.Provider)
	require.Len(t, n.Restrictions, 1)
	require.Equal(t, permissions.RestrictedBusinessInitiated, n.Restrictions[0].Type)
	require.WithinDuration(t, until, n.Restrictions[0].Until, 0)
	require.NotNil(t, n.Violations)
	require.NotNil(t, n.Drift)
	d := w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": customer}).json(t)
	require.Equal(t, "business_restricted", d["reason"])
	require.Equal(t, "temporary", w.as("read", http.MethodGet, pairPath, nil).json(t)["status"], "the grant stands")
	r = w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "business_restricted", r.json(t)["reason"])
	require.Contains(t, w.metrics(), `callctl_number_restricted{account="acme",restriction="business_initiated"} 1`+"\n")
	require.Contains(t, w.metrics(), `callctl_number_restricted{account="other",restriction="business_initiated"} 0`+"\n")

	var l struct {
		Items []struct {
			Kind, Auth string
			Webhook    int64
		}
		NextCursor string
	}
	w.as("read", http.MethodGet, numberPath+"/notices", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Equal(t, "restriction", l.Items[0].Kind)
	require.Equal(t, "hmac", l.Items[0].Auth)
	require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE id = ? AND state = 'stored'`, l.Items[0].Webhook))

	var all struct{ Items []struct{ Business string } }
	w.as("read", http.MethodGet, "/v1/numbers", nil).into(t, &all)
	require.Len(t, all.Items, 2)
	for _, path := range []string{"/v1/numbers/%2B6539999999", "/v1/numbers/%2B6539999999/notices"} {
		require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, path, nil).status, path)
	}
	require.Equal(t, http.StatusUnprocessableEntity, w.as("read", http.MethodGet, "/v1/numbers/acme", nil).status)
}

// A notice about another account's number, under our secret, is 403 and leaves no
// row.
func TestNoticeOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	before := w.rows()
	r := w.post(restricted(otherBusiness[1:], time.Now().Add(time.Hour)))
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, "wrong_account", r.json(t)["reason"])
	r = w.post8x8(fmt.Appendf(nil, `{"eventId":"9ac6f2cb-0000-4000-8000-000000000001","timestamp":"2026-01-19T13:50:20.00Z","provider":"WhatsApp",
"businessAccountId":"950523421983857","accountId":"IntegrationTestCampaign","eventType":"account_update",
"eventDetails":{"event":"ACCOUNT_RESTRICTION","phoneNumber":%q,"restrictionInfo":[{"restrictionType":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":"2030-01-10T20:54:17.00Z"}]}}`,
		business[1:]))
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, before, w.rows())
}

// The same notice a hundred times is one.
func TestNoticeRepeats(t *testing.T) {
	w := newWorld(t)
	body := restricted(business[1:], time.Now().Add(time.Hour))
	for range 5 {
		require.Equal(t, http.StatusOK, w.post(body).status)
	}
	var l struct{ Items []any }
	w.as("read", http.MethodGet, numberPath+"/notices", nil).into(t, &l)
	require.Len(t, l.Items, 1)
}

// picky is a ledger that refuses notices of one kind.
type picky struct {
	*permissions.Ledger

	kind permissions.NoticeKind
}

func (p picky) RecordNotices(ctx context.Context, tx *audit.Tx, notices ...permissions.Notice) (int, error) {
	for _, n := range notices {
		if n.Kind == p.kind {
			return 0, errPoison
		}
	}
	return p.Ledger.RecordNotices(ctx, tx, notices...)
}

// A notice that the ledger refuses costs neither the facts nor the notices beside
// it, and the delivery is kept.
func TestNoticeQuarantine(t *testing.T) {
	w := newWorld(t, func(c *server.Config) {
		c.Ledger = picky{c.Ledger.(*permissions.Ledger), permissions.Violation} //nolint:forcetypeassert // newWorld put it there
	})
	body := fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[
{"field":"account_update","value":{"phone_number":%q,"event":"ACCOUNT_VIOLATION","violation_info":{"violation_type":"LOW_BUSINESS_INITIATED_CALLING_QUALITY"}}},
{"field":"account_update","value":{"phone_number":%q,"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BUSINESS_INITIATED_CALLING","expiration":%d}]}},
{"field":"messages","value":%s}]}]}`,
		business[1:], business[1:], time.Now().Add(time.Hour).Unix(), value(phoneNumberID, reply("wamid.G1", "accept")))
	require.Equal(t, http.StatusOK, w.post(body).status)
	d := w.only("quarantined")
	require.Equal(t, string(body), d.Body)
	require.Contains(t, d.Problem, "notice 0 (violation)")
	require.Equal(t, "temporary", w.as("read", http.MethodGet, pairPath, nil).json(t)["status"])
	var l struct{ Items []struct{ Kind string } }
	w.as("read", http.MethodGet, numberPath+"/notices", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Equal(t, "restriction", l.Items[0].Kind)
}

// A paused template stops the request that names it, and says why.
func TestRequestOfAPausedTemplate(t *testing.T) {
	w := newWorld(t)
	w.post(change("message_template_status_update",
		`{"event":"PAUSED","message_template_id":594425479261596,"message_template_name":"call_permission","message_template_language":"en","reason":"NONE"}`))
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	p := r.json(t)
	require.Equal(t, "template_unusable", p["reason"])
	require.Contains(t, string(r.body), "PAUSED")
	require.Contains(t, p, "decision")
	require.Zero(t, w.graph.sent())
	shown, _ := w.as("read", http.MethodGet, pairPath, nil).json(t)["actions"].([]any)
	require.Len(t, shown, 2)
	require.Equal(t, "template_unusable", shown[0].(map[string]any)["reason"], "asked with the account's own template") //nolint:forcetypeassert // fails the test
	ask := map[string]any{"business": business, "user": customer, "action": "send_call_permission_request", "template": "call_permission/en"}
	require.Equal(t, "template_unusable", w.as("read", http.MethodPost, "/v1/decisions", ask).json(t)["reason"])
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, pairPath+"/requests", map[string]any{"template": "another"}).status)
}

// reader stands in for the reader of permissions.
type reader struct {
	mu      sync.Mutex
	begun   chan struct{}
	release chan struct{}
	err     error
}

func (r *reader) Refused(permissions.Pair) {}

func (r *reader) Ask(context.Context, permissions.Pair) (permissions.ProviderState, error) {
	return permissions.ProviderState{}, nil
}

func (r *reader) Reconcile(ctx context.Context, _ geo.E164) (asked, failed int, err error) {
	r.begun <- struct{}{}
	select {
	case <-r.release:
	case <-ctx.Done():
		return 1, 0, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return 7, 2, r.err
}

func TestReconcile(t *testing.T) {
	rd := &reader{begun: make(chan struct{}, 1), release: make(chan struct{})}
	w := newWorld(t, func(c *server.Config) { c.Reader = rd })
	r := w.as("write", http.MethodPost, numberPath+"/reconcile", nil)
	require.Equal(t, http.StatusAccepted, r.status, "%s", r.body)
	require.Equal(t, "running", r.json(t)["state"])
	require.Equal(t, numberPath, r.header.Get("Location"))
	<-rd.begun
	require.Equal(t, http.StatusConflict, w.as("write", http.MethodPost, numberPath+"/reconcile", nil).status)
	run := func() map[string]any {
		found, _ := w.as("read", http.MethodGet, numberPath, nil).json(t)["reconcile"].(map[string]any)
		return found
	}
	require.Equal(t, "running", run()["state"])
	require.Equal(t, "write", run()["startedBy"])
	rd.release <- struct{}{}
	require.Eventually(t, func() bool { return run()["state"] == "done" }, 5*time.Second, 5*time.Millisecond)
	require.InDelta(t, 7, run()["asked"], 0)
	require.InDelta(t, 2, run()["failed"], 0)

	rd.mu.Lock()
	rd.err = errors.New("provider is down for +6591234567")
	rd.mu.Unlock()
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, numberPath+"/reconcile", nil).status)
	<-rd.begun
	rd.release <- struct{}{}
	require.Eventually(t, func() bool { return run()["state"] == "failed" }, 5*time.Second, 5*time.Millisecond)
	require.Equal(t, "provider is down for …", run()["error"])
	require.NotContains(t, w.logs.String(), "91234567")
	require.Equal(t, http.StatusNotFound, w.as("write", http.MethodPost, "/v1/numbers/%2B6539999999/reconcile", nil).status)
}

// Shutdown ends a run and waits for it; afterwards none begins.
func TestShutdownEndsReconcile(t *testing.T) {
	rd := &reader{begun: make(chan struct{}, 1), release: make(chan struct{})}
	w := newWorld(t, func(c *server.Config) { c.Reader = rd })
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, numberPath+"/reconcile", nil).status)
	<-rd.begun
	require.NoError(t, w.server.Shutdown(t.Context()))
	require.Equal(t, http.StatusServiceUnavailable, w.as("write", http.MethodPost, numberPath+"/reconcile", nil).status)
}

func TestReconcileWithoutReader(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Reader = nil })
	require.Equal(t, http.StatusConflict, w.as("write", http.MethodPost, numberPath+"/reconcile", nil).status)
}
