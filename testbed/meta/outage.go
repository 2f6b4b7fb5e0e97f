package meta

import (
	"context"
	"slices"
	"time"
)

// outage holds the webhooks of a time in which nobody answers.
type outage struct{ waiting [][]Webhook }

// Outage runs during while no webhook reaches the business, and then makes it as
// if the outage had lasted for length: Meta has retried for 7 days (Timers.Retry),
// so that of a longer one the webhooks are lost, and of a shorter one they are
// delivered now, as Knobs.Reorder says. It returns how many were lost.
func (f *Fake) Outage(ctx context.Context, length time.Duration, during func() error) (lost int, err error) {
	f.mu.Lock()
	f.away = &outage{}
	f.mu.Unlock()
	err = during()
	f.mu.Lock()
	waiting, reorder := f.away.waiting, f.knobs.Reorder
	f.away = nil
	f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if length > f.cfg.Timers.Retry {
		return len(waiting), nil
	}
	if reorder != nil {
		var all [][]Webhook
		for _, w := range reorder(slices.Concat(waiting...)) {
			all = append(all, []Webhook{w})
		}
		waiting = all
	}
	for _, webhooks := range waiting {
		if err := f.post(ctx, webhooks...); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// keep takes webhooks in during an outage; false when there is none.
func (f *Fake) keep(webhooks []Webhook) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		return false
	}
	f.away.waiting = append(f.away.waiting, webhooks)
	return true
}
