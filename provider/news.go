package provider

import (
	"encoding/json"
	"strings"

	"github.com/callctl/callctl/permissions"
)

// The account events, in Meta's names without "message_": so 8x8 calls them too.
const (
	accountUpdate      = "account_update"
	phoneQuality       = "phone_number_quality_update"
	templateStatus     = "template_status_update"
	templateQuality    = "template_quality_update"
	templateCategory   = "template_category_update"
	templateWarning    = "template_correct_category_detection"
	templateComponents = "template_components_update"
	accountSettings    = "account_settings_update"
	businessCapability = "business_capability_update"
)

// News reads an account event: what the provider says of our number, its
// templates or its account. base has the notice's ID and At; the notices after
// the first have "#2" and so on behind it. False when nobody knows such an event.
func (r *Reader) News(event string, base permissions.Notice, said Members) bool {
	switch strings.TrimPrefix(event, "message_") {
	case accountUpdate:
		r.accountUpdate(base, said)
	case phoneQuality:
		r.quality(base, said)
	case templateStatus, templateQuality, templateCategory, templateWarning, templateComponents:
		r.template(strings.TrimPrefix(event, "message_"), base, said)
	case accountSettings:
		r.settings(base, said)
	case businessCapability:
		base.Kind, base.Event, base.Tier = permissions.Quality, Word(Scalar(event)), capability(said)
		r.Notice(base)
	case "account_review_update", "phone_number_name_update", "account_alerts", "security":
		base.Kind, base.Event = permissions.AccountNews, Word(Scalar(event))
		base.Type = Word(said.With("alert_info").Scalar("decision", "event", "alert_type"))
		r.Notice(base)
	default:
		return false
	}
	return true
}

// accountUpdate reads violations and restrictions, several in one. What concerns
// Direct Send, which bears on no call, and everything else is only news; above
// all, an ACCOUNT_RESTRICTION without restrictions neither sets one nor lifts one.
func (r *Reader) accountUpdate(base permissions.Notice, said Members) {
	if base.Event = Word(said.Scalar("event")); base.Event == "" {
		r.Malformed("account_update.event")
		return
	}
	violation := said.Object("violation_info")
	restrictions, ok := said.List("restriction_info")
	if !ok {
		r.Malformed("account_update.restriction_info")
	}
	var all []permissions.Notice
	if word := violation.Scalar("violation_type"); word != "" {
		n := base
		n.Kind, n.Type = permissions.Violation, kept(word)
		n.Remediation = advice(violation.Scalar("remediation"))
		all = append(all, onlyNews(n))
	}
	for _, raw := range restrictions {
		if n, ok := r.restriction(base, raw); ok {
			all = append(all, onlyNews(n))
		}
	}
	if len(all) == 0 && len(restrictions) == 0 && ok {
		all = append(all, otherNews(base, said))
	}
	for i, n := range all {
		n.ID = numbered(base.ID, i)
		r.Notice(n)
	}
}

// onlyNews takes the force out of a notice about Direct Send.
func onlyNews(n permissions.Notice) permissions.Notice {
	if strings.Contains(n.Type, "DIRECT_SEND") {
		n.Kind = permissions.AccountNews
	}
	return n
}

// restriction reads one restriction. One whose expiry cannot be read holds until
// something lifts it; it is named besides.
func (r *Reader) restriction(base permissions.Notice, raw json.RawMessage) (permissions.Notice, bool) {
	said, ok := ReadMembers(raw)
	word := said.Scalar("restriction_type", "type")
	if !ok || word == "" {
		r.Malformed("restriction.type")
		return base, false
	}
	base.Kind, base.Type = permissions.Restriction, kept(word)
	base.Remediation = advice(said.Scalar("remediation", "reason"))
	if said.Has("expiration") {
		at, err := said.Scalar("expiration").Time()
		if err != nil {
			r.Malformed("restriction.expiration")
		}
		base.Until = at
	}
	return base, true
}

// otherNews reads whatever else an account_update says, such as a verification or
// a ban.
func otherNews(base permissions.Notice, said Members) permissions.Notice {
	base.Kind = permissions.AccountNews
	verified := said.Object("business_verification_info", "verification_info")
	base.Type = Word(verified.Scalar("verification_status", "status"))
	if base.Type == "" {
		base.Type = Word(said.With("ban_info").Scalar("waba_ban_state", "decision", "country", "tier"))
	}
	if base.Type == "" {
		base.Type = banState(said.Object("ban_info"))
	}
	var reasons []string
	list, _ := verified.List("rejection_reasons")
	for _, raw := range list {
		var reason Scalar
		if json.Unmarshal(raw, &reason) == nil && !reason.Is("NONE") && Word(reason) != "" {
			reasons = append(reasons, Word(reason))
		}
	}
	base.Remediation = advice(Scalar(strings.Join(reasons, ", ")))
	return base
}

// banState is the last of the states that Meta lists.
func banState(ban Members) string {
	states, _ := ban.List("waba_ban_state")
	if len(states) == 0 {
		return ""
	}
	var state Scalar
	if json.Unmarshal(states[len(states)-1], &state) != nil {
		return ""
	}
	return Word(state)
}

// kept is a type that decides something: one that cannot be kept as a word still
// stands for something.
func kept(s Scalar) string {
	if word := Word(s); word != "" {
		return word
	}
	return "UNREADABLE"
}

// advice is the provider's free text, bounded and without numbers.
func advice(s Scalar) string { return Redact(string(s)) }
