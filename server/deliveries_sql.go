package server

const sqlDeliverySource = `SELECT account, hash, auth, state, received_ms FROM webhook_deliveries WHERE id = ?`

const sqlDeliveryGet = `
SELECT id, account, hash, auth, state, received_ms, size, repeats, repeated_ms, unknown, problem
FROM webhook_deliveries WHERE id = ?`

const sqlDeliveryReplay = `SELECT account, hash, auth, state, raw FROM webhook_deliveries WHERE id = ?`

// A delivery that was taken in whole at last needs its body no more.
const sqlDeliveryReplayed = `
UPDATE webhook_deliveries SET state = ?, unknown = ?, problem = ?, raw = ? WHERE id = ?`

// The queries about deliveries that were not taken in whole say so, because the
// index by state holds only those: the plain ones are far more.
const sqlDeliveryCount = `
SELECT count(*) FROM webhook_deliveries WHERE state <> 'stored' AND account = ? AND state = ?`

const sqlDeliveryKept = `
SELECT id, account, hash, auth, state, received_ms, size, repeats, repeated_ms, unknown, problem
FROM webhook_deliveries
WHERE state <> 'stored' AND account = ? AND state = ? AND id < ?
ORDER BY id DESC LIMIT ?`

const sqlDeliveryAccounts = `SELECT DISTINCT account FROM webhook_deliveries WHERE state <> 'stored'`

const sqlDeliveryForget = `
UPDATE webhook_deliveries SET raw = NULL
WHERE state <> 'stored' AND account = ? AND state = ? AND raw IS NOT NULL AND received_ms < ?`

const sqlDeliveryState = `SELECT state FROM webhook_deliveries WHERE id = ?`
