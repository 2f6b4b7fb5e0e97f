package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// maxPayload bounds the JSON of one payload.
const maxPayload = 4 << 20

// KindErased is the entry that follows the erasure of a subject's payloads, under
// that subject. A payload that is gone without it was hidden, not erased.
const KindErased = "subject.erased"

// Record is what a caller asks to have logged.
type Record struct {
	// Kind names what happened, as noun.verb: "permission.granted",
	// "call.attempted"; lower case, digits, dot and underscore, at most 64 bytes.
	Kind string
	// Subject is the opaque id of the person concerned, empty when there is none:
	// at most 128 visible ASCII bytes without plus. It is public: it stands in the
	// leaf. The payload is sealed under that person's key.
	Subject string
	// Payload is marshalled to JSON, at most 4 MiB.
	Payload any
}

// Tx is one writer's part of the write transaction, which can append to the log.
// It is used by one goroutine and only until the function given to [Log.Update]
// returns, which ends it; rows still open then are closed.
type Tx struct {
	conn   *sql.Conn
	log    *Log
	now    time.Time
	edge   frontier
	hashes []storedHash // of the entries appended
	hooks  []func()
	rows   []*sql.Rows // handed out
	over   bool
	// failure is why nothing of this may be committed: an append that half
	// happened, or a statement after which SQLite may have rolled back.
	failure error
}

// Now is the writer's time, fixed when its function begins: UTC, millisecond
// precision, and not before that of the writers before it in the transaction.
func (tx *Tx) Now() time.Time { return tx.now }

// OnCommit calls f once after the transaction is durably committed, in order of
// registration, on the goroutine that called Update.
func (tx *Tx) OnCommit(f func()) { tx.hooks = append(tx.hooks, f) }

// Append adds r to the log within the transaction and returns its index. A
// refused record ([ErrRecord]) leaves the transaction usable; any other error
// makes Update fail, even when the caller ignores it.
func (tx *Tx) Append(ctx context.Context, r Record) (int64, error) {
	payload, err := r.marshal()
	if err != nil {
		return 0, err
	}
	if err := tx.usable(); err != nil {
		return 0, err
	}
	index, err := tx.append(ctx, r, payload)
	if err != nil {
		tx.failure = fmt.Errorf("append to the audit log: %w", err)
		return 0, tx.failure
	}
	return index, nil
}

func (r Record) marshal() ([]byte, error) {
	if !validKind(r.Kind) {
		return nil, fmt.Errorf("%w: kind %q is not noun.verb", ErrRecord, r.Kind)
	}
	if !validSubject(r.Subject) {
		return nil, fmt.Errorf("%w: subject is not an opaque id", ErrRecord)
	}
	payload, err := json.Marshal(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("%w: payload of %d bytes", ErrRecord, len(payload))
	}
	return payload, nil
}

func (tx *Tx) append(ctx context.Context, r Record, payload []byte) (int64, error) {
	key, seq, prev, err := tx.advance(ctx, r.Subject)
	if err != nil {
		return 0, err
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(tx.log.cfg.Rand, salt); err != nil {
		return 0, fmt.Errorf("read randomness: %w", err)
	}
	index := tx.edge.size
	leaf := Leaf{
		Index: index, Time: tx.now, Kind: r.Kind, Subject: r.Subject, SubjectSeq: seq, Prev: prev,
		Commitment: Commit(salt, index, payload),
	}
	if err := leaf.check(); err != nil {
		return 0, err
	}
	b := leaf.Bytes()
	sealed, err := seal(tx.log.cfg.Rand, key, b, salt, payload)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, sqlInsertEntry,
		index, leaf.Time.UnixMilli(), r.Kind, r.Subject, seq, b, sealed); err != nil {
		return 0, err
	}
	pos := tlog.StoredHashIndex(0, index)
	for i, h := range tx.edge.push(tlog.RecordHash(b)) {
		tx.hashes = append(tx.hashes, storedHash{pos + int64(i), h})
	}
	return index, nil
}

// advance takes the subject's next place in its chain and its key, making the
// key at the subject's first entry and again at the first after an erasure.
func (tx *Tx) advance(ctx context.Context, subject string) (key []byte, seq, prev int64, err error) {
	var wrapped []byte
	var entries, last int64
	err = tx.QueryRowContext(ctx, sqlSubject, subject).Scan(&wrapped, &entries, &last)
	if errors.Is(err, sql.ErrNoRows) {
		last = -1
	} else if err != nil {
		return nil, 0, 0, err
	}
	made := wrapped == nil
	if made {
		key, wrapped, err = tx.log.keys.newSubjectKey(tx.log.cfg.Rand, subject)
	} else {
		key, err = tx.log.keys.subjectKey(subject, wrapped)
	}
	if err != nil {
		return nil, 0, 0, err
	}
	next := tx.edge.size
	if subject == "" { // no chain
		seq, prev, next = 0, -1, -1
	} else {
		seq, prev = entries+1, last
	}
	switch {
	case made:
		_, err = tx.ExecContext(ctx, sqlPutSubject, subject, wrapped, seq, next)
	case subject != "":
		_, err = tx.ExecContext(ctx, sqlAdvanceSubject, seq, next, subject)
	}
	return key, seq, prev, err
}

// SubjectEntries is how many entries a subject has, those of this transaction included.
func (tx *Tx) SubjectEntries(ctx context.Context, subject string) (int64, error) {
	var wrapped []byte
	var entries, last int64
	err := tx.QueryRowContext(ctx, sqlSubject, subject).Scan(&wrapped, &entries, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read subject: %w", err)
	}
	return entries, nil
}
