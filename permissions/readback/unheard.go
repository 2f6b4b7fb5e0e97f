package readback

import (
	"container/list"
	"sync"
	"time"

	"github.com/callctl/callctl/permissions"
)

const (
	// quiet is how long the provider's "nothing is granted" is not asked for again
	// before a dial of a pair that has no grant here either.
	quiet = 3 * time.Minute
	// maxUnheard bounds the pairs remembered: some 2 MB.
	maxUnheard = 10_000
)

// unheard remembers of which pairs the provider said lately that nothing is
// granted. When it is full the oldest is forgotten, which costs a question.
type unheard struct {
	mu    sync.Mutex
	said  map[permissions.Pair]*list.Element
	order *list.List // of saying, the oldest first
}

type saying struct {
	pair permissions.Pair
	at   time.Time
}

func newUnheard() *unheard {
	return &unheard{said: map[permissions.Pair]*list.Element{}, order: list.New()}
}

// lately says whether the pair was remembered within the quiet time before now.
func (u *unheard) lately(p permissions.Pair, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	e, ok := u.said[p]
	if !ok {
		return false
	}
	s, _ := e.Value.(saying)
	age := now.Sub(s.at)
	if age >= 0 && age < quiet {
		return true
	}
	u.drop(e)
	return false
}

func (u *unheard) remember(p permissions.Pair, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e, ok := u.said[p]; ok {
		u.drop(e)
	}
	u.said[p] = u.order.PushBack(saying{pair: p, at: now})
	if u.order.Len() > maxUnheard {
		u.drop(u.order.Front())
	}
}

func (u *unheard) forget(p permissions.Pair) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e, ok := u.said[p]; ok {
		u.drop(e)
	}
}

// drop removes an element; the caller holds mu.
func (u *unheard) drop(e *list.Element) {
	if s, ok := u.order.Remove(e).(saying); ok {
		delete(u.said, s.pair)
	}
}
