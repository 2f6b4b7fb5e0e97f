package permissions

// The SQL of opt-outs, in the words that SQLite and PostgreSQL share.
const selectEventByID = `SELECT audit_index, business, body FROM permission_events WHERE event_id = ?`
