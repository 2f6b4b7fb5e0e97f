package record

import "errors"

// The errors of this package.
var (
	ErrConfig = errors.New("record: configuration")
	ErrRun    = errors.New("record: a recorder runs once")
	ErrExists = errors.New("record: the recording exists already")
	ErrSize   = errors.New("record: the track is longer than a WAV file can be")
)
