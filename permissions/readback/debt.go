package readback

import (
	"context"
	"sync"
)

// debt is whether an account is owed a reconcile run, and whether one is under
// way.
type debt struct {
	wake chan struct{}

	mu       sync.Mutex
	due      int // outages that no run has begun for
	paying   int // outages that the present run is for
	underway bool
}

func newDebt() *debt { return &debt{wake: make(chan struct{}, 1)} }

// owe asks for a run. One that comes during a run asks for another.
func (d *debt) owe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due++
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// owed says whether a run is due or was not finished.
func (d *debt) owed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.due > 0 || d.paying > 0
}

// wait waits until a run is due and takes it on; false when ctx ends.
func (d *debt) wait(ctx context.Context) bool {
	for {
		d.mu.Lock()
		if d.due > 0 && ctx.Err() == nil {
			d.paying, d.due = d.due, 0
			d.mu.Unlock()
			return true
		}
		d.mu.Unlock()
		select {
		case <-d.wake:
		case <-ctx.Done():
			return false
		}
	}
}

// pay notes that the run is done.
func (d *debt) pay() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paying = 0
}

// begin takes the account for one run; false while another has it.
func (d *debt) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underway {
		return false
	}
	d.underway = true
	return true
}

func (d *debt) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underway = false
}
