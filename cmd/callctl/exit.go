package main

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes: what a script can tell apart.
const (
	exitDone     = 0
	exitFailed   = 1  // refused, or failed
	exitUsage    = 2  // the command line or the configuration is wrong
	exitTryAgain = 75 // EX_TEMPFAIL of sysexits: nothing is wrong that waiting may not cure
)

// errUsage is wrapped by what only another command line cures.
var errUsage = errors.New("usage")

// errTryAgain is wrapped by what may work later.
var errTryAgain = errors.New("try again")

// errQuiet ends a command with exitFailed when it has already said why.
var errQuiet = errors.New("failed")

// hinted is an error with advice for the person who reads it.
type hintedError struct {
	err  error
	hint string
}

// Error implements error, without the advice.
func (e *hintedError) Error() string { return e.err.Error() }

// Unwrap gives the error itself to errors.Is.
func (e *hintedError) Unwrap() error { return e.err }

func withHint(err error, hint string) error { return &hintedError{err: err, hint: hint} }

// exitCode maps an error to the process's exit code.
func exitCode(err error) int {
	var cfg *ConfigError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage), errors.As(err, &cfg):
		return exitUsage
	case errors.Is(err, errTryAgain):
		return exitTryAgain
	}
	return exitFailed
}

// report tells the person what went wrong and what to do.
func report(t *terminal, err error) {
	var refused *refusal
	var cfg *ConfigError
	switch {
	case err == nil, errors.Is(err, errQuiet), errors.Is(err, context.Canceled):
		return
	case errors.As(err, &refused), errors.As(err, &cfg):
		t.note("%s", err)
	default:
		t.note("callctl: %s", err)
	}
	var h *hintedError
	if errors.As(err, &h) && h.hint != "" {
		t.note("  hint: %s", h.hint)
	}
}

// usageError is an error of the command line.
type usageError struct{ message string }

// Error implements error.
func (e *usageError) Error() string { return e.message }

// Unwrap sorts the error for the exit code.
func (e *usageError) Unwrap() error { return errUsage }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}
