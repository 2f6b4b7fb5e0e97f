package server

import (
	"errors"
	"net/http"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/callback"
	"github.com/callctl/callctl/sipbridge"
)

// known turns the sentinels of the packages below into problems; nil for an
// error that is not one of them.
func known(err error) *Problem {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(callback.ErrNotFound):
		return noSuch("callback")
	case is(permissions.ErrNotListed):
		return noSuch("entry")
	case is(permissions.ErrApproval):
		return noSuch("approval")
	case is(compliance.ErrNoImport):
		return noSuch("import")
	case is(compliance.ErrExportNotFound):
		return noSuch("export")
	case is(compliance.ErrUnknownUser):
		return problem(http.StatusNotFound, reasonNotFound, "Nothing is recorded about this user.")
	case is(callback.ErrNotPending):
		return problem(http.StatusConflict, reasonConflict, "The callback is dialling or has ended.")
	case is(compliance.ErrExportNotDone):
		return problem(http.StatusConflict, reasonConflict, "The export is not done.")
	case is(permissions.ErrAskID, permissions.ErrCallID, sipbridge.ErrDuplicateCall):
		return problem(http.StatusConflict, reasonConflict, "The id is in use.")
	case is(sipbridge.ErrNotRunning, audit.ErrFailed):
		return problem(http.StatusServiceUnavailable, reasonUnavailable, "The daemon is starting, stopping or cannot write; try again.")
	}
	if p := knownChange(is, err); p != nil {
		return p
	}
	return knownField(is)
}

// knownChange are the sentinels of changes that people make.
func knownChange(is func(...error) bool, err error) *Problem {
	switch {
	case is(permissions.ErrBusiness):
		return refused(permissions.Decision{Reason: permissions.UnknownBusiness})
	case is(permissions.ErrChange):
		return problem(http.StatusForbidden, reasonChange, "The rules do not let a person make this change: "+mask(err.Error())+".")
	case is(permissions.ErrSameActor):
		return problem(http.StatusForbidden, reasonSecondPerson, "Another person than who proposed the change has to approve it.")
	case is(permissions.ErrDecided):
		return problem(http.StatusConflict, reasonConflict, "The approval is not pending any more.")
	case is(permissions.ErrReason):
		return badField("body.reason", "a change needs a reason")
	}
	return nil
}

// knownField are the sentinels that name a field of the request.
func knownField(is func(...error) bool) *Problem {
	switch {
	case is(callback.ErrInvalid):
		return badField("body", "needs business, user and agent, a known order and a window that is not over")
	case is(permissions.ErrUser, sipbridge.ErrUser):
		return badField("user", "neither an E.164 phone number nor a BSUID")
	case is(permissions.ErrCursor, sipbridge.ErrCursor):
		return badField("query.cursor", "not a cursor of this list")
	case is(sipbridge.ErrAgent):
		return badField("body.agent", "neither an extension nor a SIP URI on the trunk")
	case is(sipbridge.ErrOrder):
		return badField("body.order", "neither agent_first nor user_first")
	case is(sipbridge.ErrUnknownAccount):
		return refused(permissions.Decision{Reason: permissions.UnknownBusiness})
	}
	return nil
}
