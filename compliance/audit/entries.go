package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Entry is a committed record.
type Entry struct {
	Index      int64           // position in the tree, from 0
	Time       time.Time       // when the transaction began, UTC
	Kind       string          //
	Subject    string          //
	SubjectSeq int64           // 1 for the subject's first entry; gaps show an omission
	Payload    json.RawMessage // nil once erased
	LeafHash   [32]byte        // RFC 6962 leaf hash
	Leaf       []byte          // the bytes that LeafHash is of; see [ParseLeaf]
	Salt       []byte          // opens the leaf's commitment to Payload; nil once erased
}

// Query selects entries.
type Query struct {
	After   int64  // entries with Index > After; -1 for all
	Limit   int    // at most this many; 0 means 100
	Subject string // only this subject, when set
	Kind    string // only this kind, when set
}

const defaultLimit = 100

// Entries returns entries in index order.
func (l *Log) Entries(ctx context.Context, q Query) ([]Entry, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	query, args := sqlEntries, []any{q.After, q.Limit}
	switch {
	case q.Subject != "" && q.Kind != "":
		query, args = sqlEntriesOfBoth, []any{q.After, q.Subject, q.Kind, q.Limit}
	case q.Subject != "":
		query, args = sqlEntriesOfSubject, []any{q.After, q.Subject, q.Limit}
	case q.Kind != "":
		query, args = sqlEntriesOfKind, []any{q.After, q.Kind, q.Limit}
	}
	rows, err := readRows(ctx, l.cfg.Read, query, args...)
	if err != nil {
		return nil, err
	}
	keys := openKeys{ring: l.keys, db: l.cfg.Read, bySubject: map[string][]byte{}}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		if entries[i], err = r.entry(ctx, &keys); err != nil {
			return nil, fmt.Errorf("entry %d: %w", r.index, err)
		}
	}
	return entries, nil
}

// row is a stored entry as it lies in the table.
type row struct {
	index, ms, seq int64
	kind, subject  string
	leaf, sealed   []byte
}

func readRows(ctx context.Context, db Querier, query string, args ...any) ([]row, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close()
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.index, &r.ms, &r.kind, &r.subject, &r.seq, &r.leaf, &r.sealed); err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return list, nil
}

func (r row) entry(ctx context.Context, keys *openKeys) (Entry, error) {
	e := Entry{
		Index: r.index, Time: time.UnixMilli(r.ms).UTC(), Kind: r.kind, Subject: r.subject, SubjectSeq: r.seq,
		LeafHash: tlog.RecordHash(r.leaf), Leaf: r.leaf,
	}
	if r.sealed == nil {
		return e, nil
	}
	key, err := keys.of(ctx, r.subject)
	if err != nil || key == nil {
		return e, err
	}
	e.Salt, e.Payload, err = unsealRow(key, r)
	return e, err
}

func unsealRow(key []byte, r row) (salt []byte, payload json.RawMessage, err error) {
	salt, payload, err = unseal(key, r.leaf, r.sealed)
	return salt, payload, err
}

// openKeys remembers the unwrapped keys of one reading.
type openKeys struct {
	ring      *keyring
	db        Querier
	bySubject map[string][]byte
}

// of returns the subject's key, nil when it was erased.
func (k *openKeys) of(ctx context.Context, subject string) ([]byte, error) {
	if key, ok := k.bySubject[subject]; ok {
		return key, nil
	}
	var wrapped []byte
	err := k.db.QueryRowContext(ctx, sqlWrappedKey, subject).Scan(&wrapped)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read key of a subject: %w", err)
	}
	key, err := k.ring.subjectKey(subject, wrapped)
	if err != nil {
		return nil, err
	}
	k.bySubject[subject] = key
	return key, nil
}
