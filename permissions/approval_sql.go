package permissions

// The SQL of the approvals, in the words that SQLite and PostgreSQL share.
const (
	approvalColumns = `id, subject, business, kind, permanent, expires_ms, reason, evidence,
		proposed_by, proposed_ms, state, decided_by, decided_ms, event_id`
	insertApproval = `INSERT INTO approvals (` + approvalColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', '', NULL, '')`
	selectApproval = `SELECT ` + approvalColumns + ` FROM approvals WHERE id = ?`
	decideApproval = `UPDATE approvals SET state = ?, decided_by = ?, decided_ms = ?, event_id = ?
		WHERE id = ? AND state = 'pending'`
	selectApprovals = `SELECT ` + approvalColumns + ` FROM approvals
		WHERE (proposed_ms, id) < (?, ?) ORDER BY proposed_ms DESC, id DESC LIMIT ?`
	selectPendingApprovals = `SELECT ` + approvalColumns + ` FROM approvals
		WHERE state = 'pending' AND (proposed_ms, id) < (?, ?) AND proposed_ms > ?
		ORDER BY proposed_ms DESC, id DESC LIMIT ?`
)
