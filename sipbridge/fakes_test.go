package sipbridge_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/sipbridge"
)

// refusal is a gate's no.
type refusal struct {
	reason string
	retry  time.Time
}

func (r refusal) Error() string         { return "refused: " + r.reason }
func (r refusal) Reason() string        { return r.reason }
func (r refusal) RetryAfter() time.Time { return r.retry }

// fakeGate allows everything unless told otherwise.
type fakeGate struct {
	mu      sync.Mutex
	refuse  error // Authorize
	confirm error // Ticket.Confirm
	tickets []*fakeTicket
}

func (g *fakeGate) Authorize(_ context.Context, a sipbridge.Attempt) (sipbridge.Ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse != nil {
		return nil, g.refuse
	}
	t := &fakeTicket{gate: g, attempt: a}
	g.tickets = append(g.tickets, t)
	return t, nil
}

func (g *fakeGate) set(refuse, confirm error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse, g.confirm = refuse, confirm
}

// settled lists the outcomes settled for a call.
func (g *fakeGate) settled(id string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, t := range g.tickets {
		if t.attempt.CallID == id {
			out = append(out, t.outcomes...)
		}
	}
	return out
}

// outcomesOf lists the outcomes settled for calls to a user.
func (g *fakeGate) outcomesOf(user string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, t := range g.tickets {
		if t.attempt.User == user {
			out = append(out, t.outcomes...)
		}
	}
	return out
}

type fakeTicket struct {
	gate     *fakeGate
	attempt  sipbridge.Attempt
	outcomes []string
}

func (t *fakeTicket) Confirm(context.Context) error {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	return t.gate.confirm
}

func (t *fakeTicket) Settle(_ context.Context, _ *audit.Tx, outcome string) error {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.outcomes = append(t.outcomes, outcome)
	return nil
}

func (t *fakeTicket) DecisionIndex() int64 { return 7 }
func (t *fakeTicket) Permission() string   { return "temporary; expires=2026-12-01T00:00:00Z" }

// fakeLedger remembers users' calls.
type fakeLedger struct {
	mu    sync.Mutex
	calls []sipbridge.UserCall
	fail  int // how many Subject calls fail before one works
}

func (l *fakeLedger) Called(_ context.Context, _ *audit.Tx, c sipbridge.UserCall) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	return nil
}

func (l *fakeLedger) Subject(_ context.Context, _ *audit.Tx, _ string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail > 0 {
		l.fail--
		return "", errDatabase
	}
	return "subject-1", nil
}

// fakeCarrier is a provider whose answers a test scripts.
type fakeCarrier struct {
	mu       sync.Mutex
	requests []string // "connect wacid.1", "terminate wacid.1" …
	offers   map[string]string
	sdp      map[string][]string // by request
	n        int

	// Scripts; nil answers at once and well. They run without the lock.
	connect   func(ctx context.Context, wacid, offer, opaque string) error
	preAccept func(ctx context.Context, wacid, answer string) error
	accept    func(ctx context.Context, wacid, answer string) error
	terminate func(ctx context.Context, wacid string) error
	reject    func(ctx context.Context, wacid string) error
}

// onConnect and onAccept set scripts; a test may do so while the bridge runs.
func (c *fakeCarrier) onConnect(script func(ctx context.Context, wacid, offer, opaque string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connect = script
}

func (c *fakeCarrier) onAccept(script func(ctx context.Context, wacid, answer string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accept = script
}

func newFakeCarrier() *fakeCarrier {
	return &fakeCarrier{offers: map[string]string{}, sdp: map[string][]string{}}
}

func (c *fakeCarrier) note(what, wacid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, what+" "+wacid+" ")
}

func (c *fakeCarrier) keep(what, sdp string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sdp[what] = append(c.sdp[what], sdp)
}

// answers are the descriptions sent with a request, in order.
func (c *fakeCarrier) answers(what string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.sdp[what]...)
}

// count is how often a request was made, for any call.
func (c *fakeCarrier) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range c.requests {
		if len(r) >= len(what) && r[:len(what)] == what {
			n++
		}
	}
	return n
}

func (c *fakeCarrier) Connect(ctx context.Context, _, offer, opaque string) (string, error) {
	c.mu.Lock()
	c.n++
	wacid := fmt.Sprintf("wacid.%d", c.n)
	c.offers[wacid] = offer
	script := c.connect
	c.mu.Unlock()
	c.note("connect", wacid)
	if script != nil {
		if err := script(ctx, wacid, offer, opaque); err != nil {
			return "", err
		}
	}
	return wacid, nil
}

func (c *fakeCarrier) PreAccept(ctx context.Context, wacid, answer string) error {
	c.note("pre_accept", wacid)
	c.keep("pre_accept", answer)
	c.mu.Lock()
	script := c.preAccept
	c.mu.Unlock()
	if script != nil {
		return script(ctx, wacid, answer)
	}
	return nil
}

func (c *fakeCarrier) Accept(ctx context.Context, wacid, answer, _ string) error {
	c.note("accept", wacid)
	c.keep("accept", answer)
	c.mu.Lock()
	script := c.accept
	c.mu.Unlock()
	if script != nil {
		return script(ctx, wacid, answer)
	}
	return nil
}

func (c *fakeCarrier) Reject(ctx context.Context, wacid string) error {
	c.note("reject", wacid)
	c.mu.Lock()
	script := c.reject
	c.mu.Unlock()
	if script != nil {
		return script(ctx, wacid)
	}
	return nil
}

func (c *fakeCarrier) Terminate(ctx context.Context, wacid string) error {
	c.note("terminate", wacid)
	c.mu.Lock()
	script := c.terminate
	c.mu.Unlock()
	if script != nil {
		return script(ctx, wacid)
	}
	return nil
}
