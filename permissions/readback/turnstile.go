package readback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// The pauses after a provider said that it is asked too often and not for how
// long: doubled from the first to the longest.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// mostPause is the longest pause that a provider can ask for (Meta counts its limits
// by the hour): while an account is silent its unsigned grants cannot be dialled on.
const mostPause = time.Hour

// turnstile lets the questions of one account through: evenly, within its rate,
// those that a dial waits for before all others, and none while the provider wants
// to be left alone.
type turnstile struct {
	bucket *rate.Limiter
	each   time.Duration // between two questions
	dials  atomic.Int32  // that wait

	mu     sync.Mutex
	until  time.Time // shut until then
	shocks int       // answers in a row that said "too often"
}

func newTurnstile(perSecond float64) *turnstile {
	return &turnstile{
		// One at a time and no burst: the provider counts in windows of its own.
		bucket: rate.NewLimiter(rate.Limit(perSecond), 1),
		each:   time.Duration(float64(time.Second) / perSecond),
	}
}

// pass waits for the turn. A dial books it, and fails at once when it cannot have
// it before ctx's deadline. The others book nothing: whenever a dial comes it goes
// first.
func (t *turnstile) pass(ctx context.Context, first bool) error {
	if first {
		return t.passFirst(ctx)
	}
	for {
		if err := t.reopened(ctx); err != nil {
			return err
		}
		if t.dials.Load() == 0 && t.bucket.Allow() {
			return nil
		}
		if err := sleep(ctx, t.nextTurn()); err != nil {
			return err
		}
	}
}

func (t *turnstile) passFirst(ctx context.Context) error {
	t.dials.Add(1)
	defer t.dials.Add(-1)
	for {
		if err := t.reopened(ctx); err != nil {
			return err
		}
		if err := t.bucket.Wait(ctx); err != nil {
			return fmt.Errorf("wait for the turn: %w", err)
		}
		if t.pause() <= 0 {
			return nil
		}
		// Shut since the turn was booked: another is to be booked after the pause.
	}
}

// nextTurn is the wait for the next turn if nobody takes it before.
func (t *turnstile) nextTurn() time.Duration {
	missing := 1 - t.bucket.Tokens()
	return max(time.Duration(missing*float64(t.each)), 0) + time.Microsecond
}

// pause is for how long the turnstile stays shut, 0 or less when it is open.
func (t *turnstile) pause() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.until)
}

// reopened waits until the provider may be asked again, or fails at once when
// that is after ctx's deadline.
func (t *turnstile) reopened(ctx context.Context) error {
	for {
		wait := t.pause()
		if wait <= 0 {
			return nil
		}
		if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) < wait {
			return fmt.Errorf("%w of %s", ErrPaused, wait.Round(time.Millisecond))
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// shut closes the turnstile because the provider was asked too often: for as long
// as it says, an hour at most, and up to a tenth more, or for a pause that doubles.
func (t *turnstile) shut(wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shocks++
	if wait <= 0 {
		wait = jitter(backOff(t.shocks, firstPause, longestPause))
	} else {
		wait = min(wait, mostPause)
		wait += jitter(wait / 10)
	}
	if until := time.Now().Add(wait); until.After(t.until) {
		t.until = until
	}
}

// open notes that the provider answered.
func (t *turnstile) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shocks = 0
}

// backOff is the pause before try n, from 1: first, doubled each time, at most
// longest.
func backOff(n int, first, longest time.Duration) time.Duration {
	for ; n > 1 && first < longest; n-- {
		first *= 2
	}
	return min(first, longest)
}

// jitter is between half of d and d, so that those who failed together do not come
// back together.
func jitter(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2) //nolint:gosec // a spread, not a secret
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("readback: %w", ctx.Err())
	}
}
