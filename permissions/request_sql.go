package permissions

// selectRequestPair is whose request an event is.
const selectRequestPair = `SELECT subject, business FROM permission_events WHERE event_id = ? AND kind = 'requested'`
