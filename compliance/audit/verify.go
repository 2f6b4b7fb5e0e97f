package audit

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Verification says what [VerifyDatabase] may rely on.
type Verification struct {
	// VerifierKey is the log's key line, got from where it can be trusted. When
	// empty, log.pub of Dir is used.
	VerifierKey string
	// Dir is the log's key directory, when it is at hand: payloads are then opened
	// and held against their commitments, and the tree against the anchor.
	Dir string
	// Checkpoints are signed checkpoints that left the machine.
	Checkpoints [][]byte
}

// Verified is what a verification has looked at.
type Verified struct {
	Entries     int64    `json:"entries"`
	Payloads    int64    `json:"payloads"`    // opened and held against their commitments
	Erased      int64    `json:"erased"`      // entries whose payload is gone
	Subjects    int      `json:"subjects"`    // people whose chains were followed
	Checkpoints int      `json:"checkpoints"` // signed tree heads that the tree agrees with
	Anchored    int64    `json:"anchored"`    // size of the largest of them
	Root        [32]byte `json:"-"`
}

// VerifyDatabase re-reads the whole log: every leaf against its row, its stored
// hashes, its subject's chain and, with the master key, its payload; and the
// tree against every checkpoint. A payload may be missing only where an entry of
// [KindErased] of the same subject follows. It needs no daemon and changes nothing. What
// does not hold is a *[TamperError] naming the first bad entry.
//
// Somebody with full access to the database but without the keys can make all of
// it agree with itself again; only checkpoints from outside of it, the anchor
// among them, show that.
func VerifyDatabase(ctx context.Context, read *sql.DB, v Verification) (Verified, error) {
	tx, err := read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot beside a running daemon
	if err != nil {
		return Verified{}, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	return verifyLog(ctx, tx, v)
}

func verifyLog(ctx context.Context, db Querier, v Verification) (Verified, error) {
	w := &walk{db: db, chains: map[string]chain{}, hidden: map[string]int64{}}
	if err := w.open(ctx, v); err != nil {
		return Verified{}, err
	}
	if err := w.entries(ctx); err != nil {
		return w.found, err
	}
	if err := w.end(ctx); err != nil {
		return w.found, err
	}
	w.found.Root = w.edge.root()
	w.found.Subjects = len(w.chains)
	return w.found, nil
}

// walk goes through the log once, from the first leaf to the last.
type walk struct {
	db          Querier
	master      []byte
	keys        map[string][]byte // by subject, with the master key at hand
	edge        frontier
	chains      map[string]chain
	hidden      map[string]int64 // by subject, the first entry without payload that no erasure explains yet
	checkpoints []Checkpoint     // by size
	found       Verified
}

// chain is where a subject's entries have got to.
type chain struct{ entries, last int64 }

// open gathers keys and checkpoints.
func (w *walk) open(ctx context.Context, v Verification) error {
	if v.VerifierKey == "" && v.Dir != "" {
		b, err := os.ReadFile(filepath.Join(v.Dir, VerifierKeyFile))
		if err != nil {
			return fmt.Errorf("read verifier key: %w", err)
		}
		v.VerifierKey = string(b)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(v.VerifierKey))
	if err != nil {
		return fmt.Errorf("%w: verifier key: %w", ErrKey, err)
	}
	signed := slices.Clone(v.Checkpoints)
	if v.Dir != "" {
		if signed, err = w.openDir(ctx, v.Dir, signed); err != nil {
			return err
		}
	}
	for _, s := range signed {
		c, err := openCheckpoint(s, verifier)
		if err != nil {
			return err
		}
		w.checkpoints = append(w.checkpoints, c)
	}
	if err := w.storedCheckpoints(ctx, verifier); err != nil {
		return err
	}
	slices.SortStableFunc(w.checkpoints, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	return nil
}

// openDir reads the anchor and the master key, when they are there.
func (w *walk) openDir(ctx context.Context, dir string, signed [][]byte) ([][]byte, error) {
	anchor, err := os.ReadFile(filepath.Join(dir, AnchorFile))
	if err == nil {
		signed = append(signed, anchor)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read anchor: %w", err)
	}
	line, err := os.ReadFile(filepath.Join(dir, MasterKeyFile))
	if errors.Is(err, os.ErrNotExist) {
		return signed, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if w.master, err = parseMasterKey(strings.TrimSpace(string(line))); err != nil {
		return nil, err
	}
	return signed, w.unwrapKeys(ctx)
}

func (w *walk) unwrapKeys(ctx context.Context) error {
	w.keys = map[string][]byte{}
	ring := keyring{master: w.master}
	return scan(ctx, w.db, sqlSubjects, func(row *sql.Rows) error {
		var subject string
		var wrapped []byte
		var entries, last int64
		if err := row.Scan(&subject, &wrapped, &entries, &last); err != nil {
			return err
		}
		key, err := ring.subjectKey(subject, wrapped)
		if err != nil {
			return tampered(max(last, 0), Edited, "the key of its subject cannot be opened")
		}
		w.keys[subject] = key
		return nil
	})
}

// storedCheckpoints reads those that lie in the database itself: good against
// somebody who does not know of them.
func (w *walk) storedCheckpoints(ctx context.Context, v note.Verifier) error {
	return scan(ctx, w.db, sqlCheckpoints, func(row *sql.Rows) error {
		var size int64
		var signed []byte
		if err := row.Scan(&size, &signed); err != nil {
			return err
		}
		c, err := openCheckpoint(signed, v)
		if err != nil || c.Size != size {
			return tampered(max(size-1, 0), Edited, "the checkpoint kept for it is not what was signed")
		}
		w.checkpoints = append(w.checkpoints, c)
		return nil
	})
}

// entries walks the rows and the stored hashes side by side.
func (w *walk) entries(ctx context.Context) error {
	hashes, err := w.db.QueryContext(ctx, sqlHashes)
	if err != nil {
		return fmt.Errorf("read tree: %w", err)
	}
	defer hashes.Close()
	stored := hashCursor{rows: hashes}
	if err := w.checkRoots(); err != nil { // a checkpoint of the empty tree
		return err
	}
	err = scan(ctx, w.db, sqlAllEntries, func(rows *sql.Rows) error {
		var r row
		if err := rows.Scan(&r.index, &r.ms, &r.kind, &r.subject, &r.seq, &r.leaf, &r.sealed); err != nil {
			return err
		}
		if r.index < w.edge.size {
			return tampered(r.index, Inserted, "an entry before the first")
		}
		if r.index > w.edge.size {
			return tampered(w.edge.size, Deleted, "the row is gone")
		}
		if err := w.entry(ctx, r, &stored); err != nil {
			return err
		}
		return w.checkRoots()
	})
	return errors.Join(err, hashes.Err())
}

// entry checks one row and adds its leaf to the tree.
func (w *walk) entry(ctx context.Context, r row, stored *hashCursor) error {
	why := w.mismatch(r)
	for i, h := range w.edge.push(tlog.RecordHash(r.leaf)) {
		if have, ok, err := stored.next(tlog.StoredHashIndex(0, r.index) + int64(i)); err != nil {
			return err
		} else if why == "" && i == 0 && (!ok || have != h) {
			why = "its leaf is not the one that was hashed into the tree"
		} else if why == "" && (!ok || have != h) {
			return tampered(r.index, Edited, "a hash of the tree above it was changed")
		}
	}
	if why != "" {
		return classify(ctx, w.db, r.index, tlog.RecordHash(r.leaf), why)
	}
	w.found.Entries++
	return w.payload(r)
}

// mismatch says in which way a row contradicts its leaf or its subject's chain.
func (w *walk) mismatch(r row) string {
	leaf, err := ParseLeaf(r.leaf)
	switch {
	case err != nil:
		return err.Error()
	case leaf.Index != r.index:
		return fmt.Sprintf("its leaf is that of entry %d", leaf.Index)
	case leaf.Time.UnixMilli() != r.ms || leaf.Kind != r.kind || leaf.Subject != r.subject || leaf.SubjectSeq != r.seq:
		return "its columns are not those of its leaf"
	case leaf.Subject == "":
		return ""
	}
	c, known := w.chains[leaf.Subject]
	if !known {
		c.last = -1
	}
	if leaf.SubjectSeq != c.entries+1 || leaf.Prev != c.last {
		return "it does not follow its subject's entry before it"
	}
	w.chains[leaf.Subject] = chain{leaf.SubjectSeq, leaf.Index}
	return ""
}

// payload opens what is sealed and holds it against the leaf's commitment.
func (w *walk) payload(r row) error {
	if r.kind == KindErased {
		delete(w.hidden, r.subject)
	}
	if r.sealed == nil {
		w.found.Erased++
		if _, known := w.hidden[r.subject]; !known {
			w.hidden[r.subject] = r.index
		}
		return nil
	}
	if w.master == nil {
		return nil
	}
	key := w.keys[r.subject]
	if key == nil {
		return tampered(r.index, Edited, "a sealed payload whose key is gone")
	}
	salt, payload, err := unseal(key, r.leaf, r.sealed)
	if err != nil {
		return tampered(r.index, Edited, "its sealed payload cannot be opened")
	}
	leaf, err := ParseLeaf(r.leaf)
	if err != nil {
		return err
	}
	if leaf.VerifyPayload(salt, payload) != nil {
		return tampered(r.index, Edited, "its payload is not what its leaf committed to")
	}
	w.found.Payloads++
	return nil
}

// checkRoots holds the tree so far against the checkpoints of its size.
func (w *walk) checkRoots() error {
	for len(w.checkpoints) > 0 && w.checkpoints[0].Size == w.edge.size {
		c := w.checkpoints[0]
		if tlog.Hash(c.Root) != w.edge.root() {
			return &TamperError{
				Index: min(w.found.Anchored, max(c.Size-1, 0)), Last: max(c.Size-1, 0), How: Rewritten,
				Why: fmt.Sprintf("the tree is not the one signed in the checkpoint of %d entries", c.Size),
			}
		}
		w.checkpoints = w.checkpoints[1:]
		w.found.Checkpoints++
		w.found.Anchored = c.Size
	}
	return nil
}

// end checks what the rows alone cannot show: that none are missing at the end.
func (w *walk) end(ctx context.Context) error {
	n := w.edge.size
	if len(w.checkpoints) > 0 {
		return tampered(n, Truncated, fmt.Sprintf("a checkpoint was signed over %d entries", w.checkpoints[len(w.checkpoints)-1].Size))
	}
	var stored int64
	if err := w.db.QueryRowContext(ctx, sqlHashCount).Scan(&stored); err != nil {
		return fmt.Errorf("read tree: %w", err)
	}
	if stored > tlog.StoredHashCount(n) {
		return tampered(n, Truncated, "the tree has hashes of entries that are gone")
	}
	if len(w.hidden) > 0 {
		return tampered(slices.Min(slices.Collect(maps.Values(w.hidden))), Edited, "its payload is gone and no erasure is recorded after it")
	}
	return w.subjects(ctx)
}

// subjects holds the counters that the next append would go on from against the chains.
func (w *walk) subjects(ctx context.Context) error {
	seen := 0
	err := scan(ctx, w.db, sqlSubjects, func(row *sql.Rows) error {
		var subject string
		var wrapped []byte
		var entries, last int64
		if err := row.Scan(&subject, &wrapped, &entries, &last); err != nil {
			return err
		}
		if subject == "" {
			return nil
		}
		seen++
		if c, ok := w.chains[subject]; !ok || c.entries != entries || c.last != last {
			return tampered(max(last, 0), Edited, "the counters of its subject were changed")
		}
		return nil
	})
	if err == nil && seen != len(w.chains) {
		return tampered(w.edge.size-1, Edited, "a subject's row is gone")
	}
	return err
}
