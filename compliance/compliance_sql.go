package compliance

const (
	sqlInsertExport = `
INSERT INTO compliance_exports (id, subject, audit_idx, state, error, created_ms, done_ms, size, sha256)
VALUES (?, ?, ?, ?, '', ?, 0, 0, '')`

	sqlFinishExport = `
UPDATE compliance_exports SET state = ?, error = ?, done_ms = ?, size = ?, sha256 = ? WHERE id = ?`

	sqlExport = `
SELECT audit_idx, state, error, created_ms, done_ms, size, sha256 FROM compliance_exports WHERE id = ?`

	sqlEnqueue = `
INSERT INTO opt_out_confirmations
    (event, asked_by, subject, account, business, recipient, channels, state, message, created_ms, updated_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, 'enqueued', '', ?, ?)
ON CONFLICT DO NOTHING`

	sqlClaim = `
UPDATE opt_out_confirmations SET state = 'sending', updated_ms = ?
WHERE event = (SELECT event FROM opt_out_confirmations WHERE state = 'enqueued' ORDER BY created_ms LIMIT 1)
RETURNING event, subject, account, business, recipient, channels, created_ms`

	sqlFinishConfirmation = `
UPDATE opt_out_confirmations SET state = ?, message = ?, recipient = NULL, updated_ms = ?
WHERE event = ? AND state = 'sending'`

	sqlEnqueued = `SELECT COUNT(*) FROM opt_out_confirmations WHERE state = 'enqueued'`

	sqlInterrupted = `SELECT event, subject, account, channels FROM opt_out_confirmations WHERE state = 'sending'`
)
