package audit

import (
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is the right edge of the tree: the roots of its complete subtrees,
// largest first. It is all that appending and the tree hash need, so neither
// reads the database.
type frontier struct {
	size  int64
	roots []tlog.Hash // one for each set bit of size
}

// frontierPositions are the stored-hash positions of the roots of a tree of size n.
func frontierPositions(n int64) []int64 {
	var pos []int64
	var before int64
	for level := bits.Len64(uint64(n)) - 1; level >= 0; level-- {
		if n&(1<<level) == 0 {
			continue
		}
		pos = append(pos, tlog.StoredHashIndex(level, before>>level))
		before += 1 << level
	}
	return pos
}

// push adds a leaf hash and returns the hashes to store, in order, from position
// tlog.StoredHashIndex(0, size) on (RFC 6962 section 2.1).
func (f *frontier) push(h tlog.Hash) []tlog.Hash {
	stored := []tlog.Hash{h}
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.roots) - 1
		h = tlog.NodeHash(f.roots[last], h)
		f.roots = f.roots[:last]
		stored = append(stored, h)
	}
	f.roots = append(f.roots, h)
	f.size++
	return stored
}

// root is the tree hash.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}

func (f *frontier) clone() frontier {
	return frontier{size: f.size, roots: slices.Clone(f.roots)}
}
