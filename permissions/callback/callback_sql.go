package callback

// The SQL of the callbacks, in the words that SQLite and PostgreSQL share.
const (
	columns = `id, business, user_alias, not_before_ms, not_after_ms, due_ms, purpose, agent, leg_order,
		state, reason, call_id, actor, created_ms, updated_ms`
	insertCallback = `INSERT INTO callbacks (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectCallback = `SELECT ` + columns + ` FROM callbacks WHERE id = ?`
	selectPage     = `SELECT ` + columns + ` FROM callbacks
		WHERE (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT ?`
	selectDue = `SELECT ` + columns + ` FROM callbacks
		WHERE state = 'pending' AND due_ms <= ? AND not_after_ms > ? ORDER BY due_ms, id LIMIT ?`
	selectPassed = `SELECT ` + columns + ` FROM callbacks
		WHERE state = 'pending' AND not_after_ms <= ? ORDER BY not_after_ms, id LIMIT ?`
	selectDialling = `SELECT ` + columns + ` FROM callbacks WHERE state = 'dialling' ORDER BY id`
	selectOfUser   = `SELECT ` + columns + ` FROM callbacks
		WHERE state = 'pending' AND (business = ? OR ? = '')
		AND user_alias IN (SELECT alias FROM aliases WHERE subject = ?)
		ORDER BY created_ms, id`
	selectNextDue = `SELECT MIN(due_ms) FROM callbacks WHERE state = 'pending'`
	selectNextEnd = `SELECT MIN(not_after_ms) FROM callbacks WHERE state = 'pending'`
	updateState   = `UPDATE callbacks SET state = ?, reason = ?, call_id = ?, due_ms = ?, updated_ms = ?
		WHERE id = ? AND state = ?`
)
