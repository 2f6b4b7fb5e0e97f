package server

const sqlDeliverySource = `SELECT account, hash, auth, state, received_ms FROM webhook_deliveries WHERE id = ?`

const sqlDeliveryGet = `
SELECT id, account, hash, auth, state, received_ms, size, repeats, repeated_ms, unknown, problem
FROM webhook_deliveries WHERE id = ?`

const sqlDeliveryReplay = `SELECT account, hash, auth, state, raw FROM webhook_deliveries WHERE id = ?`

// A delivery that was taken in whole at last needs its body no more.
const sqlDeliveryReplayed = `
UPDATE webhook_deliveries SET state = ?, unknown = ?, problem = ?, raw = ? WHERE id = ?`

const sqlDeliveryCount = `SELECT count(*) FROM webhook_deliveries WHERE account = ? AND state = ?`

const sqlDeliveryState = `SELECT state FROM webhook_deliveries WHERE id = ?`
