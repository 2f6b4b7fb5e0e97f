package permissions

// The SQL of the ledger, in the words that SQLite and PostgreSQL share.
const (
	selectSubject = `SELECT subject FROM aliases WHERE alias = ?`
	selectAliases = `SELECT alias FROM aliases WHERE subject = ? AND used = 1 ORDER BY alias`
	insertSubject = `INSERT INTO subjects (id, created_ms) VALUES (?, ?)`
	selectFamily  = `SELECT id FROM subjects WHERE id = ? OR merged_into = ? ORDER BY created_ms, id`
	selectCurrent = `SELECT COALESCE(merged_into, id) FROM subjects WHERE id = ?`

	selectAddress = `SELECT subject, token, used, COALESCE(former, ''), COALESCE(former_until_ms, 0)
		FROM aliases WHERE alias = ?`
	insertAlias = `INSERT INTO aliases (alias, subject, since_ms, token, used) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (alias) DO NOTHING`
	useAlias     = `UPDATE aliases SET used = 1 WHERE alias = ?`
	departAlias  = `UPDATE aliases SET former = subject, former_until_ms = ?, subject = ?, since_ms = ? WHERE token = ?`
	departAgain  = `UPDATE aliases SET former_until_ms = ? WHERE token = ? AND former_until_ms < ?`
	selectTokens = `SELECT alias, token FROM aliases WHERE subject = ? AND used = 1 ORDER BY alias`

	selectSightings = `SELECT line, holder, first_ms, last_ms FROM sightings WHERE subject = ? AND business = ?`
	upsertSighting  = `INSERT INTO sightings (subject, business, line, holder, first_ms, last_ms) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (subject, business, line, holder) DO UPDATE SET
			first_ms = CASE WHEN excluded.first_ms < sightings.first_ms THEN excluded.first_ms ELSE sightings.first_ms END,
			last_ms = CASE WHEN excluded.last_ms > sightings.last_ms THEN excluded.last_ms ELSE sightings.last_ms END`
	moveAlias         = `UPDATE aliases SET subject = ? WHERE token = ?`
	moveLineSightings = `UPDATE sightings SET subject = ? WHERE subject = ? AND line = ? AND first_ms > ?`
	moveSightings     = `INSERT INTO sightings (subject, business, line, holder, first_ms, last_ms)
		SELECT ?, business, line, holder, first_ms, last_ms FROM sightings WHERE subject = ?
		ON CONFLICT (subject, business, line, holder) DO UPDATE SET
			first_ms = CASE WHEN excluded.first_ms < sightings.first_ms THEN excluded.first_ms ELSE sightings.first_ms END,
			last_ms = CASE WHEN excluded.last_ms > sightings.last_ms THEN excluded.last_ms ELSE sightings.last_ms END`
	// selectTraces is what the talk and the receipts of a pair leave: which line was
	// seen with which holder, and the last message that arrived and the last that did not.
	selectTraces = `SELECT line, holder, first_ms, last_ms, 0 FROM sightings WHERE subject = ? AND business = ?
		UNION ALL
		SELECT arrived_event, '', arrived_ms, arrived_ms, -1 FROM receipts WHERE subject = ? AND business = ?
		UNION ALL
		SELECT failed_event, '', failed_ms, failed_ms, 1 + failed_code FROM receipts WHERE subject = ? AND business = ?`
	upsertReceipt = `INSERT INTO receipts
		(subject, business, arrived_ms, arrived_event, failed_ms, failed_event, failed_code) VALUES (?, ?, ?, ?, ?, ?, ?)` + laterReceipt
	moveReceipts = `INSERT INTO receipts
		(subject, business, arrived_ms, arrived_event, failed_ms, failed_event, failed_code)
		SELECT ?, business, arrived_ms, arrived_event, failed_ms, failed_event, failed_code FROM receipts WHERE subject = ?` + laterReceipt
	// laterReceipt keeps of two receipts the later one, and of two at one time the one
	// whose id comes later, so that the order of arrival does not matter.
	laterReceipt = `
		ON CONFLICT (subject, business) DO UPDATE SET
			arrived_event = CASE WHEN excluded.arrived_ms > receipts.arrived_ms
				OR excluded.arrived_ms = receipts.arrived_ms AND excluded.arrived_event > receipts.arrived_event
				THEN excluded.arrived_event ELSE receipts.arrived_event END,
			arrived_ms = CASE WHEN excluded.arrived_ms > receipts.arrived_ms THEN excluded.arrived_ms ELSE receipts.arrived_ms END,
			failed_code = CASE WHEN excluded.failed_ms > receipts.failed_ms
				OR excluded.failed_ms = receipts.failed_ms AND excluded.failed_event > receipts.failed_event
				THEN excluded.failed_code ELSE receipts.failed_code END,
			failed_event = CASE WHEN excluded.failed_ms > receipts.failed_ms
				OR excluded.failed_ms = receipts.failed_ms AND excluded.failed_event > receipts.failed_event
				THEN excluded.failed_event ELSE receipts.failed_event END,
			failed_ms = CASE WHEN excluded.failed_ms > receipts.failed_ms THEN excluded.failed_ms ELSE receipts.failed_ms END`
	dropReceipts  = `DELETE FROM receipts WHERE subject = ?`
	dropSightings = `DELETE FROM sightings WHERE subject = ?`

	selectSubjectAge = `SELECT created_ms FROM subjects WHERE id = ?`
	mergeSubjects    = `UPDATE subjects SET merged_into = ? WHERE id = ? OR merged_into = ?`
	mergeAliases     = `UPDATE aliases SET subject = ? WHERE subject = ?`
	mergeFormer      = `UPDATE aliases SET former = ? WHERE former = ?`
	mergeEvents      = `UPDATE permission_events SET subject = ? WHERE subject = ?`
	mergeCopyPairs   = `INSERT INTO permissions
		(subject, business, grant_event, do_not_call, epoch, updated_ms, requested_ms, rule_pack, expires_ms, due_ms)
		SELECT ?, business, grant_event, do_not_call, epoch, updated_ms, requested_ms, rule_pack, expires_ms, due_ms
			FROM permissions WHERE subject = ?
		ON CONFLICT (business, subject) DO UPDATE SET
			grant_event = CASE WHEN permissions.grant_event = '' THEN excluded.grant_event ELSE permissions.grant_event END,
			do_not_call = CASE WHEN excluded.do_not_call < permissions.do_not_call THEN excluded.do_not_call ELSE permissions.do_not_call END`
	mergeDropPairs = `DELETE FROM permissions WHERE subject = ?`
	mergeDropDNC   = `DELETE FROM do_not_call WHERE subject = ?`
	moveEvent      = `UPDATE permission_events SET subject = ? WHERE audit_index = ?`

	selectEventSeen = `SELECT 1 FROM permission_events WHERE event_id = ?`
	insertEvent     = `INSERT INTO permission_events
		(audit_index, event_id, subject, business, kind, at_ms, received_ms, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	// selectStateEvents is what the projection of a pair is made of: its own events
	// without the talk and the marks, and those that hold for every business.
	selectStateEvents = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed', 'receipt', 'willing', 'expired', 'expiring')
		AND (business = ? OR business = '' OR kind IN ('opted_out', 'optout_lifted', 'id_changed'))`
	selectOptOuts = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed', 'receipt', 'willing', 'expired', 'expiring')
		AND kind IN ('opted_out', 'optout_lifted')`
	// selectConsent is what the lifting of an opt-out has to come after.
	selectConsent = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND kind NOT IN ('messaged', 'confirmed', 'receipt', 'willing', 'expired', 'expiring')
		AND kind IN ('opted_out', 'granted')`
	selectSubjectEvents = `SELECT audit_index, business, body FROM permission_events WHERE subject = ? ORDER BY audit_index`
	selectPairEvents    = `SELECT audit_index, business, body FROM permission_events
		WHERE subject = ? AND (business = ? OR business = '' OR kind IN ('opted_out', 'optout_lifted', 'id_changed'))
		ORDER BY audit_index`

	selectPair = `SELECT grant_event, do_not_call, epoch FROM permissions WHERE business = ? AND subject = ?`
	upsertPair = `INSERT INTO permissions
		(subject, business, grant_event, do_not_call, epoch, updated_ms, requested_ms, rule_pack, expires_ms, due_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (business, subject) DO UPDATE SET grant_event = excluded.grant_event,
			do_not_call = excluded.do_not_call, epoch = excluded.epoch, updated_ms = excluded.updated_ms,
			requested_ms = excluded.requested_ms, rule_pack = excluded.rule_pack,
			expires_ms = excluded.expires_ms, due_ms = excluded.due_ms`
	selectBusinesses = `SELECT business FROM permissions WHERE subject = ? ORDER BY business`
	selectPairs      = `SELECT business, subject FROM permissions
		WHERE (business, subject) > (?, ?) ORDER BY business, subject LIMIT ?`
	selectPairsOf = `SELECT business, subject FROM permissions
		WHERE business = ? AND subject > ? ORDER BY subject LIMIT ?`
	selectStanding = `SELECT subject FROM permissions
		WHERE business = ? AND subject > ? AND do_not_call = 0
		AND (grant_event <> '' AND (expires_ms IS NULL OR expires_ms > ?) OR requested_ms > ?)
		ORDER BY subject LIMIT ?`

	upsertDNC = `INSERT INTO do_not_call (subject, brand, purpose, since_ms, source, actor, reason, event_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	deleteDNC = `DELETE FROM do_not_call WHERE subject = ?`
	// selectDNC has the entry that reaches farthest first: every business, a brand,
	// a purpose.
	selectDNC = `SELECT subject, brand, purpose, since_ms, source, actor, reason, event_id FROM do_not_call
		WHERE subject = ? ORDER BY (brand <> ''), (purpose <> ''), since_ms LIMIT 1`
	selectDNCPage = `SELECT subject, brand, purpose, since_ms, source, actor, reason, event_id FROM do_not_call
		WHERE (since_ms, subject, brand, purpose) > (?, ?, ?, ?) ORDER BY since_ms, subject, brand, purpose LIMIT ?`

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
