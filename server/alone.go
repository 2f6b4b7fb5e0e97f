package server

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// largePatient is how long a large body may take to arrive, and how long its
// answer may take after that.
const largePatient = 2 * time.Minute

// alone lets one request at a time through to the operations that take large
// bodies, so that they cannot fill the memory together; the next meets 503.
func (s *Server) alone(ctx huma.Context, next func(huma.Context)) {
	if alone, _ := ctx.Operation().Metadata["alone"].(bool); !alone {
		next(ctx)
		return
	}
	select {
	case s.large <- struct{}{}:
		defer func() { <-s.large }()
	default:
		s.refuse(ctx, problem(http.StatusServiceUnavailable, reasonUnavailable, "Another one is on its way; try again."))
		return
	}
	// Best effort: a writer without deadlines has the server's own.
	_, w := unwrap(ctx)
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(largePatient))
	_ = rc.SetWriteDeadline(time.Now().Add(2 * largePatient))
	next(ctx)
}
