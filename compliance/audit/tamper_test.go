package audit

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callctl/callctl/migrations"
)

// evidence is a small log with two checkpoints, one of them inside the tree.
type evidence struct {
	db   *migrations.DB
	dir  string
	size int64
	mid  int64
}

func newEvidence(t *testing.T, entries int64) *evidence {
	t.Helper()
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	log, err := New(t.Context(), Config{Write: db.Write, Read: db.Read, Dir: dir, Now: time.Now})
	require.NoError(t, err)
	e := &evidence{db: db, dir: dir, size: entries, mid: entries / 2}
	for i := range entries {
		if i == e.mid {
			_, err := log.Checkpoint(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			r := Record{Kind: "call.attempted", Subject: fmt.Sprintf("s%d", i%4), Payload: i}
			if i%7 == 0 {
				r.Subject = ""
			}
			_, err := tx.Append(ctx, r)
			return err
		}))
	}
	_, err = log.Checkpoint(t.Context())
	require.NoError(t, err)
	return e
}

// attack runs statements as somebody with the database file would, verifies and
// takes them back.
func (e *evidence) attack(t *testing.T, v Verification, statements ...func(tx *sql.Tx)) error {
	t.Helper()
	tx, err := e.db.Write.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	for _, s := range statements {
		s(tx)
	}
	_, err = verifyLog(t.Context(), tx, v)
	return err
}

func run(t *testing.T, query string, args ...any) func(*sql.Tx) {
	t.Helper()
	return func(tx *sql.Tx) {
		_, err := tx.ExecContext(t.Context(), query, args...)
		require.NoError(t, err)
	}
}

func requireTampered(t *testing.T, err error, index int64, how Tampering) {
	t.Helper()
	var found *TamperError
	require.ErrorAs(t, err, &found)
	require.ErrorIs(t, err, ErrTampered)
	require.Equal(t, index, found.Index, err)
	require.Equal(t, how, found.How, err)
}

func TestVerifyDatabaseAcceptsWhatWasWritten(t *testing.T) {
	e := newEvidence(t, 40)
	v, err := VerifyDatabase(t.Context(), e.db.Read, Verification{Dir: e.dir})
	require.NoError(t, err)
	require.Equal(t, int64(40), v.Entries)
	require.Equal(t, int64(40), v.Payloads)
	require.Equal(t, 4, v.Subjects)
	require.Equal(t, 3, v.Checkpoints, "two in the database and the anchor")
	require.Equal(t, int64(40), v.Anchored)

	key, err := os.ReadFile(filepath.Join(e.dir, VerifierKeyFile))
	require.NoError(t, err)
	v, err = VerifyDatabase(t.Context(), e.db.Read, Verification{VerifierKey: string(key)})
	require.NoError(t, err, "without the key directory")
	require.Zero(t, v.Payloads)
	_, err = VerifyDatabase(t.Context(), e.db.Read, Verification{})
	require.ErrorIs(t, err, ErrKey)
}

func TestTamperingIsNamed(t *testing.T) {
	e := newEvidence(t, 40)
	withKeys := Verification{Dir: e.dir}
	key, err := os.ReadFile(filepath.Join(e.dir, VerifierKeyFile))
	require.NoError(t, err)
	withoutKeys := Verification{VerifierKey: string(key)}
	shiftDown := func(from int64) func(*sql.Tx) { // renumber what follows a deleted row
		return func(tx *sql.Tx) {
			for i := from; i < e.size; i++ {
				run(t, "UPDATE audit_entries SET idx = ? WHERE idx = ?", i-1, i)(tx)
			}
		}
	}
	shiftUp := func(from int64) func(*sql.Tx) { // make room for an inserted row
		return func(tx *sql.Tx) {
			for i := e.size - 1; i >= from; i-- {
				run(t, "UPDATE audit_entries SET idx = ? WHERE idx = ?", i+1, i)(tx)
			}
		}
	}
	swap := func(a, b int64) func(*sql.Tx) {
		return func(tx *sql.Tx) {
			run(t, "UPDATE audit_entries SET idx = -9 WHERE idx = ?", a)(tx)
			run(t, "UPDATE audit_entries SET idx = ? WHERE idx = ?", a, b)(tx)
			run(t, "UPDATE audit_entries SET idx = ? WHERE idx = -9", b)(tx)
		}
	}
	insert := func(idx int64, from int64) func(*sql.Tx) {
		return run(t, `INSERT INTO audit_entries (idx, at_ms, kind, subject, subject_seq, leaf, sealed)
			SELECT ?, at_ms, kind, subject, subject_seq, leaf, sealed FROM audit_entries WHERE idx = ?`, idx, from)
	}
	for _, c := range []struct {
		name  string
		do    []func(*sql.Tx)
		index int64
		how   Tampering
	}{
		{"edit the leaf", []func(*sql.Tx){run(t, "UPDATE audit_entries SET leaf = replace(leaf, 'attempted', 'answered') WHERE idx = 12")}, 12, Edited},
		{"edit the kind", []func(*sql.Tx){run(t, "UPDATE audit_entries SET kind = 'call.answered' WHERE idx = 12")}, 12, Edited},
		{"edit the time", []func(*sql.Tx){run(t, "UPDATE audit_entries SET at_ms = at_ms + 1 WHERE idx = 39")}, 39, Edited},
		{"edit the subject", []func(*sql.Tx){run(t, "UPDATE audit_entries SET subject = 's9' WHERE idx = 1")}, 1, Edited},
		{"edit the sequence", []func(*sql.Tx){run(t, "UPDATE audit_entries SET subject_seq = 99 WHERE idx = 1")}, 1, Edited},
		{"edit a leaf hash", []func(*sql.Tx){run(t, "UPDATE audit_hashes SET hash = zeroblob(32) WHERE pos = ?", tlog.StoredHashIndex(0, 5))}, 5, Edited},
		{"edit a tree hash", []func(*sql.Tx){run(t, "UPDATE audit_hashes SET hash = zeroblob(32) WHERE pos = ?", tlog.StoredHashIndex(3, 1))}, 15, Edited},
		{"edit a checkpoint", []func(*sql.Tx){run(t, "UPDATE audit_checkpoints SET note = replace(note, 'callctl', 'callctx') WHERE size = 20")}, 19, Edited},
		{"edit the counters", []func(*sql.Tx){run(t, "UPDATE audit_subjects SET entries = entries - 1 WHERE subject = 's1'")}, 37, Edited},
		{"delete", []func(*sql.Tx){run(t, "DELETE FROM audit_entries WHERE idx = 17")}, 17, Deleted},
		{"delete the first", []func(*sql.Tx){run(t, "DELETE FROM audit_entries WHERE idx = 0")}, 0, Deleted},
		{"delete and renumber", []func(*sql.Tx){run(t, "DELETE FROM audit_entries WHERE idx = 17"), shiftDown(18)}, 17, Deleted},
		{"swap neighbours", []func(*sql.Tx){swap(8, 9)}, 8, Swapped},
		{"swap far", []func(*sql.Tx){swap(8, 30)}, 8, Swapped},
		{"insert at the end", []func(*sql.Tx){insert(40, 3)}, 40, Inserted},
		{"insert before all", []func(*sql.Tx){insert(-1, 3)}, -1, Inserted},
		{"insert in the middle", []func(*sql.Tx){shiftUp(21), insert(21, 3)}, 21, Inserted},
		{"truncate one", []func(*sql.Tx){run(t, "DELETE FROM audit_entries WHERE idx = 39")}, 39, Truncated},
		{"truncate half", []func(*sql.Tx){run(t, "DELETE FROM audit_entries WHERE idx >= 20")}, 20, Truncated},
		{"truncate all", []func(*sql.Tx){run(t, "DELETE FROM audit_entries")}, 0, Truncated},
		{"truncate with hashes", []func(*sql.Tx){
			run(t, "DELETE FROM audit_entries WHERE idx >= 30"),
			run(t, "DELETE FROM audit_hashes WHERE pos >= ?", tlog.StoredHashIndex(0, 30)),
		}, 30, Truncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			requireTampered(t, e.attack(t, withKeys, c.do...), c.index, c.how)
			requireTampered(t, e.attack(t, withoutKeys, c.do...), c.index, c.how)
		})
	}
	require.NoError(t, e.attack(t, withKeys), "attacks must have been taken back")

	t.Run("edit the payload", func(t *testing.T) {
		do := run(t, "UPDATE audit_entries SET sealed = zeroblob(300) WHERE idx = 12")
		requireTampered(t, e.attack(t, withKeys, do), 12, Edited)
	})
	t.Run("swap keys", func(t *testing.T) {
		do := run(t, "UPDATE audit_subjects SET wrapped_key = (SELECT wrapped_key FROM audit_subjects WHERE subject = 's1') WHERE subject = 's2'")
		err := e.attack(t, withKeys, do)
		require.ErrorIs(t, err, ErrTampered)
	})
}

// rewrite does what somebody does who knows the code and has the database, but
// not the keys: change an entry and make all hashes agree again.
func (e *evidence) rewrite(t *testing.T, index int64, keepCheckpoints bool) func(*sql.Tx) {
	t.Helper()
	return func(tx *sql.Tx) {
		run(t, "UPDATE audit_entries SET leaf = replace(leaf, 'attempted', 'answered'), kind = 'call.answered' WHERE idx = ?", index)(tx)
		rows, err := readRows(t.Context(), tx, sqlAllEntries)
		require.NoError(t, err)
		var f frontier
		for _, r := range rows {
			for i, h := range f.push(tlog.RecordHash(r.leaf)) {
				run(t, "UPDATE audit_hashes SET hash = ? WHERE pos = ?", h[:], tlog.StoredHashIndex(0, r.index)+int64(i))(tx)
			}
		}
		if !keepCheckpoints {
			run(t, "DELETE FROM audit_checkpoints")(tx)
		}
	}
}

func TestRewrittenTreeIsFoundByCheckpoints(t *testing.T) {
	e := newEvidence(t, 40)
	key, err := os.ReadFile(filepath.Join(e.dir, VerifierKeyFile))
	require.NoError(t, err)
	anchor, err := os.ReadFile(filepath.Join(e.dir, AnchorFile))
	require.NoError(t, err)

	stored := Verification{VerifierKey: string(key)}
	err = e.attack(t, stored, e.rewrite(t, 25, true))
	requireTampered(t, err, 20, Rewritten)
	var found *TamperError
	require.ErrorAs(t, err, &found)
	require.Equal(t, int64(39), found.Last, "between the checkpoints of 20 and of 40")
	requireTampered(t, e.attack(t, stored, e.rewrite(t, 3, true)), 0, Rewritten)

	require.NoError(t, e.attack(t, stored, e.rewrite(t, 25, false)),
		"whoever removes the checkpoints too is only found by one from outside")
	outside := Verification{VerifierKey: string(key), Checkpoints: [][]byte{anchor}}
	requireTampered(t, e.attack(t, outside, e.rewrite(t, 25, false)), 0, Rewritten)

	requireTampered(t, e.attack(t, Verification{Dir: e.dir}, e.rewrite(t, 25, false)), 25, Edited)
}

// A thousand random changes, each found; the index is that of the change.
func TestRandomTamperings(t *testing.T) {
	e := newEvidence(t, 64)
	n := 1000
	if testing.Short() {
		n = 100
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		a := rng.Int64N(e.size)
		var do func(*sql.Tx)
		first := a
		switch rng.IntN(5) {
		case 0: // any byte of the leaf
			at := 1 + rng.IntN(120)
			do = run(t, `UPDATE audit_entries SET leaf =
				CAST(substr(leaf, 1, ?) || x'07' || substr(leaf, ? + 2) AS BLOB) WHERE idx = ?`, at, at, a)
		case 1:
			do = run(t, "DELETE FROM audit_entries WHERE idx = ?", a)
		case 2:
			b := rng.Int64N(e.size)
			if a == b {
				continue
			}
			first = min(a, b)
			do = func(tx *sql.Tx) {
				run(t, "UPDATE audit_entries SET idx = -9 WHERE idx = ?", a)(tx)
				run(t, "UPDATE audit_entries SET idx = ? WHERE idx = ?", a, b)(tx)
				run(t, "UPDATE audit_entries SET idx = ? WHERE idx = -9", b)(tx)
			}
		case 3:
			do = run(t, "DELETE FROM audit_entries WHERE idx >= ?", a)
		case 4:
			do = run(t, "UPDATE audit_hashes SET hash = randomblob(32) WHERE pos = ?", tlog.StoredHashIndex(0, a))
		}
		err := e.attack(t, Verification{Dir: e.dir}, do)
		var found *TamperError
		require.ErrorAs(t, err, &found, "attack %d at %d", i, a)
		require.Equal(t, first, found.Index, "attack %d: %v", i, err)
	}
}

// A payload that somebody deleted is not erased as long as no entry says so.
func TestHiddenPayloadIsNamed(t *testing.T) {
	e := newEvidence(t, 40)
	for _, index := range []int64{0, 5, 39} {
		err := e.attack(t, Verification{Dir: e.dir}, run(t, "UPDATE audit_entries SET sealed = NULL WHERE idx = ?", index))
		var found *TamperError
		require.ErrorAs(t, err, &found, "entry %d", index)
		require.Equal(t, index, found.Index)
		require.Equal(t, Edited, found.How)
	}
}

// Deleting a subject's key and sealed payloads is erasure when an entry records
// it: everything still verifies, and nothing can be read.
func TestErasureLeavesProofsValid(t *testing.T) {
	e := newEvidence(t, 40)
	tx, err := e.db.Write.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	run(t, "UPDATE audit_entries SET sealed = NULL WHERE subject = 's1'")(tx)
	run(t, "UPDATE audit_subjects SET wrapped_key = NULL WHERE subject = 's1'")(tx)
	require.NoError(t, tx.Commit())
	log, err := New(t.Context(), Config{Write: e.db.Write, Read: e.db.Read, Dir: e.dir, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		_, err = tx.Append(ctx, Record{Kind: KindErased, Subject: "s1"})
		return err
	}))

	v, err := VerifyDatabase(t.Context(), e.db.Read, Verification{Dir: e.dir})
	require.NoError(t, err)
	require.Positive(t, v.Erased)
	require.Equal(t, int64(41), v.Erased+v.Payloads)

	entries, err := log.Entries(t.Context(), Query{After: -1, Subject: "s1"})
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, entry := range entries[:len(entries)-1] {
		require.Nil(t, entry.Payload)
		require.Nil(t, entry.Salt)
	}
	last := entries[len(entries)-1]
	var index int64
	require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		index, err = tx.Append(ctx, Record{Kind: "decision.refused", Subject: "s1", Payload: "after"})
		return err
	}), "an erased subject can be written about again")
	entries, err = log.Entries(t.Context(), Query{After: index - 1})
	require.NoError(t, err)
	require.JSONEq(t, `"after"`, string(entries[0].Payload))
	require.Equal(t, last.SubjectSeq+1, entries[0].SubjectSeq)
	_, err = VerifyDatabase(t.Context(), e.db.Read, Verification{Dir: e.dir})
	require.NoError(t, err)
}

// A key that was deleted, but sealed payloads left, opens nothing either.
func TestKeyAloneErases(t *testing.T) {
	e := newEvidence(t, 8)
	_, err := e.db.Write.ExecContext(t.Context(), "UPDATE audit_subjects SET wrapped_key = NULL WHERE subject = 's1'")
	require.NoError(t, err)
	log, err := New(t.Context(), Config{Write: e.db.Write, Read: e.db.Read, Dir: e.dir, Now: time.Now})
	require.NoError(t, err)
	entries, err := log.Entries(t.Context(), Query{After: -1, Subject: "s1"})
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	require.Nil(t, entries[0].Payload)
}

func TestRollbackIsRefused(t *testing.T) {
	e := newEvidence(t, 40)
	cfg := Config{Write: e.db.Write, Read: e.db.Read, Dir: e.dir, Now: time.Now}
	copyOf := func() []byte {
		_, err := e.db.Write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
		require.NoError(t, err)
		b, err := os.ReadFile(e.db.Path)
		require.NoError(t, err)
		return b
	}
	old := copyOf()
	log, err := New(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		_, err := tx.Append(ctx, Record{Kind: "dnc.added", Subject: "s1"})
		return err
	}))
	_, err = log.Checkpoint(t.Context())
	require.NoError(t, err)

	// The old file comes back, and life goes on past the size of the checkpoint.
	require.NoError(t, e.db.Close())
	require.NoError(t, os.WriteFile(e.db.Path, old, 0o600))
	_ = os.Remove(e.db.Path + "-wal")
	e.db, err = migrations.Open(t.Context(), e.db.Path)
	require.NoError(t, err)
	defer e.db.Close()
	cfg.Write, cfg.Read = e.db.Write, e.db.Read
	_, err = New(t.Context(), cfg)
	require.ErrorIs(t, err, ErrRolledBack)

	anchor := filepath.Join(e.dir, AnchorFile)
	newest, err := os.ReadFile(anchor)
	require.NoError(t, err)
	require.NoError(t, os.Remove(anchor))
	_, err = New(t.Context(), cfg)
	require.ErrorIs(t, err, ErrAnchorMissing)

	_, err = e.db.Write.ExecContext(t.Context(), "DELETE FROM audit_checkpoints")
	require.NoError(t, err)
	log, err = New(t.Context(), cfg)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, log.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			_, err := tx.Append(ctx, Record{Kind: "call.attempted", Subject: "s1"})
			return err
		}))
	}
	require.NoError(t, os.WriteFile(anchor, newest, 0o600))
	_, err = New(t.Context(), cfg)
	require.ErrorIs(t, err, ErrRolledBack, "as large as the checkpoint, but another tree")
	_, err = VerifyDatabase(t.Context(), e.db.Read, Verification{Dir: e.dir})
	requireTampered(t, err, 0, Rewritten)
}

func TestMissingKeysAreNotReplaced(t *testing.T) {
	for _, name := range []string{SignerKeyFile, MasterKeyFile} {
		e := newEvidence(t, 3)
		require.NoError(t, os.Remove(filepath.Join(e.dir, name)))
		_, err := New(t.Context(), Config{Write: e.db.Write, Read: e.db.Read, Dir: e.dir, Now: time.Now})
		require.ErrorIs(t, err, ErrKeyMissing, name)
		require.NoFileExists(t, filepath.Join(e.dir, name))
	}
}

// A commit that fails on the device leaves a log that accepts nothing more.
func TestFailedCommitIsFinal(t *testing.T) {
	e := newEvidence(t, 3)
	log, err := New(t.Context(), Config{Write: e.db.Write, Read: e.db.Read, Dir: e.dir, Now: time.Now})
	require.NoError(t, err)
	full := log.commitFailed(codeError(resultFull))
	require.NotErrorIs(t, full, ErrFailed, "a full disk may have room again")
	require.NoError(t, log.Update(t.Context(), func(context.Context, *Tx) error { return nil }))
	running := make(chan error, 1)
	go func() { running <- log.Run(t.Context()) }()

	const ioErrorFsync = 10 | 4<<8
	require.ErrorIs(t, log.commitFailed(fmt.Errorf("wrapped: %w", codeError(ioErrorFsync))), ErrFailed)
	err = log.Update(t.Context(), func(context.Context, *Tx) error { return nil })
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorAs(t, err, new(codeError))
	select {
	case err := <-running:
		require.ErrorIs(t, err, ErrFailed, "so that the daemon stops")
	case <-time.After(5 * time.Second):
		t.Fatal("Run goes on although nothing can be written any more")
	}
}

type codeError int

func (e codeError) Error() string { return fmt.Sprintf("sqlite error %d", int(e)) }
func (e codeError) Code() int     { return int(e) }
