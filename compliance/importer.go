package compliance

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// The states of an import.
const (
	ImportRefused  = "refused"  // a line cannot be read: nothing was applied
	ImportChecked  = "checked"  // a dry run without a fault
	ImportApplying = "applying" // durable, and on its way into the ledger
	ImportApplied  = "applied"
)

// applyAtOnce is how long [Importer.Import] applies before it leaves the rest to
// [Importer.Run]: a person waits for the answer.
const applyAtOnce = 5 * time.Second

// ImportReport is what became of a do-not-call list.
type ImportReport struct {
	ID       string        `json:"id,omitempty"` // empty for a dry run, and when the list was refused
	SHA256   string        `json:"sha256"`       // of the file
	DryRun   bool          `json:"dryRun,omitempty"`
	State    string        `json:"state"`    // refused, checked, applying, applied
	Rows     int           `json:"rows"`     // without the header and empty lines
	Added    int           `json:"added"`    // rows that changed something; so far, while applying
	Already  int           `json:"already"`  // rows that name a user who was listed so
	Repeated int           `json:"repeated"` // rows that say what an earlier row says
	Errors   []ImportError `json:"errors"`   // the first 100
	Faults   int           `json:"faults"`   // how many errors there are
	Actor    string        `json:"actor"`
	At       time.Time     `json:"at"`
}

// ImportError is a line that cannot be read. It holds nothing of the line.
type ImportError struct {
	Line   int    `json:"line"` // from 1, the header included
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"` // machine word, such as number_too_short
	Hint   string `json:"hint"`
}

// ImportLedger is what the importer asks of the ledger; *permissions.Ledger is one.
type ImportLedger interface {
	ImportTx(ctx context.Context, tx *audit.Tx, x permissions.Listing) (added bool, err error)
	Listed(ctx context.Context, u permissions.User, c permissions.Channels) (bool, error)
}

// ImporterConfig is what an Importer needs.
type ImporterConfig struct {
	Log    *audit.Log
	Read   *sql.DB
	Ledger ImportLedger
	Now    func() time.Time
	NewID  func() string
	Logger *slog.Logger // nothing is logged when nil
}

// Importer takes in do-not-call lists. Safe for concurrent use.
type Importer struct {
	cfg      ImporterConfig
	bounds   bounds
	chunk    int           // rows that are sealed and stored together
	applying chan struct{} // holds a token while somebody applies
	wake     chan struct{} // tells Run that there is work left

	mu      sync.Mutex
	reading map[string]bool // imports of this process that are not accepted yet
}

// NewImporter checks cfg.
func NewImporter(cfg ImporterConfig) (*Importer, error) {
	if cfg.Log == nil || cfg.Read == nil || cfg.Ledger == nil || cfg.Now == nil || cfg.NewID == nil {
		return nil, fmt.Errorf("%w: Log, Read, Ledger, Now and NewID are needed", ErrConfig)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Importer{
		cfg: cfg, bounds: bounds{rows: MaxImportRows, size: MaxImportSize}, chunk: chunkRows, applying: make(chan struct{}, 1), wake: make(chan struct{}, 1), reading: map[string]bool{},
	}, nil
}

// ImportOptions are who imports and how.
type ImportOptions struct {
	Actor  string // token name, required
	Reason string // for lines without their own
	DryRun bool
}

// Import reads a CSV file (RFC 4180; comma, semicolon or tab; UTF-8 with or
// without a mark): a header with at least "user" (E.164 or BSUID), and optionally
// "reason", "since" (RFC 3339 or a date) and "scope" (calls, messages or all;
// calls when empty). Every line is checked before the first is applied: with one
// that cannot be read nothing is applied and the report says refused. An import
// only adds: it lifts nothing, and who is on the list already stays under their
// first entry. What is applied is applied in short transactions and, when the
// process ends on the way or it takes longer than a person waits, continued by
// [Importer.Run]; it never stays half-applied. The same file again changes nothing.
//
// It fails with [permissions.ErrReason] without an actor. Any other error is one
// of r or of the database.
func (i *Importer) Import(ctx context.Context, r io.Reader, o ImportOptions) (ImportReport, error) {
	if o.Actor == "" {
		return ImportReport{}, permissions.ErrReason
	}
	report := ImportReport{DryRun: o.DryRun, Actor: o.Actor, At: i.cfg.Now().UTC(), Errors: []ImportError{}}
	hash := sha256.New()
	whole := io.TeeReader(r, hash)
	s := &staging{importer: i, options: o, report: &report, seen: map[[16]byte]struct{}{}}
	defer s.close()
	err := s.readAll(ctx, whole)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(whole, MaxImportSize)) // what was not read is hashed, too
	}
	if err != nil {
		return ImportReport{}, errors.Join(err, s.discard(ctx))
	}
	report.SHA256 = hex.EncodeToString(hash.Sum(nil))
	switch {
	case report.Faults > 0:
		report.State, report.Added, report.Already = ImportRefused, 0, 0
		return report, s.discard(ctx)
	case o.DryRun:
		report.State = ImportChecked
		return report, nil
	}
	if err := s.start(ctx); err != nil {
		return ImportReport{}, errors.Join(err, s.discard(ctx))
	}
	i.cfg.Logger.Info("do-not-call list accepted", "import", s.id, "rows", report.Rows, "actor", o.Actor)
	if err := i.applySoon(ctx, s.id); err != nil {
		return ImportReport{}, err
	}
	return i.Get(context.WithoutCancel(ctx), s.id)
}

// applySoon applies an import for as long as a person waits, and leaves what then
// is left to Run.
func (i *Importer) applySoon(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, applyAtOnce)
	defer cancel()
	err := i.apply(ctx, id)
	if err == nil {
		return nil
	}
	select {
	case i.wake <- struct{}{}:
	default: // awake already
	}
	return stopped(ctx, err)
}

// Get is the report of an import that was accepted; [ErrNoImport] when there is none.
func (i *Importer) Get(ctx context.Context, id string) (ImportReport, error) {
	report := ImportReport{ID: id, Errors: []ImportError{}}
	var created int64
	err := i.cfg.Read.QueryRowContext(ctx, sqlImport, id).Scan(&report.SHA256, &report.State, &report.Actor,
		&report.Rows, &report.Repeated, &report.Added, &report.Already, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return ImportReport{}, ErrNoImport
	}
	if err != nil {
		return ImportReport{}, fmt.Errorf("read import: %w", err)
	}
	report.At = time.UnixMilli(created).UTC()
	return report, nil
}

// Run finishes the imports that an earlier process left applying and those that
// Import leaves, until ctx ends. What an earlier process was still reading is
// forgotten: nobody was told that it was accepted. An import with a row that the
// ledger refuses, or whose rows cannot be opened, is logged and stays applying: the
// daemon goes on without it.
func (i *Importer) Run(ctx context.Context) error {
	if err := i.forget(ctx); err != nil {
		return stopped(ctx, err)
	}
	for {
		open, err := i.open(ctx)
		if err != nil {
			return stopped(ctx, err)
		}
		for _, o := range open {
			if o.state != ImportApplying {
				continue
			}
			if err := i.apply(ctx, o.id); hopeless(err) {
				i.cfg.Logger.Error("a do-not-call list cannot be applied to its end", "import", o.id, "error", err)
			} else if err != nil {
				return stopped(ctx, err)
			}
		}
		select {
		case <-i.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// hopeless says whether an import would fail in the same way again.
func hopeless(err error) bool {
	for _, lasting := range []error{
		errSealedRows, permissions.ErrUser, permissions.ErrReason, permissions.ErrEvent, permissions.ErrBusiness,
	} {
		if errors.Is(err, lasting) {
			return true
		}
	}
	return false
}

// openImport is one that is not applied.
type openImport struct{ id, state string }

func (i *Importer) open(ctx context.Context) (list []openImport, err error) {
	rows, err := i.cfg.Read.QueryContext(ctx, sqlOpenImports)
	if err != nil {
		return nil, fmt.Errorf("look for imports: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o openImport
		if err := rows.Scan(&o.id, &o.state); err != nil {
			return nil, fmt.Errorf("look for imports: %w", err)
		}
		list = append(list, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for imports: %w", err)
	}
	return list, nil
}

// forget removes what an earlier process was reading when it died.
func (i *Importer) forget(ctx context.Context) error {
	open, err := i.open(ctx)
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.state == ImportApplying || i.isReading(o.id) {
			continue
		}
		if err := i.drop(ctx, o.id); err != nil {
			return err
		}
	}
	return nil
}

func (i *Importer) setReading(id string, on bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if on {
		i.reading[id] = true
	} else {
		delete(i.reading, id)
	}
}

func (i *Importer) isReading(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reading[id]
}
