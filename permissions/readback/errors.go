package readback

import (
	"errors"
	"time"
)

var (
	// ErrConfig is wrapped by [New] for a configuration that cannot work.
	ErrConfig = errors.New("readback: unusable configuration")
	// ErrBusiness is returned by [Reader.Reconcile] for a number that is none of
	// our accounts'.
	ErrBusiness = errors.New("readback: no account has this number")
	// ErrReconciling is returned by [Reader.Reconcile] while a run of the account
	// is under way.
	ErrReconciling = errors.New("readback: the account is being reconciled already")
	// ErrUnreachable is wrapped when a reconcile run stops because question after
	// question fails.
	ErrUnreachable = errors.New("readback: the provider cannot be asked")
	// ErrPaused is wrapped when a question is not asked because the provider wants
	// to be left alone for longer than the asker can wait.
	ErrPaused = errors.New("readback: the provider asked for a pause")
)

// Throttled is implemented by the error of a [Source] whose provider was asked too
// often (HTTP 429; Meta codes 4, 613, 80007, 130429).
type Throttled interface {
	error
	// Throttled says whether the error is one of asking too often, and how long the
	// provider wants to be left alone, zero when it does not say.
	Throttled() (wait time.Duration, yes bool)
}

// throttled says whether err is one of asking too often, and the wait.
func throttled(err error) (time.Duration, bool) {
	t, ok := errors.AsType[Throttled](err)
	if !ok {
		return 0, false
	}
	return t.Throttled()
}
