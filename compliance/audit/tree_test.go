package audit_test

import (
	"crypto/sha256"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/compliance/audit"
)

// merkleTreeHash is RFC 6962 section 2.1 word for word, sharing nothing with the
// code under test.
func merkleTreeHash(d [][]byte) [32]byte {
	switch len(d) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, d[0]...))
	}
	k := 1
	for k*2 < len(d) {
		k *= 2
	}
	left, right := merkleTreeHash(d[:k]), merkleTreeHash(d[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

func TestTreeIsThatOfRFC6962(t *testing.T) {
	h := openHouse(t, t.TempDir())
	var leaves [][]byte
	var points []audit.Checkpoint
	for n := range 70 {
		c, err := h.log.Checkpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(n), c.Size)
		require.Equal(t, merkleTreeHash(leaves), c.Root)
		points = append(points, c)
		h.append(t, audit.Record{Kind: "call.attempted", Subject: "s1", Payload: n})
		entries, err := h.log.Entries(t.Context(), audit.Query{After: int64(n - 1)})
		require.NoError(t, err)
		leaves = append(leaves, entries[0].Leaf)
	}
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Int64Range(1, 69).Draw(r, "size")
		index := rapid.Int64Range(0, size-1).Draw(r, "index")
		p, err := h.log.ProveAt(t.Context(), index, size)
		require.NoError(r, err)
		require.Equal(r, leaves[index], p.Leaf)
		require.NoError(r, p.Verify(points[size].Root))
		require.ErrorIs(r, p.Verify(points[size-1].Root), audit.ErrProof)
		if len(p.Hashes) > 0 {
			p.Hashes[len(p.Hashes)/2][3] ^= 1
			require.ErrorIs(r, p.Verify(points[size].Root), audit.ErrProof)
		}

		prev := rapid.Int64Range(1, size).Draw(r, "prev")
		c, err := h.log.ProveConsistency(t.Context(), prev, size)
		require.NoError(r, err)
		require.NoError(r, audit.VerifyConsistency(c, points[prev], points[size]))
		forked := points[prev]
		forked.Root[0] ^= 1
		require.ErrorIs(r, audit.VerifyConsistency(c, forked, points[size]), audit.ErrProof)
	})
	_, err := h.log.Prove(t.Context(), 70)
	require.ErrorIs(t, err, audit.ErrNoEntry)
	_, err = h.log.Prove(t.Context(), -1)
	require.ErrorIs(t, err, audit.ErrNoEntry)
	_, err = h.log.ProveConsistency(t.Context(), 0, 5)
	require.ErrorIs(t, err, audit.ErrNoEntry)
}

// Any mix of transactions that commit and that do not ends in the tree of what
// was committed, also over a restart.
func TestTreeOfRandomTransactions(t *testing.T) {
	template := t.TempDir()
	require.NoError(t, openHouse(t, template).db.Close())
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		require.NoError(r, os.CopyFS(dir, os.DirFS(template)))
		h := openHouse(t, dir)
		want := 0
		for range rapid.IntRange(1, 8).Draw(r, "transactions") {
			appends := rapid.IntRange(0, 5).Draw(r, "appends")
			fails := rapid.Bool().Draw(r, "fails")
			err := h.transact(t, appends, fails)
			require.Equal(r, fails, err != nil)
			if !fails {
				want += appends
			}
			if rapid.IntRange(0, 4).Draw(r, "restart") == 0 {
				require.NoError(r, h.db.Close())
				h = openHouse(t, dir)
			}
		}
		var leaves [][]byte
		entries, err := h.log.Entries(t.Context(), audit.Query{After: -1, Limit: 1000})
		require.NoError(r, err)
		for _, e := range entries {
			leaves = append(leaves, e.Leaf)
		}
		require.Len(r, leaves, want)
		c, err := h.log.Checkpoint(t.Context())
		require.NoError(r, err)
		require.Equal(r, merkleTreeHash(leaves), c.Root)
		_, err = audit.VerifyDatabase(t.Context(), h.db.Read, audit.Verification{Dir: h.config().Dir})
		require.NoError(r, err)
		require.NoError(r, h.db.Close())
	})
}
