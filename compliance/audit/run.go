package audit

import (
	"context"
	"time"
)

const (
	// checkpointEvery is the longest time for which an entry stays unanchored.
	checkpointEvery = time.Minute
	// lastCheckpoint bounds the final checkpoint when Run ends.
	lastCheckpoint = 5 * time.Second
)

// Run signs a checkpoint at least every minute while the tree grows, and a last
// one when ctx ends. It returns nil then, and an error when a checkpoint could
// not be signed or anchored. It returns [ErrFailed] as soon as a commit failed on
// the device: nothing can be written any more, so the caller should stop.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	anchored := int64(-1)
	for {
		if size := l.Size(); size != anchored {
			c, err := l.Checkpoint(ctx)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if err == nil {
				anchored = c.Size
			}
		}
		select {
		case <-ctx.Done():
			return l.finalCheckpoint(ctx, anchored)
		case <-l.broken:
			_, err := l.standing()
			return err
		case <-tick.C:
		}
	}
}

func (l *Log) finalCheckpoint(ctx context.Context, anchored int64) error {
	if l.Size() == anchored {
		return nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCheckpoint)
	defer cancel()
	_, err := l.Checkpoint(last)
	return err
}
