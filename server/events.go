package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callctl/callctl/compliance/audit"
)

// writeDeadline is how long an event stream's reader may leave a write waiting.
const writeDeadline = 10 * time.Second

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"Resume after this audit index"`
	After       string `query:"after" maxLength:"20" doc:"The same as Last-Event-ID, which wins; -1 streams the log from its beginning"`
	Kind        string `query:"kind" maxLength:"64" doc:"Only this kind"`
}

func (s *Server) eventRoutes() {
	register(s, operation{
		method: http.MethodGet, path: "/v1/events", id: "streamEvents", tag: "Events", scope: ScopeRead,
		summary: "The audit log as it grows, as server-sent events", produces: "text/event-stream",
		description: "Each event's id is the audit index, its name the kind, its data the entry. " +
			"Without Last-Event-ID the stream begins with what happens next. A comment line comes when nothing happens.",
	}, s.streamEvents)
}

func (s *Server) streamEvents(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	after, err := s.resumeAfter(in)
	if err != nil {
		return nil, err
	}
	leave, err := s.joinStreams()
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // the request's own context comes with ctx
		defer leave()
		r, w := unwrap(ctx)
		if rec, ok := w.(*recorder); ok {
			rec.streamed = true
		}
		st := &stream{w: w, control: http.NewResponseController(w), kind: in.Kind, after: after}
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead { // the mux lets GET answer it; nothing would ever end it
			return
		}
		s.follow(r.Context(), st)
	}}, nil
}

// resumeAfter is the index after which to begin: what the client saw last, or
// the newest entry.
func (s *Server) resumeAfter(in *eventsInput) (int64, error) {
	from := orElse(in.LastEventID, in.After)
	if from == "" {
		return s.cfg.Log.Size() - 1, nil
	}
	after, err := strconv.ParseInt(from, 10, 64)
	if err != nil || after < -1 {
		return 0, badField("header.Last-Event-ID", "not an index of the audit log")
	}
	return after, nil
}

// joinStreams takes a place among the open streams; leave gives it back.
func (s *Server) joinStreams() (leave func(), err error) {
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	if s.closing.Err() != nil {
		return nil, problem(http.StatusServiceUnavailable, reasonUnavailable, "The daemon is stopping.")
	}
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, problem(http.StatusServiceUnavailable, reasonUnavailable, "Too many event streams are open.")
	}
	s.open.Add(1)
	s.metrics.streams.Inc()
	return func() {
		s.metrics.streams.Dec()
		<-s.streams
		s.open.Done()
	}, nil
}

// follow writes entries as they are committed until the client leaves or the
// server shuts down.
func (s *Server) follow(ctx context.Context, st *stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)() //nolint:contextcheck // the server's end, beside the request's
	if st.comment("callctl") != nil {
		return
	}
	for {
		st.seen = s.cfg.Log.Size() - 1
		entries, err := s.cfg.Log.Entries(ctx, audit.Query{After: st.after, Limit: 100, Kind: st.kind})
		if err != nil || st.write(entries) != nil {
			return
		}
		if len(entries) == 100 {
			continue
		}
		if !s.await(ctx, st) {
			return
		}
	}
}

// await waits for more, writing a comment whenever nothing happens for a while.
func (s *Server) await(ctx context.Context, st *stream) bool {
	for {
		err := s.waitMore(ctx, max(st.after, st.seen))
		switch {
		case err == nil:
			return true
		case !errors.Is(err, errQuiet), st.comment("quiet") != nil:
			return false
		}
	}
}

// errQuiet says that nothing was committed for a heartbeat.
var errQuiet = errors.New("server: nothing happened")

func (s *Server) waitMore(ctx context.Context, after int64) error {
	quiet, cancel := context.WithTimeoutCause(ctx, s.cfg.Heartbeat, errQuiet)
	defer cancel()
	if err := s.cfg.Log.Wait(quiet, after); err != nil {
		return context.Cause(quiet)
	}
	return nil
}

// stream is one client's event stream.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	kind    string
	after   int64 // the last index written
	seen    int64 // the size of the log, less one, when it was read
}

func (st *stream) write(entries []audit.Entry) error {
	for _, e := range entries {
		b, err := json.Marshal(showEntry(e, true))
		if err != nil {
			return fmt.Errorf("event: %w", err)
		}
		if err := st.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Index, e.Kind, b)); err != nil {
			return err
		}
		st.after = e.Index
	}
	return nil
}

func (st *stream) comment(text string) error { return st.send(": " + text + "\n\n") }

func (st *stream) send(text string) error {
	if err := st.control.SetWriteDeadline(time.Now().Add(writeDeadline)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("event stream: %w", err)
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("event stream: %w", err)
	}
	return wrap("event stream", st.control.Flush())
}
