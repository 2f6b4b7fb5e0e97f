package server

import "errors"

// ErrConfig is wrapped by New for a configuration that cannot work.
var ErrConfig = errors.New("server: configuration")

// What is answered before, or instead of, the work.
var (
	errTooDeep      = errors.New("server: JSON is nested too deeply")
	errDuplicateKey = errors.New("server: JSON names a key twice")
	errNotJSON      = errors.New("server: not valid JSON")
	errTooLarge     = errors.New("server: body is too large")
	errNotServing   = errors.New("starting or stopping")
)
