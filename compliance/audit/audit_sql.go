package audit

const (
	// A transaction of several writers: each after the first is a savepoint of its own.
	sqlBegin      = `BEGIN IMMEDIATE`
	sqlSavepoint  = `SAVEPOINT writer`
	sqlRelease    = `RELEASE SAVEPOINT writer`
	sqlRollbackTo = `ROLLBACK TO SAVEPOINT writer`
	sqlRollback   = `ROLLBACK`
	sqlCommit     = `COMMIT`

	sqlBeginReading = `BEGIN`

	sqlSize = `SELECT COALESCE(MAX(idx), -1) + 1 FROM audit_entries`

	sqlHashCount = `SELECT COALESCE(MAX(pos), -1) + 1 FROM audit_hashes`

	sqlHash = `SELECT hash FROM audit_hashes WHERE pos = ?`

	sqlInsertHash = `INSERT INTO audit_hashes (pos, hash) VALUES (?, ?)`

	// hashesAtOnce rows at once.
	sqlInsertHashes = sqlInsertHash + `, (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)` +
		`, (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)`

	sqlInsertEntry = `
INSERT INTO audit_entries (idx, at_ms, kind, subject, subject_seq, leaf, sealed)
VALUES (?, ?, ?, ?, ?, ?, ?)`

	sqlSubject = `SELECT wrapped_key, entries, last_idx FROM audit_subjects WHERE subject = ?`

	sqlPutSubject = `
INSERT INTO audit_subjects (subject, wrapped_key, entries, last_idx) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE
SET wrapped_key = excluded.wrapped_key, entries = excluded.entries, last_idx = excluded.last_idx`

	sqlAdvanceSubject = `UPDATE audit_subjects SET entries = ?, last_idx = ? WHERE subject = ?`

	sqlWrappedKey = `SELECT wrapped_key FROM audit_subjects WHERE subject = ?`

	sqlEntryColumns = `SELECT idx, at_ms, kind, subject, subject_seq, leaf, sealed FROM audit_entries `

	sqlEntries = sqlEntryColumns + `WHERE idx > ? ORDER BY idx LIMIT ?`

	sqlEntriesOfSubject = sqlEntryColumns + `WHERE idx > ? AND subject = ? ORDER BY idx LIMIT ?`

	sqlEntriesOfKind = sqlEntryColumns + `WHERE idx > ? AND kind = ? ORDER BY idx LIMIT ?`

	sqlEntriesOfBoth = sqlEntryColumns + `WHERE idx > ? AND subject = ? AND kind = ? ORDER BY idx LIMIT ?`

	sqlLeaf = `SELECT leaf FROM audit_entries WHERE idx = ?`

	sqlInsertCheckpoint = `
INSERT INTO audit_checkpoints (size, at_ms, note) VALUES (?, ?, ?) ON CONFLICT (size) DO NOTHING`

	sqlCheckpointCount = `SELECT COUNT(*) FROM audit_checkpoints`

	sqlCheckpoints = `SELECT size, note FROM audit_checkpoints ORDER BY size`

	sqlAllEntries = sqlEntryColumns + `ORDER BY idx`

	sqlLeavesFrom = `SELECT idx, leaf FROM audit_entries WHERE idx >= ? ORDER BY idx`

	sqlHashes = `SELECT pos, hash FROM audit_hashes ORDER BY pos`

	sqlSubjects = `SELECT subject, wrapped_key, entries, last_idx FROM audit_subjects ORDER BY subject`
)
