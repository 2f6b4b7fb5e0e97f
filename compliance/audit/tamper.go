package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tampering says in which way stored rows were changed.
type Tampering string

// The ways of tampering that [VerifyDatabase] tells apart.
const (
	Edited    Tampering = "edit"     // a row was changed
	Deleted   Tampering = "delete"   // a row is gone, others follow it
	Swapped   Tampering = "swap"     // rows changed places
	Inserted  Tampering = "insert"   // a row was put in
	Truncated Tampering = "truncate" // the newest rows are gone
	Rewritten Tampering = "rewrite"  // everything agrees with itself but not with a signed checkpoint
)

// ErrTampered is what every [TamperError] is.
var ErrTampered = errors.New("audit: the log was tampered with")

// TamperError names the first entry that does not hold.
type TamperError struct {
	Index int64 // the first bad entry
	// Last is the last entry that may be it: Index itself, except for Rewritten,
	// where only the entries between two checkpoints can be named.
	Last int64
	How  Tampering
	Why  string
}

// Error implements error.
func (e *TamperError) Error() string {
	if e.Last > e.Index {
		return fmt.Sprintf("%v: %s within entries %d to %d: %s", ErrTampered, e.How, e.Index, e.Last, e.Why)
	}
	return fmt.Sprintf("%v: %s at entry %d: %s", ErrTampered, e.How, e.Index, e.Why)
}

// Unwrap makes the error an [ErrTampered].
func (*TamperError) Unwrap() error { return ErrTampered }

func tampered(index int64, how Tampering, why string) *TamperError {
	return &TamperError{Index: index, Last: index, How: how, Why: why}
}

// classify finds out what happened at the first row that does not match its
// stored hash, by looking where the leaf that belongs there has gone.
func classify(ctx context.Context, db Querier, index int64, have tlog.Hash, why string) error {
	want, err := readHash(ctx, db, tlog.StoredHashIndex(0, index))
	if errors.Is(err, ErrCorrupt) {
		return tampered(index, Inserted, "the tree has no hash for it")
	}
	if err != nil {
		return err
	}
	at, err := findLeaf(ctx, db, index, want)
	if err != nil {
		return err
	}
	next, err := readHash(ctx, db, tlog.StoredHashIndex(0, index+1))
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	isNext := err == nil && next == have
	switch {
	case at == index: // the leaf is right, the columns beside it are not
		return tampered(index, Edited, why)
	case at == index+1 && !isNext:
		return tampered(index, Inserted, "the entry that belongs here follows it")
	case at > index:
		return tampered(index, Swapped, fmt.Sprintf("the entry that belongs here is at %d", at))
	case isNext:
		return tampered(index, Deleted, "the next entry is in its place")
	}
	return tampered(index, Edited, why)
}

// findLeaf returns the first index from from on whose leaf has the hash, -1 for none.
func findLeaf(ctx context.Context, db Querier, from int64, want tlog.Hash) (int64, error) {
	rows, err := db.QueryContext(ctx, sqlLeavesFrom, from)
	if err != nil {
		return 0, fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var index int64
		var leaf []byte
		if err := rows.Scan(&index, &leaf); err != nil {
			return 0, fmt.Errorf("read entries: %w", err)
		}
		if tlog.RecordHash(leaf) == want {
			return index, nil
		}
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("read entries: %w", err)
	}
	return -1, nil
}
