package readback

import (
	"container/list"
	"sync"
	"time"

	"github.com/callctl/callctl/permissions"
)

const (
	// quiet is how long a pair is not asked about again for a doubt that an answer
	// does not settle, such as that nothing is granted here.
	quiet = 3 * time.Minute
	// maxRecent bounds the pairs remembered: a few megabytes.
	maxRecent = 10_000
)

// recent remembers which pairs the provider was asked about a moment ago. When it
// is full the oldest is forgotten, which costs a question.
type recent struct {
	mu    sync.Mutex
	known map[permissions.Pair]*list.Element
	order *list.List // by time, the oldest first
}

type asked struct {
	pair permissions.Pair
	at   time.Time
}

func newRecent() *recent {
	return &recent{known: map[permissions.Pair]*list.Element{}, order: list.New()}
}

// has says whether the pair was remembered within the quiet time before now.
func (r *recent) has(p permissions.Pair, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.known[p]
	if !ok {
		return false
	}
	s, _ := e.Value.(asked)
	age := now.Sub(s.at)
	if age >= 0 && age < quiet {
		return true
	}
	r.drop(e)
	return false
}

func (r *recent) remember(p permissions.Pair, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.known[p]; ok {
		r.drop(e)
	}
	r.known[p] = r.order.PushBack(asked{pair: p, at: now})
	if r.order.Len() > maxRecent {
		r.drop(r.order.Front())
	}
}

func (r *recent) forget(p permissions.Pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.known[p]; ok {
		r.drop(e)
	}
}

// drop removes an element; the caller holds mu.
func (r *recent) drop(e *list.Element) {
	if s, ok := r.order.Remove(e).(asked); ok {
		delete(r.known, s.pair)
	}
}
