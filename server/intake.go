package server

import (
	"context"
	"net/http"
	"time"
)

// intake bounds the bodies of deliveries that are held at once, so that a burst,
// or a crowd of slow senders, meets 503 before memory grows. Most deliveries
// announce a small body; the others, and those that announce none, have few
// places of their own.
type intake struct {
	small, large chan struct{}
	patience     time.Duration // how long a delivery waits for a place
}

// The places and the longest times to read a body.
const (
	smallBody     = 64 << 10
	smallPlaces   = 1024
	largePlaces   = 16
	smallPatience = 5 * time.Second
	largePatience = 15 * time.Second
)

func newIntake() intake {
	return intake{small: make(chan struct{}, smallPlaces), large: make(chan struct{}, largePlaces), patience: time.Second}
}

// admit takes a place for a delivery and sets the deadline of its body; leave
// gives the place back.
func (in *intake) admit(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	places, limit := in.large, largePatience
	if r.ContentLength >= 0 && r.ContentLength <= smallBody {
		places, limit = in.small, smallPatience
	}
	if !enter(r.Context(), places, in.patience) {
		return nil, false
	}
	// Best effort: a writer without deadlines has the server's own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
	return func() { <-places }, true
}

func enter(ctx context.Context, places chan struct{}, patience time.Duration) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return false
}
