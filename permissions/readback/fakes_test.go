package readback_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
)

const (
	eightNumber = geo.E164("+6531234568")
	metaNumber  = geo.E164("+6531234567")
	ann         = permissions.User("+6591234567")
	bob         = permissions.User("+6598765432")
)

// The retries of the providers, as the accounts of a daemon have them.
const (
	eightRetries = 131 * time.Second
	metaRetries  = 7 * 24 * time.Hour
)

var (
	onEight = permissions.Pair{Business: eightNumber, User: ann}
	onMeta  = permissions.Pair{Business: metaNumber, User: ann}
)

var (
	errDown   = errors.New("connection refused")
	errLocked = errors.New("database is locked")
)

// tooOftenError is a provider's answer to too many questions.
type tooOftenError struct{ wait time.Duration }

func (e *tooOftenError) Error() string                    { return "too many requests (code 613, status 429)" }
func (e *tooOftenError) Throttled() (time.Duration, bool) { return e.wait, true }

// question is one that reached a provider.
type question struct {
	user permissions.User
	at   time.Time
}

// provider is a Source whose answers a test sets.
type provider struct {
	mu     sync.Mutex
	state  permissions.ProviderState
	err    error
	fail   []error                      // the answers before all others
	refuse func(permissions.User) error // by user
	took   time.Duration                // before it answers
	asked  []question
	now    int // questions under way
	most   int // questions under way at a time
}

func (p *provider) ReadPermission(ctx context.Context, user permissions.User) (permissions.ProviderState, error) {
	p.mu.Lock()
	p.asked = append(p.asked, question{user, time.Now()})
	state, err, took := p.state, p.err, p.took
	if len(p.fail) > 0 {
		state, err = permissions.ProviderState{}, p.fail[0]
		p.fail = p.fail[1:]
	} else if p.refuse != nil && err == nil {
		err = p.refuse(user)
	}
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now--
	}()
	select {
	case <-time.After(took):
		return state, err
	case <-ctx.Done():
		return permissions.ProviderState{}, ctx.Err()
	}
}

func (p *provider) questions() []question {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *provider) users() []permissions.User {
	var users []permissions.User
	for _, q := range p.questions() {
		users = append(users, q.user)
	}
	return users
}

func (p *provider) set(edit func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	edit(p)
}

// told is one answer that the ledger was given.
type told struct {
	pair  permissions.Pair
	state permissions.ProviderState
	why   permissions.Doubt
}

// ledger is a readback.Ledger in memory.
type ledger struct {
	mu       sync.Mutex
	doubts   map[permissions.Pair]permissions.Doubt
	standing map[geo.E164][]permissions.Pair
	told     []told
	alive    []time.Time
	last     time.Time
	err      error // of every method, when set
	doubted  int   // times that Doubtful was asked
}

func (l *ledger) Doubtful(_ context.Context, p permissions.Pair) (permissions.Doubt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubted++
	return l.doubts[p], l.err
}

// Read settles every doubt but the one about pairs that nothing is granted to.
func (l *ledger) Read(_ context.Context, p permissions.Pair, s permissions.ProviderState, why permissions.Doubt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.told = append(l.told, told{p, s, why})
	if s.Status != permissions.StatusNone {
		delete(l.doubts, p)
	}
	return nil
}

func (l *ledger) Standing(_ context.Context, b geo.E164, p permissions.Page) ([]permissions.Pair, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, "", l.err
	}
	from := 0
	if p.Cursor != "" {
		from, _ = strconv.Atoi(p.Cursor)
	}
	all := l.standing[b]
	to := min(from+p.Size(), len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return slices.Clone(all[from:to]), next, nil
}

func (l *ledger) Alive(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.last = time.Now()
		l.alive = append(l.alive, l.last)
	}
	return l.err
}

func (l *ledger) LastAlive(context.Context) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.err
}

func (l *ledger) set(edit func(*ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	edit(l)
}

func (l *ledger) heard() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

func (l *ledger) beats() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.alive)
}

var _ readback.Ledger = (*ledger)(nil)

// crowd is n pairs of a business.
func crowd(b geo.E164, n int) []permissions.Pair {
	pairs := make([]permissions.Pair, n)
	for i := range pairs {
		pairs[i] = permissions.Pair{Business: b, User: permissions.User("+65" + strconv.Itoa(91000000+i))}
	}
	return pairs
}
