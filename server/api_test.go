package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
	"github.com/callctl/callctl/sipbridge"
)

const pairPath = "/v1/permissions/%2B6531234567/%2B6591234567"

func TestDecision(t *testing.T) {
	w := newWorld(t)
	ask := map[string]any{"business": business, "user": customer}
	r := w.as("read", http.MethodPost, "/v1/decisions", ask)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	d := r.json(t)
	require.Equal(t, false, d["allow"])
	require.Equal(t, "no_permission", d["reason"])
	require.NotEmpty(t, d["rules"])
	require.Empty(t, w.kinds(), "a dry run writes nothing")
	w.post(grant("wamid.G1"))
	require.Equal(t, true, w.as("read", http.MethodPost, "/v1/decisions", ask).json(t)["allow"])
	ask["at"] = time.Now().Add(72 * time.Hour).UTC().Format(time.RFC3339)
	require.Equal(t, "permission_expired", w.as("read", http.MethodPost, "/v1/decisions", ask).json(t)["reason"])
}

func TestPermission(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	for _, path := range []string{pairPath, "/v1/permissions/6531234567/6591234567", "/v1/permissions/+6531234567/+6591234567"} {
		r := w.as("read", http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, r.status, "%s: %s", path, r.body)
		var p struct {
			Business, User, Status, GrantAuth string
			ExpiresAt                         time.Time
			Actions                           []struct {
				Name, Reason string
				CanPerform   bool
				Limits       []struct {
					Period    string
					Max, Used int
				}
			}
		}
		r.into(t, &p)
		require.Equal(t, business, p.Business)
		require.Equal(t, customer, p.User)
		require.Equal(t, "temporary", p.Status)
		require.Equal(t, "hmac", p.GrantAuth)
		require.WithinDuration(t, time.Now().Add(48*time.Hour), p.ExpiresAt, time.Minute)
		require.Len(t, p.Actions, 2)
		require.Equal(t, "send_call_permission_request", p.Actions[0].Name)
		require.Equal(t, "start_call", p.Actions[1].Name)
		require.True(t, p.Actions[1].CanPerform)
		require.NotEmpty(t, p.Actions[1].Limits)
		require.Equal(t, "PT24H", p.Actions[1].Limits[0].Period)
		require.Equal(t, 100, p.Actions[1].Limits[0].Max)
	}
	var events struct {
		Items []struct{ ID, Kind, Auth string }
	}
	w.as("read", http.MethodGet, pairPath+"/events", nil).into(t, &events)
	require.Len(t, events.Items, 1)
	require.Equal(t, "granted", events.Items[0].Kind)
	var all struct{ Items []struct{ User string } }
	w.as("read", http.MethodGet, "/v1/permissions?business=+6531234567", nil).into(t, &all)
	require.Len(t, all.Items, 1)
	require.Equal(t, customer, all.Items[0].User)
}

func TestPermissionOfStranger(t *testing.T) {
	w := newWorld(t)
	p := w.as("read", http.MethodGet, pairPath, nil).json(t)
	require.Equal(t, "no_permission", p["status"])
	require.Equal(t, customer, p["user"])
}

func TestRequestPermission(t *testing.T) {
	w := newWorld(t)
	r := w.as("write", http.MethodPost, pairPath+"/requests", map[string]any{"purpose": "order 4711", "text": "May we call you?"})
	require.Equal(t, http.StatusAccepted, r.status, "%s", r.body)
	got := r.json(t)
	require.Equal(t, "wamid.REQ1", got["messageId"])
	require.NotEmpty(t, got["id"])
	require.Equal(t, "call_permission/en", got["template"])
	require.Equal(t, 1, w.graph.sent())
	var events struct {
		Items []struct{ ID, Kind, Actor string }
	}
	w.as("read", http.MethodGet, pairPath+"/events", nil).into(t, &events)
	require.NotEmpty(t, events.Items)
	require.Equal(t, "requested", events.Items[0].Kind)
	require.Equal(t, "write", events.Items[0].Actor)
	require.Contains(t, w.kinds(), "permission.request_sent")
	var entries struct {
		Items []struct {
			Kind    string
			Payload map[string]any
		}
	}
	w.as("admin", http.MethodGet, "/v1/audit/entries?kind=permission.request_sent", nil).into(t, &entries)
	linked := false
	for _, e := range entries.Items {
		linked = linked || e.Payload["message"] == "wamid.REQ1"
	}
	require.True(t, linked, "the provider's message id is in the audit")
}

func TestRequestPermissionWithoutBody(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, pairPath+"/requests", nil).status)
}

// A refusal carries the whole decision: every rule, the pack, when it turns.
func TestRefusalCarriesTheDecision(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodPost, pairPath+"/requests", nil).status)
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	var p struct {
		Reason, Detail, DecisionID string
		RetryAfter                 time.Time
		Decision                   struct {
			ID, RulePack, Geography, Reason string
			AuditIndex                      int64
			RetryAfter                      time.Time
			Rules                           []struct {
				Name, Reason, Source string
				Allow                bool
			}
		}
	}
	r.into(t, &p)
	require.Equal(t, "request_limit", p.Reason)
	require.NotEmpty(t, p.Detail)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), p.RetryAfter, 2*time.Minute)
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 24*3600, seconds, 120)
	require.Equal(t, p.DecisionID, p.Decision.ID)
	require.Equal(t, p.Reason, p.Decision.Reason)
	require.Equal(t, "meta-any-hour@2026-01-01", p.Decision.RulePack)
	require.True(t, p.RetryAfter.Equal(p.Decision.RetryAfter))
	require.Positive(t, p.Decision.AuditIndex)
	require.Greater(t, len(p.Decision.Rules), 3)
	require.NotContains(t, string(r.body), "91234567", "a decision names no number")
}

// A number that is none is told from the next by what is wrong with it.
func TestBadNumbers(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ number, reason, word string }{
		"short":        {"+6591", "number_too_short", "short"},
		"long":         {"+65912345678901234", "number_too_long", "long"},
		"letters":      {"+65912three", "number_characters", "BSUID"},
		"no country":   {"+9991234567", "number_country_unknown", "country"},
		"empty":        {"", "number_empty", "empty"},
		"a half BSUID": {"US.", "number_characters", "BSUID"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": c.number})
			require.Equal(t, http.StatusUnprocessableEntity, r.status, "%s", r.body)
			var p server.Problem
			r.into(t, &p)
			require.Len(t, p.Errors, 1)
			require.Equal(t, "body.user", p.Errors[0].Location)
			require.Equal(t, c.reason, p.Errors[0].Reason)
			require.Contains(t, p.Errors[0].Message, c.word)
		})
	}
	require.Empty(t, w.kinds())
}

func TestRequestPermissionRefused(t *testing.T) {
	w := newWorld(t)
	w.as("write", http.MethodPost, "/v1/dnc", map[string]any{"user": customer, "reason": "asked by phone"})
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "do_not_call", r.json(t)["reason"])
	require.Zero(t, w.graph.sent())
	r = w.as("write", http.MethodPost, "/v1/permissions/%2B6539999999/%2B6591234567/requests", nil)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "unknown_business", r.json(t)["reason"])
}

func TestRequestPermissionProviderFails(t *testing.T) {
	w := newWorld(t)
	w.graph.refuse(138009)
	r := w.as("write", http.MethodPost, pairPath+"/requests", nil)
	require.Equal(t, http.StatusBadGateway, r.status)
	require.Equal(t, "provider_failed", r.json(t)["reason"])
	require.Contains(t, string(r.body), "138009")
	require.Contains(t, w.kinds(), "permission.request_failed")
	require.NotContains(t, string(r.body), "91234567")
	require.NotContains(t, w.logs.String(), "91234567")
}

func TestCallbacks(t *testing.T) {
	w := newWorld(t)
	ask := map[string]any{"business": business, "user": customer, "agent": "1001", "purpose": "order 4711"}
	r := w.as("write", http.MethodPost, "/v1/callbacks", ask)
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, "no_permission", r.json(t)["reason"])
	w.post(grant("wamid.G1"))
	r = w.as("write", http.MethodPost, "/v1/callbacks", ask)
	require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
	made := r.json(t)
	require.Equal(t, "pending", made["state"])
	require.Equal(t, "write", made["createdBy"])
	path := r.header.Get("Location")
	require.Equal(t, made, w.as("read", http.MethodGet, path, nil).json(t))
	var l struct{ Items []map[string]any }
	w.as("read", http.MethodGet, "/v1/callbacks", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	r = w.as("write", http.MethodDelete, path, nil)
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "cancelled", r.json(t)["state"])
	require.Equal(t, http.StatusOK, w.as("write", http.MethodDelete, path, nil).status, "again is no error")
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/callbacks/none", nil).status)
	ask["notBefore"], ask["notAfter"] = "2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"
	require.Equal(t, http.StatusUnprocessableEntity, w.as("write", http.MethodPost, "/v1/callbacks", ask).status)
}

// refusal is the gate's no, as the bridge hands it on.
type refusal struct{ until time.Time }

func (refusal) Error() string           { return "refused" }
func (refusal) Reason() string          { return "permission_expired" }
func (r refusal) RetryAfter() time.Time { return r.until }

func TestCalls(t *testing.T) {
	w := newWorld(t)
	ask := map[string]any{"business": business, "user": customer, "agent": "1001"}
	r := w.as("write", http.MethodPost, "/v1/calls", ask)
	require.Equal(t, http.StatusAccepted, r.status, "%s", r.body)
	id, _ := r.json(t)["id"].(string)
	require.Equal(t, "/v1/calls/"+id, r.header.Get("Location"))
	require.Equal(t, 1, w.bridge.calls())
	require.Equal(t, customer, w.bridge.originated[0].User)
	require.Equal(t, sipbridge.AgentFirst, w.bridge.originated[0].Order)

	w.bridge.err = refusal{until: time.Now().Add(time.Hour)}
	r = w.as("write", http.MethodPost, "/v1/calls", ask)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "permission_expired", r.json(t)["reason"])
	require.NotEmpty(t, r.header.Get("Retry-After"))
	require.NotEmpty(t, r.json(t)["retryAfter"])

	w.bridge.err = fmt.Errorf("originate: %w", &permissions.Refusal{Decision: permissions.Decision{
		ID: "d1", Reason: permissions.QuietHours, RetryAfter: time.Now().Add(time.Hour), Rules: []permissions.Rule{{Name: "quiet_hours"}},
	}})
	r = w.as("write", http.MethodPost, "/v1/calls", ask)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Equal(t, "quiet_hours", r.json(t)["reason"])
	require.Equal(t, "d1", r.json(t)["decisionId"])
	require.Contains(t, r.json(t), "decision")

	w.bridge.live = []sipbridge.LiveCall{{ID: "c1", State: "bridged", Direction: sipbridge.BusinessInitiated, User: customer, Business: business, StartedAt: time.Now()}}
	w.bridge.cdrs = []sipbridge.CDR{{ID: "c0", Direction: sipbridge.UserInitiated, User: customer, Business: business, Disposition: "ANSWERED", DecisionIndex: -1, AuditIndex: 7}}
	var l struct {
		Items []struct{ ID, State, Disposition string }
	}
	w.as("read", http.MethodGet, "/v1/calls", nil).into(t, &l)
	require.Len(t, l.Items, 2)
	require.Equal(t, "c1", l.Items[0].ID)
	require.Equal(t, "ended", l.Items[1].State)
	require.Equal(t, "ANSWERED", l.Items[1].Disposition)
	require.Equal(t, "bridged", w.as("read", http.MethodGet, "/v1/calls/c1", nil).json(t)["state"])
	ended := w.as("read", http.MethodGet, "/v1/calls/c0", nil).json(t)
	require.InDelta(t, 7, ended["auditIndex"], 0)
	require.NotContains(t, ended, "decisionIndex", "a user's call needs no decision")
	require.Equal(t, http.StatusAccepted, w.as("write", http.MethodDelete, "/v1/calls/c1", nil).status)
	require.Equal(t, http.StatusConflict, w.as("write", http.MethodDelete, "/v1/calls/c0", nil).status)
	require.Equal(t, http.StatusNotFound, w.as("write", http.MethodDelete, "/v1/calls/none", nil).status)
}

func TestDoNotCall(t *testing.T) {
	w := newWorld(t, second)
	w.post(grant("wamid.G1"))
	path := "/v1/dnc/%2B6591234567"
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, path, nil).status)
	r := w.as("write", http.MethodPost, "/v1/dnc", map[string]any{"user": customer, "reason": "asked by phone"})
	require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
	require.Equal(t, path, r.header.Get("Location"))
	e := w.as("read", http.MethodGet, path, nil).json(t)
	require.Equal(t, "write", e["actor"])
	require.Equal(t, "asked by phone", e["reason"])
	d := w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": customer}).json(t)
	require.Equal(t, false, d["allow"])
	require.Equal(t, true, w.as("read", http.MethodGet, pairPath, nil).json(t)["doNotCall"])
	var l struct{ Items []map[string]any }
	w.as("read", http.MethodGet, "/v1/dnc", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Equal(t, http.StatusUnprocessableEntity, w.as("write", http.MethodDelete, path, nil).status, "needs a reason")
	w.lift(path)
	require.Equal(t, http.StatusNotFound, w.as("write", http.MethodDelete, path+"?reason=mistake", nil).status)
	d = w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": customer}).json(t)
	require.Equal(t, false, d["allow"], "lifting restores no permission")
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G1"))
	w.post(change("messages", value(phoneNumberID, text("wamid.T1", "hello"))))
	var first, second struct {
		Items []struct {
			Index   int
			Kind    string
			Payload map[string]any
		}
		NextCursor string
	}
	w.as("audit", http.MethodGet, "/v1/audit/entries?limit=1", nil).into(t, &first)
	require.Len(t, first.Items, 1)
	require.Equal(t, "permission.granted", first.Items[0].Kind)
	require.Nil(t, first.Items[0].Payload, "an auditor reads proofs, not numbers")
	w.as("admin", http.MethodGet, "/v1/audit/entries?limit=1&cursor="+first.NextCursor, nil).into(t, &second)
	require.Equal(t, 1, second.Items[0].Index)
	require.NotNil(t, second.Items[0].Payload)
	c := w.as("audit", http.MethodGet, "/v1/audit/checkpoint", nil).json(t)
	require.InDelta(t, 2, c["size"], 0)
	require.True(t, strings.HasPrefix(c["note"].(string), "callctl/test\n2\n"), c["note"]) //nolint:forcetypeassert // fails the test
	p := w.as("audit", http.MethodGet, "/v1/audit/proofs/1", nil).json(t)
	require.Len(t, p["hashes"], 1)
	require.Equal(t, http.StatusNotFound, w.as("audit", http.MethodGet, "/v1/audit/proofs/2", nil).status)
	require.Equal(t, http.StatusUnprocessableEntity, w.as("audit", http.MethodGet, "/v1/audit/entries?cursor=x", nil).status)
}

func TestExports(t *testing.T) {
	w := newWorld(t)
	r := w.as("audit", http.MethodPost, "/v1/exports", map[string]any{"user": customer})
	require.Equal(t, http.StatusNotFound, r.status)
	w.post(grant("wamid.G1"))
	r = w.as("audit", http.MethodPost, "/v1/exports", map[string]any{"user": customer})
	require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
	x := r.json(t)
	for range 100 {
		if x["state"] != "running" {
			break
		}
		time.Sleep(20 * time.Millisecond)
		x = w.as("audit", http.MethodGet, r.header.Get("Location"), nil).json(t)
	}
	require.Equal(t, "done", x["state"])
	content, _ := x["content"].(string)
	pack := w.as("audit", http.MethodGet, content, nil)
	require.Equal(t, http.StatusOK, pack.status)
	require.Equal(t, "application/zip", pack.header.Get("Content-Type"))
	require.InDelta(t, x["size"], len(pack.body), 0)
	require.Equal(t, "PK", string(pack.body[:2]))
	require.Equal(t, http.StatusNotFound, w.as("audit", http.MethodGet, "/v1/exports/none", nil).status)
}

// The last page has no cursor, also when it is exactly full.
func TestLastPageHasNoCursor(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{"no JSON", "no JSON either"} {
		w.post([]byte(body))
	}
	for _, path := range []string{"/v1/audit/entries", "/v1/deliveries"} {
		require.Contains(t, w.as("admin", http.MethodGet, path+"?limit=1", nil).json(t), "nextCursor", path)
		full := w.as("admin", http.MethodGet, path+"?limit=2", nil).json(t)
		require.Len(t, full["items"], 2, path)
		require.NotContains(t, full, "nextCursor", path)
		first := w.as("admin", http.MethodGet, path+"?limit=1", nil).json(t)
		last := w.as("admin", http.MethodGet, path+"?limit=1&cursor="+first["nextCursor"].(string), nil).json(t)
		require.Len(t, last["items"], 1, path)
		require.NotContains(t, last, "nextCursor", path)
	}
}
