package server

const sqlKeyInsert = `
INSERT INTO idempotency_keys (token, key, request, run, created_ms)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (token, key) DO NOTHING
RETURNING 1`

const sqlKeyGet = `
SELECT request, run, status, headers, body FROM idempotency_keys
WHERE token = ? AND key = ?`

const sqlKeyTake = `UPDATE idempotency_keys SET run = ? WHERE token = ? AND key = ? AND status = 0`

const sqlKeyFinish = `
UPDATE idempotency_keys SET status = ?, headers = ?, body = ?
WHERE token = ? AND key = ? AND status = 0`

const sqlKeyRelease = `DELETE FROM idempotency_keys WHERE token = ? AND key = ? AND status = 0`

const sqlKeyPurge = `DELETE FROM idempotency_keys WHERE created_ms < ?`
