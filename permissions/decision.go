package permissions

import "time"

// Reason is the machine word for a decision: a closed set, used unchanged in the
// API, in SIP Reason headers, in metric labels and in the audit.
type Reason string

// The reasons.
const (
	Allowed                Reason = "allowed"
	NoPermission           Reason = "no_permission"
	PermissionExpired      Reason = "permission_expired"
	PermissionDeclined     Reason = "permission_declined"
	PermissionRevoked      Reason = "permission_revoked"
	PermissionUsed         Reason = "permission_used"       // calls per grant exhausted
	PermissionUnverified   Reason = "permission_unverified" // static-secret grant, not read back yet
	DoNotCall              Reason = "do_not_call"
	BusinessCountryBlocked Reason = "business_country_blocked"
	UserRegionSanctioned   Reason = "user_region_sanctioned"
	AttemptInProgress      Reason = "attempt_in_progress"
	CallLimit              Reason = "call_limit"
	RequestLimit           Reason = "request_limit"
	PermissionExists       Reason = "permission_exists" // a request when a permanent grant stands
	QuietHours             Reason = "quiet_hours"       // outside the hours of the rule pack in a plausible zone of the user
	DestinationBlocked     Reason = "destination_country_blocked"
	BusinessRestricted     Reason = "business_restricted"    // the platform restricts the number, or calling is not enabled on it
	ConsecutiveUnanswered  Reason = "consecutive_unanswered" // one more unanswered call and the platform revokes
	LimitedByProvider      Reason = "provider_limit"         // the provider said so when it was asked
	MessagesOptOut         Reason = "messages_opt_out"       // requests: the user wants no messages
	TemplateUnusable       Reason = "template_unusable"      // requests: paused, rejected, disabled or recategorised
	Unreachable            Reason = "unreachable"            // requests: the provider could not deliver the last one
	UnknownBusiness        Reason = "unknown_business"
	InvalidUser            Reason = "invalid_user"
	Superseded             Reason = "superseded" // Ticket.Confirm: permission was taken away, or the attempt has ended
)

// Action is what is asked to be allowed.
type Action string

// The actions.
const (
	StartCall         Action = "start_call"
	RequestPermission Action = "send_call_permission_request"
)

// Rule is one line of a decision: what was looked at and what came of it.
type Rule struct {
	Name    string            `json:"name"`
	Allow   bool              `json:"allow"`
	Reason  Reason            `json:"reason,omitempty"` // when not allowed
	Inputs  map[string]string `json:"inputs,omitempty"`
	Source  string            `json:"source,omitempty"`
	RetryAt time.Time         `json:"retryAt,omitzero"` // when not allowed: when the rule itself would allow with no new fact; zero for never
	Until   time.Time         `json:"until,omitzero"`   // when allowed: when the rule itself may refuse with no new fact; zero for never
}

// Decision answers "may I?". It lists every rule in order, whether it allowed or
// not; Reason is that of the first rule that refused.
type Decision struct {
	ID         string    `json:"id"` // empty for a dry run
	Action     Action    `json:"action"`
	Allow      bool      `json:"allow"`
	Reason     Reason    `json:"reason"`
	RetryAfter time.Time `json:"retryAfter,omitzero"` // when refused: the earliest time at which it would be allowed with no new fact
	Until      time.Time `json:"until,omitzero"`      // when allowed: the earliest time at which it would be refused with no new fact
	At         time.Time `json:"at"`
	Rules      []Rule    `json:"rules"`
	RulePack   string    `json:"rulePack"` // name@version
	Geography  string    `json:"geography"`
	TZData     string    `json:"tzdata,omitempty"` // version of the time zone data that quiet hours were read by
	Purpose    string    `json:"purpose,omitempty"`
	Template   string    `json:"template,omitempty"` // requests: name/language that was looked at
	Epoch      int64     `json:"epoch"`              // of the pair, when decided
	Grant      string    `json:"grant,omitempty"`    // event id of the grant relied on
	AuditIndex int64     `json:"auditIndex"`         // -1 for a dry run
}

// Refusal is the error form of a decision that says no.
type Refusal struct{ Decision Decision }

// Error implements error.
func (r *Refusal) Error() string { return "permissions: refused: " + string(r.Decision.Reason) }

// OnlyRefusedFor says whether reason is all that the decision was refused for.
func (d Decision) OnlyRefusedFor(reason Reason) bool {
	reasons := d.refusing()
	return len(reasons) == 1 && reasons[0] == reason
}
