package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// errStuck is returned when a part did not stop in its time.
var errStuck = errors.New("did not stop in time")

// part is one running piece of the daemon.
type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// parts owns the goroutines of the daemon: started in order, stopped last in,
// first out, each step named in the log and bounded in time. Not safe for
// concurrent use: the daemon's Run owns it.
type parts struct {
	log     *slog.Logger
	timeout time.Duration // for each part
	list    []*part
	failed  chan *part
}

func newParts(log *slog.Logger, timeout time.Duration) *parts {
	return &parts{log: log, timeout: timeout, failed: make(chan *part, 32)}
}

// start runs f with a context of its own, so that ending the daemon's context
// does not end all parts at once but lets stop choose the order.
func (p *parts) start(ctx context.Context, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &part{name: name, cancel: cancel, done: make(chan struct{})}
	p.list = append(p.list, one)
	go func() {
		defer close(one.done)
		one.err = f(ctx)
		if ctx.Err() == nil {
			select {
			case p.failed <- one:
			default:
			}
		}
	}()
}

// wait blocks until ctx ends (nil) or a part ended by itself.
func (p *parts) wait(ctx context.Context) error { return p.until(ctx, nil) }

// until blocks until ready is closed or ctx ends (nil), or a part ended by itself.
func (p *parts) until(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return nil
	case one := <-p.failed:
		<-one.done
		if one.err == nil {
			one.err = errEndedEarly
		}
		return fmt.Errorf("%s: %w", one.name, one.err)
	}
}

var errEndedEarly = errors.New("ended before it was asked to")

// stop ends every part, newest first, and joins their errors.
func (p *parts) stop() error {
	var errs []error
	for _, one := range slices.Backward(p.list) {
		began := time.Now()
		one.cancel()
		select {
		case <-one.done:
			if one.err != nil && !errors.Is(one.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("stop %s: %w", one.name, one.err))
			}
			p.log.Debug("stopped", "part", one.name, "took", time.Since(began))
		case <-time.After(p.timeout):
			errs = append(errs, fmt.Errorf("stop %s: %w", one.name, errStuck))
			p.log.Error("part did not stop", "part", one.name, "after", p.timeout)
		}
	}
	p.list = nil
	return errors.Join(errs...)
}
