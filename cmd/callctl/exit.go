package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
type hinted struct {
	err  error
	hint string
}

// Error implements error, without the advice.
func (e *hinted) Error() string { return e.err.Error() }

// Unwrap gives the error itself to errors.Is.
func (e *hinted) Unwrap() error { return e.err }

func withHint(err error, hint string) error { return &hinted{err: err, hint: hint} }

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
	var h *hinted
	if errors.As(err, &h) && h.hint != "" {
		t.note("  hint: %s", h.hint)
	}
}

// usagef is an error of the command line.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
