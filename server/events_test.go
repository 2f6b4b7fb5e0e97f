package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server"
)

// sse is an open event stream.
type sse struct {
	tb    testing.TB
	lines *bufio.Scanner
	close func()
}

type sseEvent struct {
	id    int
	name  string
	entry struct {
		Index   int
		Time    time.Time
		Kind    string
		Payload map[string]any
	}
}

func (w *world) stream(query, lastEventID string) *sse {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(w.tb.Context(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/v1/events"+query, nil)
	require.NoError(w.tb, err)
	req.Header.Set("Authorization", "Bearer "+secretOf("read"))
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := w.Client().Do(req)
	require.NoError(w.tb, err)
	require.Equal(w.tb, http.StatusOK, res.StatusCode)
	require.Equal(w.tb, "text/event-stream", res.Header.Get("Content-Type"))
	s := &sse{tb: w.tb, lines: bufio.NewScanner(res.Body), close: func() { cancel(); _ = res.Body.Close() }}
	w.tb.Cleanup(s.close)
	return s
}

// next reads one event; comments are skipped.
func (s *sse) next() sseEvent {
	s.tb.Helper()
	var e sseEvent
	for s.lines.Scan() {
		field, v, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			n, err := strconv.Atoi(v)
			require.NoError(s.tb, err)
			e.id = n
		case "event":
			e.name = v
		case "data":
			require.NoError(s.tb, json.Unmarshal([]byte(v), &e.entry))
		case "":
			if e.name != "" {
				return e
			}
		}
	}
	require.Fail(s.tb, "the stream ended")
	return e
}

func TestEventsFollowTheAudit(t *testing.T) {
	w := newWorld(t)
	w.post(grant("wamid.G0"))
	s := w.stream("", "")
	w.post(change("messages", value(phoneNumberID, text("wamid.T1", "hello"))))
	e := s.next()
	require.Equal(t, 1, e.id, "begins with what happens next")
	require.Equal(t, "message.received", e.name)
	require.Equal(t, e.id, e.entry.Index)
	require.Equal(t, e.name, e.entry.Kind)
	require.WithinDuration(t, time.Now(), e.entry.Time, time.Minute)
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.post(change("messages", value(phoneNumberID, text("wamid.T"+strconv.Itoa(i), "hello"))))
	}
	s := w.stream("?after=-1", "")
	for i := range 3 {
		require.Equal(t, i, s.next().id)
	}
	s.close()
	s = w.stream("", "2")
	for i := 3; i < 5; i++ {
		require.Equal(t, i, s.next().id)
	}
	w.post(change("messages", value(phoneNumberID, text("wamid.T5", "hello"))))
	require.Equal(t, 5, s.next().id)
	require.Equal(t, http.StatusUnprocessableEntity, w.as("read", http.MethodGet, "/v1/events", nil, "Last-Event-ID", "x").status)
}

// A filter neither spins nor misses what comes after entries that it hides.
func TestEventsByKind(t *testing.T) {
	w := newWorld(t)
	s := w.stream("?kind=permission.granted", "")
	for i := range 150 {
		w.post(change("messages", value(phoneNumberID, text("wamid.T"+strconv.Itoa(i), "hello"))))
	}
	w.post(grant("wamid.G1"))
	require.Equal(t, "permission.granted", s.next().name)
}

func TestEventsHeartbeat(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Heartbeat = 10 * time.Millisecond })
	s := w.stream("", "")
	comments := 0
	for comments < 5 && s.lines.Scan() {
		if strings.HasPrefix(s.lines.Text(), ": quiet") {
			comments++
		}
	}
	require.Equal(t, 5, comments)
}

// The deadlines that hold off slow clients leave an event stream alone.
func TestEventsOutliveTheServersDeadlines(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Heartbeat = 20 * time.Millisecond })
	short := server.HTTPServer("", w.server.Handler())
	short.ReadTimeout, short.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	other := httptest.NewUnstartedServer(nil)
	other.Config = short
	other.Start()
	t.Cleanup(other.Close)
	was := w.URL
	w.URL = other.URL
	s := w.stream("", "")
	w.URL = was
	time.Sleep(200 * time.Millisecond)
	w.post(grant("wamid.G1"))
	require.Equal(t, "permission.granted", s.next().name)
	require.NoError(t, w.server.Shutdown(t.Context()))
}

func TestEventsEndOnShutdown(t *testing.T) {
	w := newWorld(t)
	s := w.stream("", "")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, w.server.Shutdown(ctx))
	for s.lines.Scan() {
	}
	require.NoError(t, s.lines.Err(), "the stream ended properly")
	require.Equal(t, http.StatusServiceUnavailable, w.as("read", http.MethodGet, "/v1/events", nil).status)
}

// HEAD asks for the headers of an event stream only, so it must not hold one.
func TestHeadOfEventStreamEnds(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, w.URL+"/v1/events", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+secretOf("read"))
	res, err := w.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Eventually(t, func() bool { return strings.Contains(w.metrics(), "callctl_event_streams 0\n") }, 3*time.Second, 10*time.Millisecond)
}
