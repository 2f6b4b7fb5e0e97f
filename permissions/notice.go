package permissions

import (
	"time"

	"github.com/callctl/callctl/geo"
)

// NoticeKind says what a provider told about one of our numbers, its templates or
// its account.
type NoticeKind string

// The kinds of notice.
const (
	Violation        NoticeKind = "violation"         // a warning; Type. Restricts nothing
	Restriction      NoticeKind = "restriction"       // Type, Until; zero Until: open-ended
	RestrictionsRead NoticeKind = "restrictions_read" // the settings' whole list of restrictions, which replaces what is known: Restrictions
	Quality          NoticeKind = "quality"           // Event (FLAGGED, DOWNGRADE …), Tier
	TemplateStatus   NoticeKind = "template_status"   // Template, Status, Type (the reason)
	TemplateQuality  NoticeKind = "template_quality"  // Template, Status (GREEN, YELLOW, RED, UNKNOWN)
	TemplateCategory NoticeKind = "template_category" // Template, Status (the category now), Type (the one before, "" when not told)
	TemplateWarned   NoticeKind = "template_warned"   // Template, Status: the category that the platform holds right and will set
	Settings         NoticeKind = "settings"          // calling settings changed; Calling
	AccountNews      NoticeKind = "account_news"      // whatever else was said of the account, such as a verification; Event, Type
	Unable           NoticeKind = "unable"            // the provider refused a call or request for a reason of the number's; Code, Until
)

// The restrictions that bear on calling (Meta, Cloud API Calling, account_update;
// 8x8 says the same words).
const (
	RestrictedBusinessInitiated = "RESTRICTED_BUSINESS_INITIATED_CALLING"
	RestrictedUserInitiated     = "RESTRICTED_USER_INITIATED_CALLING"
	CallButtonHidden            = "RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN"
)

// RestrictionsOmitted is the Event of a RestrictionsRead for which the provider gave
// no list at all. It lifts what has no end of its own, which nothing else does; a
// restriction with an end holds until then (Meta, Cloud API Calling, account_update).
const RestrictionsOmitted = "OMITTED"

// Notice is a provider's word about one of our numbers, not about a user. Notices
// are never changed or removed; what holds is a pure function of their set.
type Notice struct {
	// ID makes the notice unique for ever, as [Event.ID] does.
	ID       string     `json:"id"`
	Kind     NoticeKind `json:"kind"`
	Business geo.E164   `json:"business"`
	Account  string     `json:"account,omitempty"`
	At       time.Time  `json:"at"`
	Received time.Time  `json:"received"` // set by RecordNotices
	Auth     Auth       `json:"auth"`
	Webhook  int64      `json:"webhook,omitempty"`

	Event        string              `json:"event,omitempty"` // the provider's word for what happened
	Type         string              `json:"type,omitempty"`
	Status       string              `json:"status,omitempty"`
	Template     string              `json:"template,omitempty"` // name/language
	Tier         string              `json:"tier,omitempty"`     // TIER_2K …
	Until        time.Time           `json:"until,omitzero"`
	Code         int                 `json:"code,omitempty"`
	Remediation  string              `json:"remediation,omitempty"` // the provider's advice
	Calling      string              `json:"calling,omitempty"`     // Settings: ENABLED or DISABLED, "" when not said
	Restrictions []NumberRestriction `json:"restrictions,omitempty"`
}

// NumberRestriction is a restriction in force.
type NumberRestriction struct {
	Type   string    `json:"type"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until it is lifted
	Notice string    `json:"notice"`         // id of the notice behind it
}

// TemplateState is what is known of a message template.
type TemplateState struct {
	Name     string `json:"name"` // name/language
	Status   string `json:"status,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Quality  string `json:"quality,omitempty"`
	Category string `json:"category,omitempty"`
	// Warned is the category that the platform has announced to set, "" for none.
	Warned string `json:"announcedCategory,omitempty"`
	// Recategorised is the category that it had when it was first heard of or
	// approved, when another one holds now; "" otherwise.
	Recategorised string    `json:"recategorisedFrom,omitempty"`
	Since         time.Time `json:"since"`
	Notice        string    `json:"notice"`
}

// NumberState is what holds for one of our numbers: the projection of its notices
// at a time.
type NumberState struct {
	Business     geo.E164            `json:"business"`
	Account      string              `json:"account"`
	Restrictions []NumberRestriction `json:"restrictions"` // in force, those of calling and others
	Violations   []Notice            `json:"violations"`   // of the last 30 days
	Quality      string              `json:"quality,omitempty"`
	Tier         string              `json:"tier,omitempty"`
	Calling      string              `json:"calling,omitempty"`
	Templates    []TemplateState     `json:"templates"`
	Drift        []Drift             `json:"drift"`
	UpdatedAt    time.Time           `json:"updatedAt,omitzero"`
}

// Drift is a limit of the provider's that differs from the rule pack's.
type Drift struct {
	Business geo.E164  `json:"business"`
	Action   string    `json:"action"` // the provider's word
	Period   string    `json:"period"` // ISO 8601
	Pack     string    `json:"rulePack"`
	Ours     int       `json:"ours"` // 0: the pack has no such limit
	Theirs   int       `json:"theirs"`
	Since    time.Time `json:"since"` // first seen so
	Seen     time.Time `json:"lastSeen"`
}
