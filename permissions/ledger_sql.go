package permissions

// The SQL of the ledger, in the words that SQLite and PostgreSQL share.
const (
	selectSubject = `SELECT subject FROM aliases WHERE alias = ?`
	selectAliases = `SELECT alias FROM aliases WHERE subject = ? ORDER BY alias`
	insertSubject = `INSERT INTO subjects (id, created_ms) VALUES (?, ?)`
	insertAlias   = `INSERT INTO aliases (alias, subject, since_ms) VALUES (?, ?, ?)`
	selectFamily  = `SELECT id FROM subjects WHERE id = ? OR merged_into = ? ORDER BY created_ms, id`
	selectCurrent = `SELECT COALESCE(merged_into, id) FROM subjects WHERE id = ?`

	selectSubjectAge = `SELECT created_ms FROM subjects WHERE id = ?`
	mergeSubjects    = `UPDATE subjects SET merged_into = ? WHERE id = ? OR merged_into = ?`
	mergeAliases     = `UPDATE aliases SET subject = ? WHERE subject = ?`
	mergeEvents      = `UPDATE permission_events SET subject = ? WHERE subject = ?`
	mergeCopyPairs   = `INSERT INTO permissions (subject, business, grant_event, do_not_call, epoch, updated_ms)
		SELECT ?, business, grant_event, do_not_call, epoch, updated_ms FROM permissions WHERE subject = ?
		ON CONFLICT (business, subject) DO UPDATE SET
			grant_event = CASE WHEN permissions.grant_event = '' THEN excluded.grant_event ELSE permissions.grant_event END,
			do_not_call = CASE WHEN excluded.do_not_call < permissions.do_not_call THEN excluded.do_not_call ELSE permissions.do_not_call END`
	mergeDropPairs = `DELETE FROM permissions WHERE subject = ?`
	mergeDropDNC   = `DELETE FROM do_not_call WHERE subject = ?`

	selectEventSeen = `SELECT 1 FROM permission_events WHERE event_id = ?`
	insertEvent     = `INSERT INTO permission_events
		(audit_index, event_id, subject, business, kind, at_ms, received_ms, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	selectStateEvents = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed')
		AND (business = ? OR kind IN ('opted_out', 'optout_lifted'))`
	selectOptOuts = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed')
		AND kind IN ('opted_out', 'optout_lifted')`
	// selectConsent is what the lifting of an opt-out has to come after.
	selectConsent = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed')
		AND kind IN ('opted_out', 'granted')`
	selectPairEvents = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND (business = ? OR kind IN ('opted_out', 'optout_lifted'))
		ORDER BY audit_index`

	selectPair = `SELECT grant_event, do_not_call FROM permissions WHERE business = ? AND subject = ?`
	upsertPair = `INSERT INTO permissions (subject, business, grant_event, do_not_call, epoch, updated_ms)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (business, subject) DO UPDATE SET grant_event = excluded.grant_event,
			do_not_call = excluded.do_not_call, epoch = excluded.epoch, updated_ms = excluded.updated_ms`
	selectBusinesses = `SELECT business FROM permissions WHERE subject = ? ORDER BY business`
	selectPairs      = `SELECT business, subject FROM permissions
		WHERE (business, subject) > (?, ?) ORDER BY business, subject LIMIT ?`
	selectPairsOf = `SELECT business, subject FROM permissions
		WHERE business = ? AND subject > ? ORDER BY subject LIMIT ?`

	upsertDNC = `INSERT INTO do_not_call (subject, since_ms, source, actor, reason, event_id)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (subject) DO UPDATE SET since_ms = excluded.since_ms, source = excluded.source,
			actor = excluded.actor, reason = excluded.reason, event_id = excluded.event_id`
	deleteDNC     = `DELETE FROM do_not_call WHERE subject = ?`
	selectDNC     = `SELECT subject, since_ms, source, actor, reason, event_id FROM do_not_call WHERE subject = ?`
	selectDNCPage = `SELECT subject, since_ms, source, actor, reason, event_id FROM do_not_call
		WHERE (since_ms, subject) > (?, ?) ORDER BY since_ms, subject LIMIT ?`

	selectAttemptOpen = `SELECT 1 FROM attempts WHERE call_id = ? AND state = 'open'`
	selectCallSeen    = `SELECT 1 FROM attempts WHERE call_id = ?`
	selectOpenAttempt = `SELECT a.call_id FROM subjects s
		JOIN attempts a ON a.subject = s.id AND a.business = ? AND a.state = 'open'
		WHERE s.id = ? OR s.merged_into = ? LIMIT 1`
	insertAttempt = `INSERT INTO attempts
		(call_id, subject, business, callback, purpose, grant_event, epoch, state, outcome, decision_index, opened_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'open', '', ?, ?)`
	settleAttempt = `UPDATE attempts SET state = 'settled', outcome = ?, settled_ms = ?
		WHERE call_id = ? AND state = 'open' RETURNING subject, business, grant_event, purpose`
	selectOutcome      = `SELECT outcome FROM attempts WHERE call_id = ? AND state = 'settled'`
	selectOpenAttempts = `SELECT call_id FROM attempts WHERE state = 'open' ORDER BY opened_ms, call_id`

	insertRequestMessage = `INSERT INTO request_messages (message_id, event_id, linked_ms, audit_index)
		VALUES (?, ?, ?, ?)`
	selectRequestMessage = `SELECT event_id FROM request_messages WHERE message_id = ?`
	selectRequestSubject = `SELECT subject FROM permission_events WHERE event_id = ? AND kind = 'requested'`
)
