package notify

const (
	sqlCount = `SELECT COUNT(*) FROM webhook_subscriptions`

	sqlInsert = `
INSERT INTO webhook_subscriptions (id, url, kinds, secret, actor, created_ms, delivered_idx, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

	sqlList = `
SELECT id, url, kinds, secret, actor, created_ms, delivered_idx, state, failing_ms, problem
FROM webhook_subscriptions ORDER BY created_ms, id`

	sqlDelete = `DELETE FROM webhook_subscriptions WHERE id = ?`

	sqlDelivered = `
UPDATE webhook_subscriptions SET delivered_idx = ?, state = 'active', failing_ms = 0, problem = ''
WHERE id = ? AND state <> 'disabled'`

	sqlSkipped = `UPDATE webhook_subscriptions SET delivered_idx = ? WHERE id = ? AND state <> 'disabled'`

	sqlFailing = `
UPDATE webhook_subscriptions SET state = 'failing', failing_ms = ?, problem = ?
WHERE id = ? AND state <> 'disabled'`

	sqlDisable = `
UPDATE webhook_subscriptions SET state = 'disabled', failing_ms = ?, problem = ?
WHERE id = ? AND state <> 'disabled'`
)
