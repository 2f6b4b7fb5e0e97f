package migrations

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// checkpointTick is how often the WAL is looked at.
	checkpointTick = 250 * time.Millisecond
	// checkpointFrom is the WAL size from which it is worth copying it back.
	checkpointFrom = 512 << 10
	// truncateFrom is the size at which writers are held for a moment to cut the
	// file: only readers that stay for long let it get there.
	truncateFrom = 64 << 20
)

// RunCheckpoints copies the write-ahead log into the database from its own
// connection until ctx ends, so that no commit pays for it; without it every
// commit that makes the log long does. An error is a failing disk: the caller
// should stop.
func (db *DB) RunCheckpoints(ctx context.Context) error {
	tick := time.NewTicker(checkpointTick)
	defer tick.Stop()
	var seen time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		wal, err := os.Stat(db.Path + "-wal")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write-ahead log: %w", err)
		}
		if wal.Size() < checkpointFrom || wal.ModTime().Equal(seen) {
			continue
		}
		seen = wal.ModTime()
		if err := db.runCheckpoint(ctx, wal.Size()); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// runCheckpoint runs one checkpoint. A busy one is no error: the next tick tries again.
func (db *DB) runCheckpoint(ctx context.Context, size int64) error {
	query := "PRAGMA wal_checkpoint(PASSIVE)" // waits for nobody and holds nobody up
	if size >= truncateFrom {
		query = "PRAGMA wal_checkpoint(TRUNCATE)"
	}
	var busy, frames, copied int
	if err := db.checkpoint.QueryRowContext(ctx, query).Scan(&busy, &frames, &copied); err != nil {
		return fmt.Errorf("checkpoint the write-ahead log: %w", err)
	}
	return nil
}
