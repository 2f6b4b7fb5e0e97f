package server

// A repeat of a delivery finds its row and is only counted.
const sqlDeliveryInsert = `
INSERT INTO webhook_deliveries (account, hash, auth, state, received_ms, size, unknown, problem, raw)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, hash) DO NOTHING
RETURNING id`

const sqlDeliveryRepeat = `
UPDATE webhook_deliveries SET repeats = repeats + 1, repeated_ms = ?
WHERE account = ? AND hash = ?
RETURNING state`

// Only the newest rows of a state that keeps the body are kept, for each account.
const sqlDeliveryBound = `
DELETE FROM webhook_deliveries WHERE account = ? AND state = ? AND state <> 'stored' AND id <= (
    SELECT id FROM webhook_deliveries WHERE account = ? AND state = ? AND state <> 'stored'
    ORDER BY id DESC LIMIT 1 OFFSET ?)`

const sqlDeliveryList = `
SELECT id, account, hash, auth, state, received_ms, size, repeats, repeated_ms, unknown, problem
FROM webhook_deliveries
WHERE id < ? AND (state = ? OR ? = '') AND (account = ? OR ? = '')
ORDER BY id DESC LIMIT ?`

const sqlDeliveryRaw = `SELECT raw FROM webhook_deliveries WHERE id = ? AND raw IS NOT NULL`
