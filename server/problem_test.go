package server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server"
)

// No error repeats what was sent: it may be a phone number.
func TestProblemsRepeatNothing(t *testing.T) {
	w := newWorld(t)
	const number, part = "+6598765432x", "98765432"
	cases := map[string]struct {
		method, path string
		body         string
		status       int
	}{
		"bad number":        {http.MethodPost, "/v1/decisions", `{"business":"` + business + `","user":"` + number + `"}`, 422},
		"bad business":      {http.MethodPost, "/v1/decisions", `{"business":"` + number + `","user":"` + customer + `"}`, 422},
		"unknown key":       {http.MethodPost, "/v1/decisions", `{"business":"` + business + `","user":"` + customer + `","98765432":1}`, 422},
		"wrong type":        {http.MethodPost, "/v1/decisions", `{"business":"` + business + `","user":6598765432}`, 422},
		"bad enum":          {http.MethodPost, "/v1/decisions", `{"business":"` + business + `","user":"` + customer + `","action":"call 98765432"}`, 422},
		"bad time":          {http.MethodPost, "/v1/decisions", `{"business":"` + business + `","user":"` + customer + `","at":"98765432"}`, 422},
		"no JSON":           {http.MethodPost, "/v1/decisions", `call 6598765432`, 400},
		"cut":               {http.MethodPost, "/v1/decisions", `{"user":"6598765432`, 400},
		"empty":             {http.MethodPost, "/v1/decisions", ``, 400},
		"path":              {http.MethodGet, "/v1/permissions/" + number + "/" + number, ``, 422},
		"query":             {http.MethodGet, "/v1/permissions?business=" + number, ``, 422},
		"limit":             {http.MethodGet, "/v1/permissions?limit=98765432", ``, 422},
		"cursor":            {http.MethodGet, "/v1/audit/entries?cursor=x98765432", ``, 422},
		"no such id":        {http.MethodGet, "/v1/callbacks/" + number, ``, 404},
		"no such route":     {http.MethodGet, "/v1/users/" + number, ``, 404},
		"method":            {http.MethodPut, "/v1/dnc/" + number, ``, 405},
		"unsupported media": {http.MethodPost, "/v1/decisions", `6598765432`, 415},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := map[string]string{"Authorization": "Bearer " + secretOf("admin"), "Content-Type": "application/json"}
			if c.status == 415 {
				h["Content-Type"] = "text/plain"
			}
			r := w.do(c.method, c.path, []byte(c.body), h)
			require.Equal(t, c.status, r.status, "%s", r.body)
			require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
			p := r.json(t)
			require.InDelta(t, c.status, p["status"], 0)
			require.NotEmpty(t, p["reason"])
			require.Equal(t, "urn:callctl:problem:"+p["reason"].(string), p["type"]) //nolint:forcetypeassert // fails the test
			require.Equal(t, http.StatusText(c.status), p["title"])
			require.NotContains(t, string(r.body), part)
		})
	}
	require.NotContains(t, w.logs.String(), part)
}

func TestBodyLimit(t *testing.T) {
	w := newWorld(t)
	big := map[string]any{"business": business, "user": customer, "purpose": string(make([]byte, 100<<10))}
	require.Equal(t, http.StatusRequestEntityTooLarge, w.as("read", http.MethodPost, "/v1/decisions", big).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.as("read", http.MethodPost, "/v1/decisions", big, "Idempotency-Key", "k").status)
}

// A field that is missing is named: the name is ours, not the sender's.
func TestProblemNamesTheMissingField(t *testing.T) {
	w := newWorld(t)
	r := w.as("read", http.MethodPost, "/v1/decisions", map[string]any{"business": business})
	require.Equal(t, http.StatusUnprocessableEntity, r.status)
	var p server.Problem
	r.into(t, &p)
	require.Equal(t, []server.FieldError{{Location: "body.user", Message: "is missing"}}, p.Errors)
}
