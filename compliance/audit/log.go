// Package audit is the tamper-evident log: append, tail, checkpoint, prove, verify.
//
// The log is an RFC 6962 Merkle tree kept in the same database as the state it
// describes. Every state change goes through [Log.Update], so that a change and
// its entry are committed together or not at all, durably, before Update
// returns. The index of an entry is also the id of the event stream, of outgoing
// webhooks and of export cursors.
package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

var errSkeleton = errors.New("audit: not built yet")

// Record is what a caller asks to have logged.
type Record struct {
	// Kind names what happened, as noun.verb: "permission.granted", "call.attempted".
	Kind string
	// Subject is the opaque id of the person concerned, empty when there is none.
	// The payload is sealed under that person's key.
	Subject string
	// Payload is marshalled to JSON.
	Payload any
}

// Entry is a committed record.
type Entry struct {
	Index      int64           // position in the tree, from 0
	Time       time.Time       // when the transaction began, UTC
	Kind       string          //
	Subject    string          //
	SubjectSeq int64           // 1 for the subject's first entry; gaps show an omission
	Payload    json.RawMessage // nil once erased
	LeafHash   [32]byte        // RFC 6962 leaf hash
}

// Query selects entries.
type Query struct {
	After   int64  // entries with Index > After; -1 for all
	Limit   int    // at most this many; 0 means 100
	Subject string // only this subject, when set
	Kind    string // only this kind, when set
}

// Config is what a Log needs.
type Config struct {
	Write *sql.DB // the single writer connection
	Read  *sql.DB
	// Dir holds the log's signing key, the key that wraps subject keys, and the
	// checkpoint anchor file. Created when missing, files mode 0600.
	Dir    string
	Origin string // checkpoint origin line, such as "callctl/acme"
	Now    func() time.Time
}

// Log is the audit log of one database. Safe for concurrent use.
type Log struct{}

// New opens the log in the database, creating keys when there are none. It
// refuses a tree that is smaller than the newest anchored checkpoint.
func New(ctx context.Context, cfg Config) (*Log, error) { return nil, errSkeleton }

// Tx is a write transaction that can append to the log.
type Tx struct {
	*sql.Tx
}

// Now is the transaction's time, fixed at its begin, UTC, millisecond precision.
func (tx *Tx) Now() time.Time { return time.Time{} }

// Append adds r to the log within the transaction and returns its index.
func (tx *Tx) Append(ctx context.Context, r Record) (int64, error) { return 0, errSkeleton }

// OnCommit calls f once after the transaction is durably committed, in order of
// registration, on the goroutine that called Update.
func (tx *Tx) OnCommit(f func()) {}

// Update runs f in the one write transaction and commits it durably; when f or
// the commit fails nothing remains. Waiters of [Log.Wait] are woken after commit.
func (l *Log) Update(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	return errSkeleton
}

// Entries returns entries in index order.
func (l *Log) Entries(ctx context.Context, q Query) ([]Entry, error) { return nil, errSkeleton }

// Wait blocks until an entry with an index greater than after is committed.
func (l *Log) Wait(ctx context.Context, after int64) error { return errSkeleton }

// Checkpoint is a signed tree head (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Size int64
	Root [32]byte
	Note []byte // the signed note
}

// Checkpoint signs the present tree and anchors it outside the database.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) { return Checkpoint{}, errSkeleton }

// Proof is an RFC 6962 inclusion proof of entry Index in the tree of Size.
type Proof struct {
	Index  int64      `json:"index"`
	Size   int64      `json:"size"`
	Leaf   []byte     `json:"leaf"` // the leaf's bytes
	Hashes [][32]byte `json:"-"`
}

// Prove returns the inclusion proof of an entry in the present tree.
func (l *Log) Prove(ctx context.Context, index int64) (Proof, error) { return Proof{}, errSkeleton }

// VerifierKey is the public key line (sumdb/note format) of the log's signer.
func (l *Log) VerifierKey() string { return "" }

// Run signs a checkpoint at least every minute while the tree grows, and a last
// one when ctx ends.
func (l *Log) Run(ctx context.Context) error { return errSkeleton }
