package story

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Witness stands before the fake Graph API: when a call arrives there it asks
// callctl's audit, before the call goes on, whether the attempt is already
// written. What another connection can read has been committed.
type Witness struct {
	mu   sync.Mutex
	api  *api
	seen []sighting
}

// sighting is one Graph connect as it arrived.
type sighting struct {
	at       time.Time
	opaque   string // biz_opaque_callback_data
	attempts []entry
	err      error
}

// Wrap puts the witness before the fake Graph API.
func (w *Witness) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/calls") {
			w.look(req)
		}
		next.ServeHTTP(res, req)
	})
}

func (w *Witness) look(req *http.Request) {
	at := time.Now()
	raw, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	req.Body = io.NopCloser(bytes.NewReader(raw))
	var body struct {
		Action string `json:"action"`
		Opaque string `json:"biz_opaque_callback_data"`
	}
	if err != nil || json.Unmarshal(raw, &body) != nil || body.Action != "connect" {
		return
	}
	w.mu.Lock()
	asked := w.api
	w.mu.Unlock()
	if asked == nil {
		return
	}
	s := sighting{at: at, opaque: body.Opaque}
	ctx, cancel := context.WithTimeout(req.Context(), soon)
	defer cancel()
	s.attempts, s.err = asked.entries(ctx, "call.attempted")
	w.mu.Lock()
	w.seen = append(w.seen, s)
	w.mu.Unlock()
}

func (w *Witness) ask(a *api) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.api = a
}

// last is the newest Graph connect.
func (w *Witness) last() (sighting, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return sighting{}, false
	}
	return w.seen[len(w.seen)-1], true
}
