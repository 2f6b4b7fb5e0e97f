package meta

import "errors"

var (
	// ErrNotRunning is returned for what needs Run.
	ErrNotRunning = errors.New("testbed/meta: Run has ended")
	// ErrNoCall is returned for an unknown or finished call.
	ErrNoCall = errors.New("testbed/meta: no such live call")
	// ErrNoWebhook is returned when no webhook URL is set.
	ErrNoWebhook = errors.New("testbed/meta: no webhook URL")
	// ErrNotDelivered is returned when the receiver never answered 2xx.
	ErrNotDelivered = errors.New("testbed/meta: webhook not delivered")
	// ErrHandshake is returned when the receiver fails the hub.challenge handshake.
	ErrHandshake = errors.New("testbed/meta: webhook verification failed")
)
