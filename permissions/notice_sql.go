package permissions

// The SQL of the notices, in the words that SQLite and PostgreSQL share.
const (
	selectNoticeSeen = `SELECT 1 FROM notices WHERE notice_id = ?`
	insertNotice     = `INSERT INTO notices (audit_index, notice_id, business, kind, template, at_ms, body)
		VALUES (?, ?, ?, ?, ?, ?, ?)`
	selectAspect = `SELECT n.body FROM number_aspects a JOIN notices n ON n.audit_index = a.audit_index
		WHERE a.business = ? AND a.aspect = ?`
	upsertAspect = `INSERT INTO number_aspects (business, aspect, audit_index) VALUES (?, ?, ?)
		ON CONFLICT (business, aspect) DO UPDATE SET audit_index = excluded.audit_index`
	selectAspects = `SELECT n.body FROM number_aspects a JOIN notices n ON n.audit_index = a.audit_index
		WHERE a.business = ?`
	selectTemplateNotices  = `SELECT body FROM notices WHERE business = ? AND template = ? AND template <> ''`
	selectTemplatesNotices = `SELECT body FROM notices WHERE business = ? AND template > ''`
	selectNoticesOf        = `SELECT body FROM notices WHERE business = ? AND kind = ? AND at_ms > ? ORDER BY at_ms`
	selectNoticesPage      = `SELECT audit_index, body FROM notices
		WHERE business = ? AND audit_index > ? ORDER BY audit_index LIMIT ?`
	selectNoticesUntil = `SELECT body FROM notices WHERE business = ? AND at_ms <= ?`
)
