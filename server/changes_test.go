package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/server"
)

// second adds a token with the scope write beside the one that the tests use.
func second(c *server.Config) {
	c.Tokens = append(c.Tokens, server.Token{Name: "second", Secret: secretOf("second"), Scopes: []string{"write", "read"}})
}

const otherPath = "/v1/permissions/%2B6531230000/%2B6591234567"

// changedBody is the answer to a change.
type changedBody struct {
	Permission *struct{ Status, Reason, GrantAuth string }
	Approval   *struct{ ID, State, Kind, ProposedBy, DecidedBy, Reason, Evidence, Event string }
}

// A pack that asks for one person takes a grant at once.
func TestGrantByOnePerson(t *testing.T) {
	w := newWorld(t)
	r := w.as("write", http.MethodPost, pairPath+"/grants", map[string]any{
		"reason": "signed form", "expiresAt": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339), "evidence": "ticket 4711",
	})
	require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
	var c changedBody
	r.into(t, &c)
	require.Nil(t, c.Approval)
	require.Equal(t, "temporary", c.Permission.Status)
	require.Equal(t, "operator", c.Permission.GrantAuth)
	var l struct {
		Items []struct{ Kind, Actor, Reason string }
	}
	w.as("read", http.MethodGet, pairPath+"/events", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Equal(t, "granted", l.Items[0].Kind)
	require.Equal(t, "write", l.Items[0].Actor)
	require.Contains(t, l.Items[0].Reason, "signed form")
	require.Contains(t, l.Items[0].Reason, "ticket 4711")
	d := w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": customer}).json(t)
	require.Equal(t, "permission_unverified", d["reason"], "an operator's word is read back before a call relies on it")
}

// A pack that asks for two waits for another token, and only for another.
func TestGrantByTwoPersons(t *testing.T) {
	w := newWorld(t, second)
	r := w.as("write", http.MethodPost, otherPath+"/grants", map[string]any{
		"reason": "signed form", "expiresAt": time.Now().Add(12 * time.Hour).UTC().Format(time.RFC3339), "evidence": "ticket 4711",
	})
	require.Equal(t, http.StatusAccepted, r.status, "%s", r.body)
	var c changedBody
	r.into(t, &c)
	require.Nil(t, c.Permission)
	require.Equal(t, "pending", c.Approval.State)
	require.Equal(t, "write", c.Approval.ProposedBy)
	path := r.header.Get("Location")
	require.Equal(t, "/v1/approvals/"+c.Approval.ID, path)
	require.Equal(t, "no_permission", w.as("read", http.MethodGet, otherPath, nil).json(t)["status"], "nothing has changed")
	require.Contains(t, w.metrics(), "callctl_approvals_pending 1\n")
	require.Equal(t, "pending", w.as("read", http.MethodGet, path, nil).json(t)["state"])

	r = w.as("write", http.MethodPost, path+"/approve", nil)
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, "second_person_needed", r.json(t)["reason"])
	r = w.as("second", http.MethodPost, path+"/approve", nil)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	require.Equal(t, "approved", r.json(t)["state"])
	require.Equal(t, "second", r.json(t)["decidedBy"])
	require.Equal(t, "temporary", w.as("read", http.MethodGet, otherPath, nil).json(t)["status"])
	require.Equal(t, http.StatusConflict, w.as("second", http.MethodPost, path+"/reject", map[string]any{"reason": "late"}).status, "decided once")
	require.Equal(t, http.StatusNotFound, w.as("second", http.MethodPost, "/v1/approvals/none/approve", nil).status)
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/approvals/none", nil).status)

	var l struct{ Items []map[string]any }
	w.as("read", http.MethodGet, "/v1/approvals", nil).into(t, &l)
	require.Empty(t, l.Items, "only pending ones")
	w.as("read", http.MethodGet, "/v1/approvals?all=true", nil).into(t, &l)
	require.Len(t, l.Items, 1)
	require.Contains(t, w.metrics(), "callctl_approvals_pending 0\n")
}

// A client that sends a grant again after a lost answer has proposed it once.
func TestGrantIsProposedOnce(t *testing.T) {
	w := newWorld(t)
	ask := map[string]any{"reason": "signed form", "expiresAt": time.Now().Add(12 * time.Hour).UTC().Format(time.RFC3339)}
	first := w.as("write", http.MethodPost, otherPath+"/grants", ask, "Idempotency-Key", "k1")
	again := w.as("write", http.MethodPost, otherPath+"/grants", ask, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusAccepted, again.status, "%s", again.body)
	require.Equal(t, string(first.body), string(again.body))
	require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	var l struct{ Items []any }
	w.as("read", http.MethodGet, "/v1/approvals", nil).into(t, &l)
	require.Len(t, l.Items, 1)
}

func TestRejectedGrantChangesNothing(t *testing.T) {
	w := newWorld(t, second)
	ask := map[string]any{"reason": "signed form", "expiresAt": time.Now().Add(12 * time.Hour).UTC().Format(time.RFC3339), "evidence": "ticket 4711"}
	proposed := w.as("write", http.MethodPost, otherPath+"/grants", ask)
	require.Equal(t, http.StatusAccepted, proposed.status, "%s", proposed.body)
	path := proposed.header.Get("Location")
	require.Equal(t, http.StatusUnprocessableEntity, w.as("write", http.MethodPost, path+"/reject", map[string]any{}).status, "needs a reason")
	r := w.as("write", http.MethodPost, path+"/reject", map[string]any{"reason": "a mistake"})
	require.Equal(t, http.StatusOK, r.status, "who proposed it may withdraw it: %s", r.body)
	require.Equal(t, "rejected", r.json(t)["state"])
	require.Equal(t, "no_permission", w.as("read", http.MethodGet, otherPath, nil).json(t)["status"])
}

func TestGrantForm(t *testing.T) {
	w := newWorld(t)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct {
		body map[string]any
		path string
	}{
		"no reason":               {map[string]any{"expiresAt": later}, pairPath},
		"empty reason":            {map[string]any{"reason": "", "expiresAt": later}, pairPath},
		"no end":                  {map[string]any{"reason": "r"}, pairPath},
		"permanent with an end":   {map[string]any{"reason": "r", "permanent": true, "expiresAt": later}, pairPath},
		"a number with letters":   {map[string]any{"reason": "r", "expiresAt": later}, "/v1/permissions/%2B6531234567/%2B6591call67"},
		"a number of no country":  {map[string]any{"reason": "r", "expiresAt": later}, "/v1/permissions/%2B6531234567/%2B999123456789"},
		"a number that is short":  {map[string]any{"reason": "r", "expiresAt": later}, "/v1/permissions/%2B6531234567/%2B659"},
		"a business with letters": {map[string]any{"reason": "r", "expiresAt": later}, "/v1/permissions/acme/%2B6591234567"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.as("write", http.MethodPost, c.path+"/grants", c.body)
			require.Equal(t, http.StatusUnprocessableEntity, r.status, "%s", r.body)
			require.NotContains(t, string(r.body), "91call")
		})
	}
	r := w.as("write", http.MethodPost, "/v1/permissions/%2B6539999999/%2B6591234567/grants", map[string]any{"reason": "r", "expiresAt": later})
	require.Equal(t, http.StatusForbidden, r.status, "%s", r.body)
	require.Equal(t, "unknown_business", r.json(t)["reason"])
	require.Empty(t, w.kinds())
}

// A revocation narrows: one person is enough under every pack.
func TestRevocation(t *testing.T) {
	w := newWorld(t)
	w.post8x8(reply8x8("2b1e044d-6fce-4a11-8962-b39900a755c1"))
	w.post(grant("wamid.G1"))
	for _, path := range []string{pairPath, otherPath} {
		require.Equal(t, http.StatusUnprocessableEntity, w.as("write", http.MethodPost, path+"/revocations", map[string]any{}).status)
		r := w.as("write", http.MethodPost, path+"/revocations", map[string]any{"reason": "asked by phone"})
		require.Equal(t, http.StatusCreated, r.status, "%s", r.body)
		var c changedBody
		r.into(t, &c)
		require.Equal(t, "no_permission", c.Permission.Status)
		require.Equal(t, "permission_revoked", c.Permission.Reason)
	}
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status, "it is no opt-out")
}

// Lifting an opt-out widens: a pack that asks for two persons gets two.
func TestLiftByTwoPersons(t *testing.T) {
	w := newWorld(t, second)
	w.as("write", http.MethodPost, "/v1/dnc", map[string]any{"user": customer, "reason": "asked by phone"})
	r := w.as("write", http.MethodDelete, "/v1/dnc/%2B6591234567?reason=mistake", nil)
	require.Equal(t, http.StatusAccepted, r.status, "one of the packs asks for two: %s", r.body)
	require.Equal(t, http.StatusOK, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status, "the entry stands")
	require.Equal(t, http.StatusOK, w.as("second", http.MethodPost, r.header.Get("Location")+"/approve", nil).status)
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status)
}

// lift takes an entry off the do-not-call list, by two tokens.
func (w *world) lift(path string) {
	w.tb.Helper()
	r := w.as("write", http.MethodDelete, path+"?reason=mistake", nil)
	require.Equal(w.tb, http.StatusAccepted, r.status, "%s", r.body)
	r = w.as("second", http.MethodPost, r.header.Get("Location")+"/approve", nil)
	require.Equal(w.tb, http.StatusOK, r.status, "%s", r.body)
}

func TestZone(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/subjects/%2B6591234567/zone"
	r := w.as("write", http.MethodPut, path, map[string]any{"zone": "America/New_York", "reason": "said so on the phone"})
	require.Equal(t, http.StatusNoContent, r.status, "%s", r.body)
	require.Contains(t, w.kinds(), "subject.located")
	for _, zone := range []string{"Mars/Olympus", "SGT+8", "../../etc/passwd", "Local", ""} {
		r = w.as("write", http.MethodPut, path, map[string]any{"zone": zone, "reason": "r"})
		require.Equal(t, http.StatusUnprocessableEntity, r.status, "%q", zone)
	}
	require.Equal(t, http.StatusUnprocessableEntity, w.as("write", http.MethodPut, path, map[string]any{"zone": "Asia/Singapore"}).status, "no reason")
	events, err := w.ledger.Events(t.Context(), permissions.Pair{Business: business, User: customer})
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, "America/New_York", events[0].Zone)
	require.Equal(t, "write", events[0].Actor)
}
