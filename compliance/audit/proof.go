package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Proof is an RFC 6962 inclusion proof of entry Index in the tree of Size.
type Proof struct {
	Index  int64      `json:"index"`
	Size   int64      `json:"size"`
	Leaf   []byte     `json:"leaf"` // the leaf's bytes
	Hashes [][32]byte `json:"-"`
}

// Prove returns the inclusion proof of an entry in the present tree.
func (l *Log) Prove(ctx context.Context, index int64) (Proof, error) {
	return l.ProveAt(ctx, index, l.Size())
}

// ProveAt returns the inclusion proof of an entry in the tree of the first size
// entries (RFC 6962 section 2.1.1). It fails with [ErrNoEntry] when that tree
// does not have the entry, or the log not that many.
func (l *Log) ProveAt(ctx context.Context, index, size int64) (Proof, error) {
	if index < 0 || index >= size || size > l.Size() {
		return Proof{}, fmt.Errorf("%w: index %d in a tree of %d", ErrNoEntry, index, size)
	}
	p := Proof{Index: index, Size: size}
	err := l.cfg.Read.QueryRowContext(ctx, sqlLeaf, index).Scan(&p.Leaf)
	if errors.Is(err, sql.ErrNoRows) {
		return Proof{}, fmt.Errorf("%w: entry %d is gone", ErrCorrupt, index)
	}
	if err != nil {
		return Proof{}, fmt.Errorf("read leaf: %w", err)
	}
	hashes, err := tlog.ProveRecord(size, index, hashReader(ctx, l.cfg.Read))
	if err != nil {
		return Proof{}, err
	}
	p.Hashes = fromHashes(hashes)
	return p, nil
}

// Verify reports whether the proof leads to the root of its tree; the error is
// [ErrProof] otherwise.
func (p Proof) Verify(root [32]byte) error {
	err := tlog.CheckRecord(toHashes(p.Hashes), p.Size, root, p.Index, tlog.RecordHash(p.Leaf))
	if err != nil {
		return fmt.Errorf("%w: entry %d in the tree of %d: %w", ErrProof, p.Index, p.Size, err)
	}
	return nil
}

// ProveConsistency returns the RFC 6962 section 2.1.2 proof that the tree of size
// next begins with the tree of size prev.
func (l *Log) ProveConsistency(ctx context.Context, prev, next int64) ([][32]byte, error) {
	if prev < 1 || prev > next || next > l.Size() {
		return nil, fmt.Errorf("%w: trees of %d and %d", ErrNoEntry, prev, next)
	}
	hashes, err := tlog.ProveTree(next, prev, hashReader(ctx, l.cfg.Read))
	if err != nil {
		return nil, err
	}
	return fromHashes(hashes), nil
}

// VerifyConsistency reports whether the proof shows that the log at next is the
// log at prev with entries added, nothing changed; the error is [ErrProof] otherwise.
func VerifyConsistency(proof [][32]byte, prev, next Checkpoint) error {
	if err := tlog.CheckTree(toHashes(proof), next.Size, next.Root, prev.Size, prev.Root); err != nil {
		return fmt.Errorf("%w: trees of %d and %d: %w", ErrProof, prev.Size, next.Size, err)
	}
	return nil
}

func toHashes(list [][32]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(list))
	for i, h := range list {
		out[i] = h
	}
	return out
}

func fromHashes(list []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(list))
	for i, h := range list {
		out[i] = h
	}
	return out
}
