package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// permissionReply is Meta's reply with the members given.
func permissionReply(members string) []byte {
	return change("messages", value(phoneNumberID, fmt.Sprintf(
		`{"from":"6591234567","id":"wamid.G1","timestamp":"%d","type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{%s}}}`,
		time.Now().Unix(), members)))
}

// What providers write in more than one way is read; what cannot be read grants
// nothing and is kept for a person to see, never refused for ever.
func TestForms(t *testing.T) {
	expires := time.Now().Add(48 * time.Hour).Truncate(time.Second).UTC()
	unix := strconv.FormatInt(expires.Unix(), 10)
	const accept = `"response":"accept","response_source":"user_action","is_permanent":false,"expiration_timestamp":`
	for name, c := range map[string]struct {
		members string
		status  string // of the permission
		expires time.Time
		state   string // of the delivery
		problem string
	}{
		"seconds":            {accept + unix, "temporary", expires, "stored", ""},
		"seconds as text":    {accept + strconv.Quote(unix), "temporary", expires, "stored", ""},
		"milliseconds":       {accept + unix + "000", "temporary", expires, "stored", ""},
		"ISO, two fractions": {accept + fmt.Sprintf("%q", expires.Format("2006-01-02T15:04:05.00Z")), "temporary", expires, "stored", ""},
		"no expiry":          {`"response":"accept","response_source":"user_action","is_permanent":false`, "temporary", time.Now().Add(168 * time.Hour), "stored", ""},
		"permanent, but it ends": {
			`"response":"accept","response_source":"user_action","is_permanent":true,"expiration_timestamp":` + unix,
			"temporary", expires, "stored", "",
		},
		"a time in words":   {accept + `"tomorrow"`, "no_permission", time.Time{}, "quarantined", "could not be read: call_permission_reply.expiration_timestamp"},
		"an unknown answer": {`"response":"maybe","response_source":"user_action"`, "no_permission", time.Time{}, "unknown", ""},
		"an unknown source": {
			`"response":"accept","response_source":"telepathy","is_permanent":false,"expiration_timestamp":` + unix,
			"temporary", expires, "unknown", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			body := permissionReply(c.members)
			for range 2 { // a repetition is answered alike
				require.Equal(t, http.StatusOK, w.post(body).status)
			}
			var p struct {
				Status    string
				ExpiresAt time.Time
			}
			w.as("read", http.MethodGet, pairPath, nil).into(t, &p)
			require.Equal(t, c.status, p.Status)
			if !c.expires.IsZero() {
				require.WithinDuration(t, c.expires, p.ExpiresAt, time.Minute)
			}
			if c.state == "stored" {
				require.Equal(t, 1, w.count(`SELECT count(*) FROM webhook_deliveries WHERE state = 'stored' AND raw IS NULL`))
				return
			}
			d := w.only(c.state)
			require.Equal(t, string(body), d.Body)
			require.Contains(t, d.Problem, c.problem)
		})
	}
}

// A number of no numbering plan that a provider told of is called by nobody, and
// what is recorded of it can be seen and exported; of others nothing is known.
func TestToldNumberOfNoPlan(t *testing.T) {
	w := newWorld(t)
	told := change("messages", value(phoneNumberID, fmt.Sprintf(
		`{"from":"999123456789","id":"wamid.N1","timestamp":"%d","type":"text","text":{"body":"stop calls"}}`, time.Now().Unix())))
	require.Equal(t, http.StatusOK, w.post(told).status)

	var events struct{ Items []struct{ Kind string } }
	path := strings.Replace(pairPath, "%2B6591234567", "%2B999123456789", 1)
	w.as("read", http.MethodGet, path+"/events", nil).into(t, &events)
	require.NotEmpty(t, events.Items)
	var p struct {
		DoNotCall bool
		Actions   []struct {
			CanPerform bool
			Reason     string
		}
	}
	w.as("read", http.MethodGet, path, nil).into(t, &p)
	require.True(t, p.DoNotCall)
	for _, a := range p.Actions {
		require.False(t, a.CanPerform)
		require.Equal(t, "invalid_user", a.Reason)
	}
	var d struct{ Reason string }
	w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business, "user": "+999123456789"}).into(t, &d)
	require.Equal(t, "invalid_user", d.Reason)
	require.Equal(t, http.StatusOK, w.as("read", http.MethodGet, "/v1/dnc/+999123456789", nil).status)
	require.Equal(t, http.StatusUnprocessableEntity, w.as("read", http.MethodGet, "/v1/dnc/+999123456780", nil).status)
}

// An empty file is told from one of another shape.
func TestEmptyBody(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/dnc/imports?reason=x", "/v1/dnc"} {
		r := w.as("write", http.MethodPost, path, nil, "Content-Type", "text/csv")
		require.Equal(t, http.StatusBadRequest, r.status)
		require.Contains(t, string(r.body), "has no body")
	}
}
