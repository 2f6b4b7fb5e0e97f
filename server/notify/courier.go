package notify

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/callctl/callctl/compliance/audit"
)

const (
	// giveUp is for how long an event is tried before the subscription is disabled.
	giveUp = 72 * time.Hour
	// flushTime bounds what is still delivered while the process stops.
	flushTime = 5 * time.Second
	// page is how many entries are read at once.
	page = 32
	// saveSkipped is after how many entries that nobody wants the place in the log
	// is kept all the same, so that a restart does not read them all again.
	saveSkipped = 1000
)

// courier delivers to one subscription, one event at a time.
type courier struct {
	n    *Notifier
	sub  Subscription
	key  []byte
	read int64                       // everything up to this index was delivered or is not wanted
	wait *backoff.ExponentialBackOff // between the tries of one entry
}

func (n *Notifier) newCourier(s Subscription) (*courier, error) {
	key, err := s.Secret.key()
	if err != nil {
		return nil, err
	}
	return &courier{n: n, sub: s, key: key, read: s.Delivered, wait: newBackOff()}, nil
}

// run delivers until ctx ends, or until the subscription is disabled. When the
// process stops, what the log holds is delivered if it can be at once.
func (c *courier) run(ctx context.Context) {
	c.follow(ctx)
	if c.sub.State != Active || errors.Is(context.Cause(ctx), errEnded) {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	for c.n.cfg.Log.Size()-1 > c.read && c.step(last) == nil {
		continue
	}
}

// follow delivers as the log grows.
func (c *courier) follow(ctx context.Context) {
	pause := newBackOff()
	for ctx.Err() == nil && c.sub.State != Disabled {
		err := c.n.cfg.Log.Wait(ctx, c.read)
		if err == nil {
			err = c.step(ctx)
		}
		if errors.Is(err, errEnded) {
			return
		}
		if err == nil || ctx.Err() != nil {
			pause.Reset()
			continue
		}
		c.n.cfg.Logger.ErrorContext(ctx, "audit log could not be read for a webhook subscription",
			"subscription", c.sub.ID, "after", c.read, "error", err)
		_ = sleep(ctx, pause.NextBackOff())
	}
}

// step delivers the next entries. It fails when the log cannot be read, and when
// ctx ends first. An entry that was not taken is read again for its next try,
// because its payload may have been erased meanwhile.
func (c *courier) step(ctx context.Context) error {
	entries, err := c.n.cfg.Log.Entries(ctx, audit.Query{After: c.read, Limit: page})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if c.sub.wants(e.Kind) {
			if taken, err := c.deliver(ctx, e); err != nil || !taken {
				return err
			}
		}
		c.read = e.Index
	}
	if c.read-c.sub.Delivered >= saveSkipped {
		c.sub.Delivered = c.read
		c.keep(ctx, sqlSkipped, c.read, c.sub.ID)
	}
	return nil
}

// deliver tries one entry once. When it was not taken, and the subscription is not
// disabled by that, it waits until the next try is due.
func (c *courier) deliver(ctx context.Context, e audit.Entry) (taken bool, err error) {
	body, err := encode(c.n.cfg.Log.Origin(), e)
	if err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if _, deleted := c.n.deleted.Load(c.sub.ID); deleted {
		return false, errEnded
	}
	a := c.n.post(ctx, c.sub.URL, c.key, eventID(e), body)
	if a.taken {
		c.taken(ctx, e.Index)
		return true, nil
	}
	wait := c.failed(ctx, e, a)
	if c.sub.State == Disabled {
		return false, nil
	}
	return false, sleep(ctx, wait)
}

// taken moves the subscription's place in the log. When that cannot be written
// the next delivery writes it; after a crash before that, this one is repeated.
func (c *courier) taken(ctx context.Context, index int64) {
	c.sub.Delivered, c.sub.State, c.sub.FailingSince, c.sub.Problem = index, Active, time.Time{}, ""
	c.wait.Reset()
	c.keep(ctx, sqlDelivered, index, c.sub.ID)
}

// failed notes a failed try and says how long to wait for the next; it disables
// the subscription when there is none.
func (c *courier) failed(ctx context.Context, e audit.Entry, a answer) time.Duration {
	now := c.n.cfg.Now()
	first := c.sub.FailingSince.IsZero()
	if first {
		c.sub.FailingSince = now
	}
	left := c.sub.FailingSince.Add(giveUp).Sub(now)
	if a.gone || left <= 0 {
		c.disable(ctx, a)
		return 0
	}
	if first || c.sub.Problem != a.problem {
		c.n.cfg.Logger.WarnContext(ctx, "webhook delivery failed, it is tried again",
			"subscription", c.sub.ID, "index", e.Index, "kind", e.Kind, "problem", a.problem)
		c.sub.State, c.sub.Problem = Failing, a.problem
		c.keep(ctx, sqlFailing, c.sub.FailingSince.UnixMilli(), a.problem, c.sub.ID)
	}
	return min(max(c.wait.NextBackOff(), a.retryAfter), left)
}

func (c *courier) disable(ctx context.Context, a answer) {
	c.sub.Problem = a.problem
	if !a.gone {
		c.sub.Problem = "not taken for 72 hours, last: " + a.problem
	}
	if err := c.n.disable(context.WithoutCancel(ctx), c.sub); err != nil {
		// It stays failing in the database, and the next start tries once more.
		c.n.cfg.Logger.ErrorContext(ctx, "webhook subscription could not be disabled", "subscription", c.sub.ID, "error", err)
	}
	c.sub.State = Disabled
	c.n.cfg.Logger.WarnContext(ctx, "webhook subscription disabled", "subscription", c.sub.ID, "problem", c.sub.Problem)
}

// keep writes progress, also while the process stops.
func (c *courier) keep(ctx context.Context, query string, args ...any) {
	if err := c.n.save(context.WithoutCancel(ctx), query, args...); err != nil {
		c.n.cfg.Logger.ErrorContext(ctx, "progress of a webhook subscription not kept", "subscription", c.sub.ID, "error", err)
	}
}

// newBackOff waits between tries: anything from nothing to a bound that doubles
// from one second to half an hour (full jitter).
func newBackOff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 500 * time.Millisecond, RandomizationFactor: 1, Multiplier: 2, MaxInterval: 15 * time.Minute,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
