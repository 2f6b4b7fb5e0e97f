package sipbridge

const (
	sqlInsertCall = `INSERT INTO calls
 (audit_idx, id, account, direction, subject, wacid, started_ms, ended_ms, disposition, outcome, cause, record)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	sqlCall = `SELECT audit_idx, record FROM calls WHERE id = ?`

	sqlRecorded = `SELECT COUNT(*) FROM calls WHERE wacid = ? AND account = ? AND direction = ?`

	sqlCalls = `SELECT audit_idx, record FROM calls WHERE audit_idx < ? ORDER BY audit_idx DESC LIMIT ?`
)
