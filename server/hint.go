package server

import "github.com/callctl/callctl/permissions"

// hint says what a person can do about a refusal.
func hint(r permissions.Reason) string { return hints()[r] }

// hints has a line for every reason of the gate; a test holds it to that.
func hints() map[permissions.Reason]string {
	return map[permissions.Reason]string{
		permissions.Allowed:                "",
		permissions.NoPermission:           "The user has not permitted calls from this number; ask for permission first.",
		permissions.PermissionExpired:      "The permission has run out; ask the user again.",
		permissions.PermissionDeclined:     "The user said no; only a new permission of the user changes that.",
		permissions.PermissionRevoked:      "The permission was withdrawn; only a new permission of the user changes that.",
		permissions.PermissionUsed:         "The calls under this permission are used up; ask the user again.",
		permissions.PermissionUnverified:   "The permission is not confirmed by the provider; read it back, or see why the provider does not answer.",
		permissions.DoNotCall:              "The user is on the do-not-call list.",
		permissions.BusinessCountryBlocked: "WhatsApp does not let businesses of this number's country place calls; users can still call it.",
		permissions.DestinationBlocked:     "The rule pack does not call users of this country.",
		permissions.UserRegionSanctioned:   "WhatsApp offers nothing in the region of this user.",
		permissions.AttemptInProgress:      "A call to this user is in progress.",
		permissions.CallLimit:              "The calls that the rule pack allows in this time are made; retryAfter says when the next is possible.",
		permissions.RequestLimit:           "The requests that the rule pack allows in this time are sent; retryAfter says when the next is possible.",
		permissions.PermissionExists:       "A permanent permission stands; there is nothing to ask.",
		permissions.QuietHours:             "It is outside the calling hours in a time zone in which the user may be; retryAfter says when they begin. Give the user's own zone if you know it.",
		permissions.BusinessRestricted:     "The platform restricts this number; GET /v1/numbers/{business} says what, why and until when.",
		permissions.ConsecutiveUnanswered:  "The last calls were not answered; after one more the platform withdraws the permission. A call by the user, or a new permission, begins anew.",
		permissions.LimitedByProvider:      "The provider itself said that its limit is reached; retryAfter says until when.",
		permissions.MessagesOptOut:         "The user wants no messages, and a request is one.",
		permissions.TemplateUnusable:       "The request's template is paused, rejected, disabled or of another category now; name another, or see GET /v1/numbers/{business}.",
		permissions.Unreachable:            "The provider could not deliver the last request to this user.",
		permissions.UnknownBusiness:        "The business number is not one of the configured accounts.",
		permissions.InvalidUser:            "The user is neither an E.164 number nor a BSUID.",
		permissions.Superseded:             "The permission changed while the request was handled.",
	}
}
