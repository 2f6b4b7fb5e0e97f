package permissions

import "errors"

var (
	// ErrConfig is wrapped by [New] when a [Config] lacks something or names a
	// rule pack that does not exist.
	ErrConfig = errors.New("permissions: invalid configuration")
	// ErrPack is wrapped when a rule pack or a document of opt-out words, those of the
	// binary or a company's own, has a fault; the message names document and key.
	ErrPack = errors.New("permissions: invalid rule pack")
	// ErrEvent is wrapped for an event without identity: it needs an ID, a known
	// kind, a user, and a business unless it concerns all of them.
	ErrEvent = errors.New("permissions: invalid event")
	// ErrUser is returned where a number or BSUID is required and none is given.
	ErrUser = errors.New("permissions: neither a phone number nor a BSUID")
	// ErrCallID is returned when an attempt has no call id or one already used.
	ErrCallID = errors.New("permissions: call id is missing or was used before")
	// ErrAskID is returned when a request has no id, one already used, or one
	// that no request has.
	ErrAskID = errors.New("permissions: request id is missing, used before or unknown")
	// ErrOutcome is returned for an outcome outside the closed set.
	ErrOutcome = errors.New("permissions: unknown outcome")
	// ErrSettled is returned when an attempt is settled a second time with
	// another outcome, or does not exist.
	ErrSettled = errors.New("permissions: attempt is not open, or ended otherwise")
	// ErrNotListed is returned when a do-not-call entry to lift does not exist.
	ErrNotListed = errors.New("permissions: not on the do-not-call list")
	// ErrCursor is returned for a cursor that no listing handed out.
	ErrCursor = errors.New("permissions: invalid cursor")
	// ErrBusiness is returned for a number that is none of ours.
	ErrBusiness = errors.New("permissions: not one of our numbers")
	// ErrReason is returned when a change comes without a reason or an actor.
	ErrReason = errors.New("permissions: a change needs an actor and a reason")
	// ErrChange is wrapped for a change that the rules do not let a person make.
	ErrChange = errors.New("permissions: change is not possible")
	// ErrSameActor is returned when who proposed a change would approve it.
	ErrSameActor = errors.New("permissions: a second person has to approve")
	// ErrDecided is returned when an approval is not pending any more.
	ErrDecided = errors.New("permissions: approval is not pending")
	// ErrApproval is returned when there is no such approval.
	ErrApproval = errors.New("permissions: no such approval")
)
