package compliance

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/callctl/callctl/compliance/audit"
)

// A transaction adds entries for applySlice, and applyMost at most; the row that is
// under way then is finished. Then nothing is done for a moment: a list is never
// urgent, an opt-out or a dial that comes meanwhile should find the writer free.
const (
	applySlice  = 5 * time.Millisecond
	applyMost   = 64
	applyPauses = 3 * time.Millisecond
)

// work is an import that is being applied.
type work struct {
	id, actor, reason string

	seq  int64 // of the chunk
	done int   // rows of it that are applied
	rows []row
}

// apply applies what is left of an import. Whoever else applies one is waited for.
func (i *Importer) apply(ctx context.Context, id string) error {
	select {
	case i.applying <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for another import: %w", ctx.Err())
	}
	defer func() { <-i.applying }()
	w := &work{id: id}
	var salt []byte
	err := i.cfg.Read.QueryRowContext(ctx, sqlImportWork, id).Scan(&w.actor, &w.reason, &salt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // applied by who held the token before
	}
	if err != nil {
		return fmt.Errorf("read import: %w", err)
	}
	for {
		more, err := i.load(ctx, w, salt)
		if err != nil {
			return err
		}
		if !more {
			return i.finish(ctx, w)
		}
		for w.done < len(w.rows) {
			if err := i.applySome(ctx, w); err != nil {
				return err
			}
			if err := pause(ctx, applyPauses); err != nil {
				return err
			}
		}
	}
}

// load reads the next chunk; more is false when there is none.
func (i *Importer) load(ctx context.Context, w *work, salt []byte) (more bool, err error) {
	var sealed []byte
	err = i.cfg.Read.QueryRowContext(ctx, sqlNextChunk, w.id).Scan(&w.seq, &w.done, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read rows: %w", err)
	}
	opener, err := i.cipher(w.id, salt)
	if err != nil {
		return false, err
	}
	plain, err := opener.Open(nil, nonce(w.seq), sealed, []byte(w.id))
	if err != nil {
		return false, fmt.Errorf("%w: import %s", errSealedRows, w.id)
	}
	w.rows = nil
	if err := json.Unmarshal(plain, &w.rows); err != nil {
		return false, fmt.Errorf("read rows: %w", err)
	}
	return true, nil
}

// applySome applies as many rows as fit into one transaction, and remembers in it
// how far it came.
func (i *Importer) applySome(ctx context.Context, w *work) error {
	var done int
	err := i.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		done = w.done
		added, already := 0, 0
		for began := i.cfg.Now(); done < min(len(w.rows), w.done+applyMost); done++ {
			if done > w.done && i.cfg.Now().Sub(began) >= applySlice {
				break
			}
			fresh, err := i.cfg.Ledger.ImportTx(ctx, tx, w.rows[done].listing(w.id, w.actor, w.reason))
			if err != nil {
				return fmt.Errorf("line %d: %w", w.rows[done].Line, err)
			}
			if fresh {
				added++
			} else {
				already++
			}
		}
		return i.advance(ctx, tx, w, done, added, already)
	})
	if err != nil {
		return fmt.Errorf("apply import %s: %w", w.id, err)
	}
	w.done = done
	return nil
}

func (i *Importer) advance(ctx context.Context, tx *audit.Tx, w *work, done, added, already int) error {
	query, args := sqlAdvanceChunk, []any{done, w.id, w.seq, w.done}
	if done == len(w.rows) {
		query, args = sqlDeleteChunk, []any{w.id, w.seq, w.done}
	}
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errChunkMoved)
	}
	if _, err := tx.ExecContext(ctx, sqlCountImport, added, already, w.id); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}

// finish closes an import whose last row is applied, and forgets its key.
func (i *Importer) finish(ctx context.Context, w *work) error {
	var e importEntry
	err := i.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		var created int64
		var added, already int
		e = importEntry{Import: w.id}
		err := tx.QueryRowContext(ctx, sqlFinishImport, tx.Now().UnixMilli(), w.id).
			Scan(&e.SHA256, &e.Rows, &e.Repeated, &added, &already, &e.Actor, &created)
		if err != nil {
			return err
		}
		e.Added, e.Already = &added, &already
		_, err = tx.Append(ctx, audit.Record{Kind: kindImportApplied, Payload: e})
		return err
	})
	if err != nil {
		return fmt.Errorf("finish import %s: %w", w.id, err)
	}
	i.cfg.Logger.Info("do-not-call list applied", "import", w.id, "added", *e.Added, "already", *e.Already)
	return nil
}

// pause waits, or fails when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
