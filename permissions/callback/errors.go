package callback

import "errors"

var (
	// ErrNotFound is returned for an unknown id.
	ErrNotFound = errors.New("callback: not found")
	// ErrConfig is wrapped by [New] when a [Config] lacks something.
	ErrConfig = errors.New("callback: invalid configuration")
	// ErrInvalid is wrapped by [Scheduler.Add] for a callback that cannot be meant:
	// no business, user or agent, an order that is none, a window that is over or
	// ends before it begins.
	ErrInvalid = errors.New("callback: invalid callback")
	// ErrNotPending is returned by [Scheduler.Cancel] for a callback that is
	// dialling or has ended.
	ErrNotPending = errors.New("callback: no longer pending")
)
