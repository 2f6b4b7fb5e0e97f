package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check of /readyz.
const checkTimeout = 2 * time.Second

func (s *Server) adminMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{Registry: s.cfg.Metrics}))
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.cfg.Version) //nolint:errchkjson // strings
	})
	return s.observe(problems(mux))
}

// readyz answers 200 when every check holds; ?verbose lists them. A check that
// fails is always named.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	ok := true
	verbose := r.URL.Query().Has("verbose")
	report := func(name string, err error) {
		switch {
		case err != nil:
			ok = false
			_, _ = fmt.Fprintf(&text, "[-] %s: %s\n", name, mask(err.Error()))
		case verbose:
			_, _ = fmt.Fprintf(&text, "[+] %s\n", name)
		}
	}
	report("serving", s.serving())
	report("database", s.check(r.Context(), s.cfg.Read.PingContext))
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Checks)) {
		report(name, s.check(r.Context(), s.cfg.Checks[name]))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, text.String()+"not ready\n")
		return
	}
	_, _ = io.WriteString(w, text.String()+"ready\n")
}

func (s *Server) serving() error {
	if s.ready.Load() {
		return nil
	}
	return errNotServing
}

func (s *Server) check(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return f(ctx)
}
