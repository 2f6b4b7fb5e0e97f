package server

import (
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// observe wraps a mux: a panic becomes 500, and every request is logged and
// counted by its route pattern, never by its URL, which may hold a number.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				s.panicked(rec, r, v)
			}
			s.observed(rec, r, time.Since(began))
		}()
		rec.Header().Set("X-Content-Type-Options", "nosniff")
		rec.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(rec, r)
	})
}

// panicked answers 500 and logs where it happened. The panic's value is left
// out unless it is an error of the runtime: it may hold what was sent.
func (s *Server) panicked(w *recorder, r *http.Request, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint,err113 // compared as net/http does
		panic(v) //nolint:forbidigo // net/http's way to abort a response
	}
	attrs := []any{slog.String("route", route(r)), slog.String("stack", frames(debug.Stack()))}
	if e, ok := v.(interface{ RuntimeError() }); ok {
		if err, ok := e.(error); ok {
			attrs = append(attrs, slog.String("panic", mask(err.Error())))
		}
	}
	s.cfg.Logger.ErrorContext(r.Context(), "request panicked", attrs...)
	if w.status == 0 {
		writeProblem(w, problem(http.StatusInternalServerError, reasonInternal, "The request failed; the daemon's log says why."))
	}
}

// frames keeps of a stack the function names and lines, without arguments.
func frames(stack []byte) string {
	var out []string
	for line := range strings.Lines(string(stack)) {
		if strings.HasPrefix(line, "\t") {
			place, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			out = append(out, place)
		}
	}
	return strings.Join(out, " < ")
}

func (s *Server) observed(w *recorder, r *http.Request, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	pattern := route(r)
	s.metrics.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
	if !w.streamed {
		s.metrics.seconds.WithLabelValues(pattern).Observe(took.Seconds())
	}
	s.cfg.Logger.InfoContext(r.Context(), "request",
		slog.String("route", pattern), slog.Int("status", status),
		slog.Int64("bytes", w.bytes), slog.Duration("took", took))
}

// route is the pattern that matched, such as "GET /v1/dnc/{user}".
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter

	status   int
	bytes    int64
	streamed bool
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// HTTPServer is a server with the timeouts that keep slow and idle clients from
// holding it: 5 s for headers, 30 s for a body, 60 s for an answer (event streams
// move their own deadline), 60 s idle, 64 KiB of headers, 2,000 connections. The
// caller serves and shuts it down.
func HTTPServer(addr string, h http.Handler) *http.Server {
	limit := &connLimit{most: 2000, perHost: 50, hosts: map[string]int{}, open: map[net.Conn]string{}}
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ConnState:         limit.state,
	}
}
