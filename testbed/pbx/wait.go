package pbx

import (
	"context"
	"fmt"
)

// WaitCall waits until some call satisfies want and returns it.
func (p *PBX) WaitCall(ctx context.Context, want func(Call) bool) (Call, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		for _, c := range p.Calls() {
			if want(c) {
				return c, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Call{}, fmt.Errorf("pbx: waiting for a call: %w", ctx.Err())
		}
	}
}

// WaitState waits until the call is in the state and returns it.
func (p *PBX) WaitState(ctx context.Context, callID, state string) (Call, error) {
	return p.WaitCall(ctx, func(c Call) bool { return c.CallID == callID && c.State == state })
}

// WaitCalls waits until there are n calls or more and returns all.
func (p *PBX) WaitCalls(ctx context.Context, n int) ([]Call, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if calls := p.Calls(); len(calls) >= n {
			return calls, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("pbx: waiting for %d calls: %w", n, ctx.Err())
		}
	}
}

// signal wakes those who wait.
func (p *PBX) signal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}
