package permissions

import (
	"slices"
	"strconv"
	"time"
)

// The sources of the rules about a request that no pack holds.
const (
	sourcePermanent  = "Meta, Cloud API Calling, error 138017: permanent permission exists already"
	sourceMessages   = "Meta, user_preferences: a user may stop marketing messages; one who wrote STOP wants none"
	sourceTemplate   = "Meta, Message templates, status, quality and category updates: only an approved template can be sent"
	sourceUndeliver  = "Meta, Cloud API, error codes 131026 (cannot be delivered: blocked, or a client too old to ask), 131049 (held back: wait 24 hours) and 131050 (the user stopped marketing messages)"
	categoryMarkting = "MARKETING"
)

// The provider's reasons for not delivering a message that bear on the next
// request (Meta, Cloud API, error codes; 8x8 DLR codes 1018, 1024 and 1051).
const (
	codeUndeliverable    = 131026
	codeHeldBack         = 131049
	codeMarketingStopped = 131050
)

// undeliverableFor is how long no request follows one that could not be
// delivered. Meta names the 24 hours for 131049; for 131026 it only says that
// trying again soon does not help.
const undeliverableFor = 24 * time.Hour

// marketing says whether the request is, or may be, a marketing message: its
// template has that category, will have it, or has none that is known. A request
// without a template is none.
func (e *evaluation) marketing() bool {
	if e.q.Template == "" {
		return false
	}
	t := e.v.template
	return t.Category == "" || t.Category == categoryMarkting || t.Warned == categoryMarkting
}

// messagesOptOut: a stop of all messages bars every request; the platform's
// preference bars those that are or may be marketing.
func (e *evaluation) messagesOptOut() {
	out := line{
		name: "messages_opt_out", reason: MessagesOptOut, source: sourceMessages,
		inputs: map[string]string{"template": e.q.Template, "templateCategory": e.v.template.Category},
	}
	if s := e.h.stopped; s != nil {
		out.refused = s.Category == "" || e.marketing()
		out.inputs["event"], out.inputs["since"], out.inputs["category"] = s.ID, stamp(s.At), s.Category
	}
	e.add(out)
}

// noPermanentGrant looks at what the provider holds, not at what the pack makes
// of it: the provider refuses to ask a user who said "always allow". It holds no
// permanent grant to which it gave an end, nor one that only a person entered here.
func (e *evaluation) noPermanentGrant() {
	g := e.h.grant
	holds := g != nil && g.Permanent && e.h.expires.IsZero() && (e.h.verified || g.Auth != AuthOperator)
	e.add(line{
		name: "permission_exists", refused: holds, reason: PermissionExists, source: sourcePermanent,
		inputs: map[string]string{"status": string(e.s.Status), "grant": e.s.Grant},
	})
}

func (e *evaluation) requestLimits() {
	e.window("request_limit", RequestLimit, "requests.limits", e.h.asked(e.p), e.p.Requests.Limits)
}

func (e *evaluation) requestCycle() {
	limit, used := e.p.Requests.PerCycle, e.h.cycle()
	e.add(line{
		name: "requests_per_cycle", refused: limit > 0 && used >= limit, reason: RequestLimit, source: e.p.Sources["requests.per_cycle"],
		inputs: map[string]string{"used": strconv.Itoa(used), "max": atMost(limit)},
	})
}

// unusable are the statuses with which a template cannot be sent. A FLAGGED one
// can: Meta warns that its quality is low and that it will be paused or disabled
// when that lasts, which is no reason to stop before. A status that Meta may
// invent does not bar either; the provider refuses what it does not send, and that
// request has counted.
func unusable() []string {
	return []string{"PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "PENDING_DELETION", "DELETED", "ARCHIVED", "LOCKED"}
}

// requestTemplate: a template that the platform moved to another category since
// its approval is not sent either, because it costs another price, reaches other
// users and was not what the company had approved.
func (e *evaluation) requestTemplate() {
	t := e.v.template
	e.add(line{
		name: "request_template", refused: slices.Contains(unusable(), t.Status) || t.Recategorised != "",
		reason: TemplateUnusable, source: sourceTemplate,
		inputs: map[string]string{
			"template": e.q.Template, "status": t.Status, "statusReason": t.Reason, "quality": t.Quality, "category": t.Category,
			"recategorisedFrom": t.Recategorised, "announcedCategory": t.Warned, "notice": t.Notice,
		},
	})
}

// requestDeliverable looks at the last message to the user that failed while none
// has been delivered since.
func (e *evaluation) requestDeliverable() {
	out := line{name: "request_deliverable", reason: Unreachable, source: sourceUndeliver, inputs: map[string]string{}}
	if f := e.h.failed; f != nil {
		out.inputs["event"], out.inputs["failedAt"], out.inputs["code"] = f.ID, stamp(f.At), strconv.Itoa(f.Code)
		switch until := f.At.Add(undeliverableFor); f.Code {
		case codeUndeliverable, codeHeldBack:
			if e.at.Before(until) {
				out.refused, out.turns = true, until
			}
		case codeMarketingStopped:
			out.refused, out.reason = e.marketing(), MessagesOptOut
		}
	}
	e.add(out)
}
