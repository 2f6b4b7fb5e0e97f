package eightx8

import (
	"context"
	"encoding/json"
	"time"
)

// outage holds the webhooks of a time in which nobody answers.
type outage struct{ waiting []json.RawMessage }

// Outage runs during while no webhook reaches the business, and then makes it as
// if the outage had lasted for length and everything had been sent at its
// beginning: after the last retry (131 s by the schedule) webhooks are lost; of a
// shorter outage they are delivered now, as Knobs.Reorder says. It returns how
// many were lost.
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
	if length > f.retries() {
		return len(waiting), nil
	}
	if reorder != nil {
		waiting = reorder(waiting)
	}
	for _, raw := range waiting {
		if err := f.postRaw(ctx, raw); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// retries is how long after the first try the last one is made.
func (f *Fake) retries() time.Duration {
	var total time.Duration
	for _, wait := range f.cfg.Retry {
		total += wait
	}
	return total
}

// keep takes a webhook in during an outage; false when there is none.
func (f *Fake) keep(raw json.RawMessage) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		return false
	}
	f.away.waiting = append(f.away.waiting, raw)
	return true
}
