package readback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callctl/callctl/permissions"
)

const (
	// surveyPage is how many pairs are read from the ledger at once.
	surveyPage = 200
	// abreast is how many questions of one run may wait for answers together, so
	// that a slow provider is still asked at its rate.
	abreast = 4
	// rounds is how often a pair that could not be read is tried.
	rounds = 3
	// lost is how many questions in a row may fail before a round is broken off.
	lost = 10
	// firstRest and longestRest are the pauses between two rounds of a page.
	firstRest   = 2 * time.Second
	longestRest = time.Minute
)

// survey is how far a reconcile run has come. A run that broke off goes on from
// there.
type survey struct {
	cursor string
	asked  int // pairs read, or given up
	failed int // pairs given up
	done   bool
}

// vain says whether questions were asked and not one was answered.
func (s *survey) vain() bool { return s.asked > 0 && s.failed == s.asked }

// reconcile asks about the standing pairs that s has not come to.
func (d *desk) reconcile(ctx context.Context, s *survey) error {
	if !d.debt.begin() {
		return ErrReconciling
	}
	defer d.debt.end()
	for !s.done {
		pairs, next, err := d.cfg.Ledger.Standing(ctx, d.account.Business,
			permissions.Page{Limit: surveyPage, Cursor: s.cursor})
		if err != nil {
			return fmt.Errorf("list standing permissions: %w", err)
		}
		left, err := d.page(ctx, pairs)
		if err != nil {
			return err
		}
		s.asked += len(pairs)
		s.failed += left
		s.cursor, s.done = next, next == ""
	}
	if s.vain() {
		return fmt.Errorf("%w: not one of %d questions was answered", ErrUnreachable, s.asked)
	}
	return nil
}

// page asks about a page of pairs, those that failed up to three times, and
// returns how many are left. When question after question fails to the end, it is
// the provider that fails.
func (d *desk) page(ctx context.Context, pairs []permissions.Pair) (int, error) {
	left := pairs
	for n := 1; len(left) > 0 && n <= rounds; n++ {
		if n > 1 {
			if err := sleep(ctx, jitter(backOff(n-1, firstRest, longestRest))); err != nil {
				return 0, err
			}
		}
		var broken bool
		left, broken = d.round(ctx, left)
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("reconcile: %w", err)
		}
		if n == rounds && broken {
			return 0, fmt.Errorf("%w: %d questions in a row failed", ErrUnreachable, lost)
		}
	}
	return len(left), nil
}

// round asks about each pair once and returns those that could not be read. It is
// broken off when question after question fails.
func (d *desk) round(ctx context.Context, pairs []permissions.Pair) (left []permissions.Pair, broken bool) {
	var (
		mu   sync.Mutex
		row  atomic.Int32 // failures in a row
		work errgroup.Group
	)
	work.SetLimit(abreast)
	for _, p := range pairs {
		work.Go(func() error {
			if ctx.Err() == nil && row.Load() < lost {
				_, err := d.ask(ctx, p, permissions.DoubtReconcile, false)
				if err == nil {
					row.Store(0)
					return nil
				}
				row.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			left = append(left, p)
			return nil
		})
	}
	_ = work.Wait() // its functions return no error
	return left, row.Load() >= lost
}

const (
	// firstAgain and longestAgain are the pauses before a run that broke off goes
	// on.
	firstAgain   = time.Minute
	longestAgain = 15 * time.Minute
	// giveUp is how long a run that is owed is tried.
	giveUp = 24 * time.Hour
)

// payOwed reconciles whenever a run is owed, until ctx ends.
func (d *desk) payOwed(ctx context.Context) {
	for d.debt.wait(ctx) {
		d.settle(ctx)
	}
}

// settle makes the run that is owed, going on where it broke off.
func (d *desk) settle(ctx context.Context) {
	var s survey
	began := time.Now()
	log := d.cfg.Logger.With("account", d.account.Name)
	for n := 1; ; n++ {
		err := d.reconcile(ctx, &s)
		if ctx.Err() != nil {
			return // still owed: the next process finds the outage again
		}
		if err == nil {
			log.InfoContext(ctx, "reconciled with the provider after an outage",
				"asked", s.asked, "failed", s.failed, "took", time.Since(began))
			break
		}
		if time.Since(began) > giveUp {
			log.ErrorContext(ctx, "reconcile run given up: permissions may have changed unheard; grants are still read back before dials",
				"asked", s.asked, "failed", s.failed, "error", err)
			break
		}
		log.WarnContext(ctx, "reconcile run broken off; it goes on later",
			"asked", s.asked, "failed", s.failed, "error", err)
		if s.vain() || errors.Is(err, permissions.ErrCursor) {
			s = survey{}
		}
		if sleep(ctx, jitter(backOff(n, firstAgain, longestAgain))) != nil {
			return
		}
	}
	d.debt.pay()
}
