package server_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// csv sends a list to the importer.
func (w *world) csv(scope, query, body string, headers ...string) *response {
	w.tb.Helper()
	h := map[string]string{"Authorization": "Bearer " + secretOf(scope), "Content-Type": "text/csv"}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	return w.do(http.MethodPost, "/v1/dnc/imports?"+query, []byte(body), h)
}

type importBody struct {
	ID, SHA256, State, Actor               string
	DryRun                                 bool
	Rows, Added, Already, Repeated, Faults int
	Errors                                 []struct {
		Line                 int
		Column, Reason, Hint string
	}
}

// importDone waits until an import is applied.
func (w *world) importDone(r *response) importBody {
	w.tb.Helper()
	path := r.header.Get("Location")
	require.NotEmpty(w.tb, path, "%s", r.body)
	var b importBody
	require.Eventually(w.tb, func() bool {
		got := w.as("read", http.MethodGet, path, nil)
		require.Equal(w.tb, http.StatusOK, got.status, "%s", got.body)
		got.into(w.tb, &b)
		return b.State != "applying"
	}, 10*time.Second, 10*time.Millisecond)
	return b
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	const list = "user,reason\n+6591234567,asked in writing\n6591234568,\n+6591234567,asked in writing\n"
	before := w.rows()
	r := w.csv("write", "dryRun=true&reason=list", list)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	var b importBody
	r.into(t, &b)
	require.True(t, b.DryRun)
	require.Equal(t, "checked", b.State)
	require.Equal(t, before, w.rows(), "a dry run writes nothing")

	r = w.csv("write", "reason=list", list)
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, r.status, "%s", r.body)
	b = w.importDone(r)
	require.Equal(t, "applied", b.State)
	require.Equal(t, 3, b.Rows)
	require.Equal(t, 2, b.Added)
	require.Equal(t, 1, b.Repeated)
	require.Equal(t, "write", b.Actor)
	for _, user := range []string{"%2B6591234567", "%2B6591234568"} {
		require.Equal(t, http.StatusOK, w.as("read", http.MethodGet, "/v1/dnc/"+user, nil).status)
	}
	b = w.importDone(w.csv("write", "reason=list", list))
	require.Equal(t, 2, b.Already, "a second time adds nobody")
	require.Zero(t, b.Added)
}

// One line that cannot be read: every fault is named by its line, nothing is
// applied, and no number is repeated.
func TestImportRefused(t *testing.T) {
	w := newWorld(t)
	r := w.csv("write", "reason=list", "user\n+6591234567\n+659123456x\n12\n")
	require.Equal(t, http.StatusUnprocessableEntity, r.status, "%s", r.body)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	var p struct {
		Reason string
		Import importBody
		Errors []struct{ Location, Message string }
	}
	r.into(t, &p)
	require.Equal(t, "import_refused", p.Reason)
	require.Equal(t, "refused", p.Import.State)
	require.Equal(t, 2, p.Import.Faults)
	require.Len(t, p.Errors, 2)
	require.Equal(t, 3, p.Import.Errors[0].Line)
	require.Equal(t, 4, p.Import.Errors[1].Line)
	require.Contains(t, p.Errors[0].Location, "line 3")
	require.NotContains(t, string(r.body), "9123456")
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/dnc/%2B6591234567", nil).status)
	require.Equal(t, http.StatusUnprocessableEntity, w.csv("write", "dryRun=true&reason=list", "user\nx\n").status, "also a dry run")
}

func TestImportForm(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, http.StatusUnprocessableEntity, w.csv("write", "", "user\n+6591234567\n").status, "needs a reason")
	require.Equal(t, http.StatusBadRequest, w.csv("write", "reason=r", "").status, "needs a list")
	require.Equal(t, http.StatusForbidden, w.csv("read", "reason=r", "user\n").status)
	require.Equal(t, http.StatusNotFound, w.as("read", http.MethodGet, "/v1/dnc/imports/none", nil).status)
	big := "user\n" + strings.Repeat("+6591234567\n", 6<<20)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.csv("write", "reason=r", big).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.csv("write", "reason=r", big, "Idempotency-Key", "k").status)
	require.Empty(t, w.kinds())
}

// One list at a time: two large bodies never lie in memory together.
func TestImportsOneAtATime(t *testing.T) {
	w := newWorld(t)
	body, feed := io.Pipe()
	h := map[string]string{"Authorization": "Bearer " + secretOf("write"), "Content-Type": "text/csv"}
	first := make(chan *response, 1)
	go func() {
		r, err := w.try(http.MethodPost, "/v1/dnc/imports?reason=r", body, h)
		if err != nil {
			r = &response{}
		}
		first <- r
	}()
	_, err := io.WriteString(feed, "user\n+6591234567\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return w.csv("write", "reason=r", "user\n+6591234568\n").status == http.StatusServiceUnavailable
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, http.StatusForbidden, w.csv("read", "reason=r", "user\n").status, "who may not, holds up nobody")
	require.NoError(t, feed.Close())
	require.Equal(t, http.StatusOK, (<-first).status)
	require.Equal(t, http.StatusOK, w.csv("write", "reason=r", "user\n+6591234569\n").status)
}

// The same list under the same key is taken in once, also when it is larger than
// other bodies may be.
func TestImportIdempotent(t *testing.T) {
	w := newWorld(t)
	var list bytes.Buffer
	list.WriteString("user,reason\n")
	for i := range 200 {
		list.WriteString("+6591234" + strconv.Itoa(100+i) + "," + strings.Repeat("r", 400) + "\n")
	}
	first := w.csv("write", "reason=list", list.String(), "Idempotency-Key", "k1")
	done := w.importDone(first)
	require.Equal(t, 200, done.Added)
	again := w.csv("write", "reason=list", list.String(), "Idempotency-Key", "k1")
	require.Equal(t, first.status, again.status)
	require.Equal(t, string(first.body), string(again.body))
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
}
