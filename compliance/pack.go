// Package compliance is what compliance officers hold in their hands: evidence
// packs, exports, and the confirmation of an opt-out.
package compliance

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

var errSkeleton = errors.New("compliance: not built yet")

// ExportState says how far an export is.
type ExportState string

// The states of an export.
const (
	ExportRunning ExportState = "running"
	ExportDone    ExportState = "done"
	ExportFailed  ExportState = "failed"
)

// Export is one evidence pack in the making or made.
type Export struct {
	ID        string
	User      permissions.User
	Actor     string
	State     ExportState
	Error     string
	CreatedAt time.Time
	DoneAt    time.Time
	Size      int64
	SHA256    string
}

// ErrExportNotFound is returned for an unknown id.
var ErrExportNotFound = errors.New("compliance: no such export")

// ErrUnknownUser is returned when the audit holds nothing about the user.
var ErrUnknownUser = errors.New("compliance: nothing is recorded about this user")

// Config is what the exporter needs.
type Config struct {
	Log    *audit.Log
	Read   *sql.DB
	Ledger *permissions.Ledger
	Dir    string // where packs are kept
	Now    func() time.Time
	NewID  func() string
}

// Exporter makes evidence packs. Safe for concurrent use.
type Exporter struct{}

// NewExporter checks cfg.
func NewExporter(cfg Config) (*Exporter, error) { return nil, errSkeleton }

// Export makes the evidence pack of one user: every audit entry about them with
// its inclusion proof, signed checkpoint, public key and a readable summary, in
// one zip. The export itself is an audit entry (who asked, when).
func (x *Exporter) Export(ctx context.Context, u permissions.User, actor string) (Export, error) {
	return Export{}, errSkeleton
}

// Get returns an export by id.
func (x *Exporter) Get(ctx context.Context, id string) (Export, error) { return Export{}, errSkeleton }

// Content opens the finished pack.
func (x *Exporter) Content(ctx context.Context, id string) (io.ReadCloser, error) {
	return nil, errSkeleton
}

// VerifyResult is what verification found.
type VerifyResult struct {
	Entries   int       `json:"entries"`
	TreeSize  int64     `json:"treeSize"`
	Origin    string    `json:"origin"`
	KeyHash   string    `json:"keyHash"`
	SignedAt  time.Time `json:"signedAt,omitzero"`
	FirstTime time.Time `json:"firstTime"`
	LastTime  time.Time `json:"lastTime"`
	Summary   []string  `json:"summary"` // lines for a person
}

// VerifyError names what in a pack does not hold.
type VerifyError struct {
	File  string // file in the pack
	Entry int64  // audit index, -1 when it is no entry
	Why   string
}

// Error implements error.
func (e *VerifyError) Error() string { return e.Why }

// Verify checks a pack without network or database. trustedKey, when not empty,
// is the verifier key that the reader got elsewhere; the pack's own is used
// otherwise, and Summary says so. Any altered byte is a *VerifyError.
func Verify(pack io.ReaderAt, size int64, trustedKey string) (VerifyResult, error) {
	return VerifyResult{}, errSkeleton
}

// Messenger sends the one confirmation of an opt-out.
type Messenger interface {
	// SendText sends a free-form text from the account to the user.
	SendText(ctx context.Context, account string, to permissions.User, text, id string) (message string, err error)
}

// ConfirmerConfig is what a Confirmer needs.
type ConfirmerConfig struct {
	Log       *audit.Log
	Read      *sql.DB
	Ledger    *permissions.Ledger
	Messenger Messenger
	Text      string // the confirmation's words; a plain default when empty
	Now       func() time.Time
	Logger    *slog.Logger
}

// Confirmer confirms each opt-out that came by message once, never twice
// (promises L-08): the intent is durable before the message is sent, and an
// unknown outcome is not repeated.
type Confirmer struct{}

// NewConfirmer checks cfg.
func NewConfirmer(cfg ConfirmerConfig) (*Confirmer, error) { return nil, errSkeleton }

// Enqueue writes the intent to confirm in the transaction of the opt-out.
func (c *Confirmer) Enqueue(ctx context.Context, tx *audit.Tx, r permissions.Revocation) error {
	return errSkeleton
}

// Run sends what is enqueued until ctx ends.
func (c *Confirmer) Run(ctx context.Context) error { return errSkeleton }
