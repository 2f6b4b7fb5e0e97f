package compliance

import (
	"errors"
	"fmt"
)

var (
	// ErrConfig is returned by New functions for a configuration that cannot work.
	ErrConfig = errors.New("compliance: incomplete configuration")
	// ErrExportNotFound is returned for an unknown id.
	ErrExportNotFound = errors.New("compliance: no such export")
	// ErrExportNotDone is returned by Content for a pack that is not finished, or failed.
	ErrExportNotDone = errors.New("compliance: the export is not done")
	// ErrUnknownUser is returned when the audit holds nothing about the user.
	ErrUnknownUser = errors.New("compliance: nothing is recorded about this user")
	// ErrNoImport is returned for an id that no accepted import has.
	ErrNoImport = errors.New("compliance: no such import")
	// ErrTooLarge is returned for a pack over 512 MiB.
	ErrTooLarge = errors.New("compliance: the evidence pack would be too large")

	errSealedRows = errors.New("compliance: the rows of an import cannot be opened; the log's key is another")
	errChunkMoved = errors.New("compliance: somebody else applies the import")

	errTrailing    = errors.New("something follows the value")
	errLine        = errors.New("its line is not in the one encoding")
	errLeafDiffers = errors.New("its fields are not those of its leaf")
	errIncomplete  = errors.New("the audit does not hold the subject's whole chain")
)

// maxPack bounds a pack: it is built and verified in memory, and offsets in it
// are 32 bits wide.
const maxPack = 512 << 20

// VerifyError names what in a pack does not hold.
type VerifyError struct {
	File  string // file in the pack, empty when it is the pack itself
	Entry int64  // audit index, -1 when it is no entry
	Why   string
}

// Error implements error.
func (e *VerifyError) Error() string {
	switch {
	case e.Entry >= 0:
		return fmt.Sprintf("evidence pack refused: %s, entry %d: %s", e.File, e.Entry, e.Why)
	case e.File != "":
		return fmt.Sprintf("evidence pack refused: %s: %s", e.File, e.Why)
	default:
		return "evidence pack refused: " + e.Why
	}
}

func refuse(file, why string) *VerifyError { return &VerifyError{File: file, Entry: -1, Why: why} }

func refuseEntry(index int64, why string) *VerifyError {
	return &VerifyError{File: entriesFile, Entry: index, Why: why}
}
