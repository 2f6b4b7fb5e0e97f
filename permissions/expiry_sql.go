package permissions

// The SQL of the sweep.
const (
	selectDue    = `SELECT business, subject FROM permissions WHERE due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms LIMIT ?`
	selectDueRow = `SELECT grant_event, rule_pack, expires_ms, due_ms FROM permissions
		WHERE business = ? AND subject = ? AND due_ms IS NOT NULL AND due_ms <= ? AND expires_ms IS NOT NULL`
	updateDue       = `UPDATE permissions SET due_ms = ? WHERE business = ? AND subject = ?`
	selectPackBelow = `SELECT business, subject FROM permissions
		WHERE business = ? AND rule_pack < ? AND rule_pack <> '' LIMIT ?`
	selectPackAbove = `SELECT business, subject FROM permissions
		WHERE business = ? AND rule_pack > ? AND rule_pack <> '' LIMIT ?`
)
