package compliance

const (
	sqlInsertImport = `
INSERT INTO imports (id, sha256, state, actor, reason, line_count, repeated, added, already, salt, created_ms, done_ms)
VALUES (?, '', 'staging', ?, ?, 0, 0, 0, 0, ?, ?, 0)`

	sqlInsertChunk = `INSERT INTO import_chunks (import, seq, done, sealed) VALUES (?, ?, 0, ?)`

	sqlStartImport = `
UPDATE imports SET state = 'applying', sha256 = ?, line_count = ?, repeated = ? WHERE id = ? AND state = 'staging'`

	sqlDropChunk = `
DELETE FROM import_chunks WHERE import = ? AND seq = (SELECT MAX(seq) FROM import_chunks WHERE import = ?)`

	sqlDropStaging = `DELETE FROM imports WHERE id = ? AND state = 'staging'`

	sqlNextChunk = `SELECT seq, done, sealed FROM import_chunks WHERE import = ? ORDER BY seq LIMIT 1`

	sqlAdvanceChunk = `UPDATE import_chunks SET done = ? WHERE import = ? AND seq = ? AND done = ?`

	sqlDeleteChunk = `DELETE FROM import_chunks WHERE import = ? AND seq = ? AND done = ?`

	sqlCountImport = `UPDATE imports SET added = added + ?, already = already + ? WHERE id = ?`

	sqlFinishImport = `
UPDATE imports SET state = 'applied', salt = NULL, done_ms = ? WHERE id = ? AND state = 'applying'
RETURNING sha256, line_count, repeated, added, already, actor, created_ms`

	sqlImport = `
SELECT sha256, state, actor, line_count, repeated, added, already, created_ms FROM imports
WHERE id = ? AND state <> 'staging'`

	sqlImportWork = `SELECT actor, reason, salt FROM imports WHERE id = ? AND state = 'applying'`

	sqlOpenImports = `SELECT id, state FROM imports WHERE state <> 'applied' ORDER BY created_ms, id`
)
