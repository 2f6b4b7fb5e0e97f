// Package audit is the tamper-evident log: append, tail, checkpoint, prove, verify.
//
// The log is an RFC 6962 Merkle tree kept in the same database as the state it
// describes. Every state change goes through [Log.Update], so that a change and
// its entry are committed together or not at all, durably, before Update
// returns. The index of an entry is also the id of the event stream, of outgoing
// webhooks and of export cursors.
//
// A [Leaf] holds no personal data, only a salted commitment to the payload. Salt
// and payload lie beside it, sealed under a key of the person concerned; deleting
// that key erases them and every proof still verifies. Signed checkpoints
// (c2sp.org/tlog-checkpoint) are anchored outside the database, so that an older
// copy of the database is refused at start.
package audit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Config is what a Log needs.
type Config struct {
	Write *sql.DB // the single writer connection
	Read  *sql.DB
	// Dir holds the log's signing key, the key that wraps subject keys, and the
	// checkpoint anchor file. Created when missing, files mode 0600.
	Dir    string
	Origin string // checkpoint origin line, such as "callctl/acme"; "callctl" when empty
	Now    func() time.Time
	Rand   io.Reader // source of keys, salts and nonces; crypto/rand when nil
	// Held is told of every transaction how long it kept the writer, from its begin
	// to the end of its commit, whoever shared it. It is called before the next one
	// begins and must not block. Nil is allowed.
	Held func(time.Duration)
}

// Log is the audit log of one database. Safe for concurrent use.
type Log struct {
	cfg   Config
	keys  *keyring
	turns turns // of the writers

	batchTime time.Duration // for which a transaction takes in writers

	// anchoring serialises checkpoints, so that the anchor never goes back.
	anchoring sync.Mutex

	mu      sync.Mutex
	edge    frontier      // of the committed tree
	changed chan struct{} // closed when the tree grows
	failed  error
	broken  chan struct{} // closed when failed is set
}

// New opens the log in the database, creating keys when there are none. It
// refuses a tree that is smaller than the newest anchored checkpoint.
func New(ctx context.Context, cfg Config) (*Log, error) {
	if cfg.Write == nil || cfg.Read == nil || cfg.Dir == "" || cfg.Now == nil {
		return nil, fmt.Errorf("%w: Write, Read, Dir and Now are needed", ErrConfig)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Origin == "" {
		cfg.Origin = "callctl"
	}
	edge, err := loadFrontier(ctx, cfg.Read)
	if err != nil {
		return nil, err
	}
	keys, err := openKeyring(cfg.Dir, cfg.Origin, cfg.Rand, edge.size == 0)
	if err != nil {
		return nil, err
	}
	l := &Log{
		cfg:       cfg,
		keys:      keys,
		edge:      edge,
		batchTime: maxBatchTime,
		changed:   make(chan struct{}),
		broken:    make(chan struct{}),
	}
	if err := l.checkAnchor(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Size is the number of committed entries.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.edge.size
}

// VerifierKey is the public key line (sumdb/note format) of the log's signer.
func (l *Log) VerifierKey() string { return l.keys.vkey }

// Origin is the first line of the log's checkpoints.
func (l *Log) Origin() string { return l.cfg.Origin }

// loadFrontier reads the right edge of the stored tree.
func loadFrontier(ctx context.Context, db Querier) (frontier, error) {
	var f frontier
	if err := db.QueryRowContext(ctx, sqlSize).Scan(&f.size); err != nil {
		return f, fmt.Errorf("read tree size: %w", err)
	}
	var stored int64
	if err := db.QueryRowContext(ctx, sqlHashCount).Scan(&stored); err != nil {
		return f, fmt.Errorf("read tree: %w", err)
	}
	if stored != tlog.StoredHashCount(f.size) {
		return f, fmt.Errorf("%w: %d entries with %d hashes", ErrCorrupt, f.size, stored)
	}
	for _, pos := range frontierPositions(f.size) {
		h, err := readHash(ctx, db, pos)
		if err != nil {
			return f, err
		}
		f.roots = append(f.roots, h)
	}
	return f, nil
}

func readHash(ctx context.Context, db Querier, pos int64) (tlog.Hash, error) {
	var b []byte
	err := db.QueryRowContext(ctx, sqlHash, pos).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(b) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("%w: hash %d", ErrCorrupt, pos)
	}
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("read tree: %w", err)
	}
	return tlog.Hash(b), nil
}

// hashReader reads stored hashes for tlog's proofs.
func hashReader(ctx context.Context, db Querier) tlog.HashReader {
	return tlog.HashReaderFunc(func(positions []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(positions))
		for i, pos := range positions {
			h, err := readHash(ctx, db, pos)
			if err != nil {
				return nil, err
			}
			hashes[i] = h
		}
		return hashes, nil
	})
}
