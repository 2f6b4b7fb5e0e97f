package meta

import (
	"context"
	"fmt"
)

// until waits until met, which is tried again after every change.
func (f *Fake) until(ctx context.Context, what string, met func() bool) error {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if met() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("testbed/meta: waiting for %s: %w", what, ctx.Err())
		}
	}
}

// WaitCall waits until some call satisfies want and returns it.
func (f *Fake) WaitCall(ctx context.Context, want func(Call) bool) (found Call, err error) {
	err = f.until(ctx, "a call", func() bool {
		for _, c := range f.Calls() {
			if want(c) {
				found = c
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitState waits until the call is in the state and returns it.
func (f *Fake) WaitState(ctx context.Context, wacid, state string) (Call, error) {
	return f.WaitCall(ctx, func(c Call) bool { return c.ID == wacid && c.State == state })
}

// WaitCalls waits until there are n calls or more and returns all.
func (f *Fake) WaitCalls(ctx context.Context, n int) (calls []Call, err error) {
	err = f.until(ctx, "calls", func() bool {
		calls = f.Calls()
		return len(calls) >= n
	})
	return calls, err
}

// WaitRequest waits until some answered request satisfies want and returns it.
func (f *Fake) WaitRequest(ctx context.Context, want func(Request) bool) (found Request, err error) {
	err = f.until(ctx, "a request", func() bool {
		for _, r := range f.Requests() {
			if r.Status != 0 && want(r) {
				found = r
				return true
			}
		}
		return false
	})
	return found, err
}

// WaitRequests waits until there are n requests or more and returns all.
func (f *Fake) WaitRequests(ctx context.Context, n int) (requests []Request, err error) {
	err = f.until(ctx, "requests", func() bool {
		requests = f.Requests()
		return len(requests) >= n
	})
	return requests, err
}

// WaitDeliveries waits until n webhooks or more were posted and returns all.
func (f *Fake) WaitDeliveries(ctx context.Context, n int) (deliveries []Delivery, err error) {
	err = f.until(ctx, "deliveries", func() bool {
		deliveries = f.Deliveries()
		return len(deliveries) >= n
	})
	return deliveries, err
}
