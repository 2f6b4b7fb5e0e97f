package sipbridge

import "errors"

// Errors of the bridge.
var (
	// ErrConfig is wrapped by every error of New about its configuration.
	ErrConfig = errors.New("sipbridge: configuration")
	// ErrNotRunning is returned by Originate before [Bridge.Ready] and once Run ends.
	ErrNotRunning = errors.New("sipbridge: bridge is not running")
	// ErrUnknownAccount is returned by Originate for a business number without account.
	ErrUnknownAccount = errors.New("sipbridge: no account has this business number")
	// ErrAgent is returned for an agent that is no extension or SIP URI of the trunk.
	ErrAgent = errors.New("sipbridge: agent is neither an extension nor a SIP URI on the trunk")
	// ErrUser is returned for a user that can be no number and no BSUID.
	ErrUser = errors.New("sipbridge: user is neither an E.164 number nor a BSUID")
	// ErrOrder is returned for an unknown order of legs.
	ErrOrder = errors.New("sipbridge: order is neither agent_first nor user_first")
	// ErrDuplicateCall is returned by Originate for a call id that is already live.
	ErrDuplicateCall = errors.New("sipbridge: a call with this id is live")
	// ErrCursor is returned by CDRs for a cursor that it did not hand out.
	ErrCursor = errors.New("sipbridge: cursor is not one of ours")
)

// Errors of the SIP side that stay inside the package.
var (
	errChallenge = errors.New("sipbridge: no digest challenge that can be answered")
	errNoContact = errors.New("sipbridge: answer without Contact")
	errNoDialog  = errors.New("sipbridge: message without dialog identifiers")
	errNoFinal   = errors.New("sipbridge: transaction ended without a final response")
	errSocket    = errors.New("sipbridge: a SIP socket ended")
	errClosed    = errors.New("sipbridge: SIP sockets were closed")
)
