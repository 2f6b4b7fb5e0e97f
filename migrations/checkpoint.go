package migrations

import (
	"context"
	"database/sql"
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
	// restartFrom is the number of pages in the WAL from which the writer is held
	// for a moment to begin it anew: without a pause of the writer it never ends.
	restartFrom = 2048
	// nearlyAll is how many pages may be left to copy while the writer is held.
	nearlyAll = 256
	// truncateFrom is the size at which readers are waited for to cut the file: only
	// those that stay for long let it get there.
	truncateFrom = 64 << 20
)

// The checkpoints (sqlite.org/pragma.html#pragma_wal_checkpoint). A passive one
// waits for nobody and copies what no reader keeps it from copying.
const (
	sqlCheckpoint         = `PRAGMA wal_checkpoint(PASSIVE)`
	sqlCheckpointTruncate = `PRAGMA wal_checkpoint(TRUNCATE)`
)

// RunCheckpoints copies the write-ahead log into the database from its own
// connection until ctx ends, so that no commit pays for it; without it every
// commit that makes the log long does. When the log has grown it also holds the
// writer, for the few milliseconds that the newest pages take, so that the next
// commit begins the log anew. An error is a failing disk: the caller should stop.
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

// runCheckpoint copies the log of the given size back. What readers hold up is no
// error: the next tick tries again.
func (db *DB) runCheckpoint(ctx context.Context, size int64) error {
	const rounds = 4
	copied, pages, err := checkpoint(ctx, db.checkpoint, sqlCheckpoint)
	if err != nil || pages < restartFrom {
		return err
	}
	for range rounds { // what was written while the one before copied
		before := copied
		if copied, _, err = checkpoint(ctx, db.checkpoint, sqlCheckpoint); err != nil {
			return err
		}
		if copied-before < nearlyAll {
			break
		}
	}
	writer, err := db.Write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("hold the writer: %w", err)
	}
	defer writer.Close()
	query := sqlCheckpoint
	if size >= truncateFrom {
		query = sqlCheckpointTruncate
	}
	_, _, err = checkpoint(ctx, db.checkpoint, query)
	return err
}

// checkpoint runs one checkpoint and returns how many pages of the log are copied
// and how many it has.
func checkpoint(ctx context.Context, on *sql.DB, query string) (copied, pages int, err error) {
	var busy int
	if err := on.QueryRowContext(ctx, query).Scan(&busy, &pages, &copied); err != nil {
		return 0, 0, fmt.Errorf("checkpoint the write-ahead log: %w", err)
	}
	return copied, pages, nil
}
