package compliance

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

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
	User      permissions.User // empty once the person is erased
	Actor     string
	State     ExportState
	Error     string
	CreatedAt time.Time
	DoneAt    time.Time
	Size      int64
	SHA256    string // of the pack, hex
}

// Subjects is what the exporter asks the ledger; *permissions.Ledger is one.
type Subjects interface {
	Subject(ctx context.Context, u permissions.User) (id string, ok bool, err error)
}

// Config is what the exporter needs.
type Config struct {
	Log    *audit.Log
	Read   *sql.DB
	Ledger Subjects
	Dir    string // where packs are kept; created when missing
	Now    func() time.Time
	NewID  func() string // a new id, usable as a file name
}

// Exporter makes evidence packs. Safe for concurrent use.
type Exporter struct {
	cfg Config

	mu      sync.Mutex
	running map[string]bool // exports of this process
}

// NewExporter checks cfg and removes packs that an earlier process left half
// written.
func NewExporter(cfg Config) (*Exporter, error) {
	if cfg.Log == nil || cfg.Read == nil || cfg.Ledger == nil || cfg.Dir == "" || cfg.Now == nil || cfg.NewID == nil {
		return nil, fmt.Errorf("%w: Log, Read, Ledger, Dir, Now and NewID are needed", ErrConfig)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("export directory: %w", err)
	}
	if err := removeUnfinished(cfg.Dir); err != nil {
		return nil, err
	}
	return &Exporter{cfg: cfg, running: map[string]bool{}}, nil
}

// Export makes the evidence pack of one user: every audit entry about them with
// its inclusion proof, signed checkpoint, public key and a readable summary, in
// one zip. The export itself is an audit entry (who asked, when) and the last
// one in the pack, so that the pack shows itself to be complete up to it. It
// fails with [ErrUnknownUser] when there is nothing about the user.
func (x *Exporter) Export(ctx context.Context, u permissions.User, actor string) (Export, error) {
	subject, ok, err := x.cfg.Ledger.Subject(ctx, u)
	if err != nil {
		return Export{}, fmt.Errorf("find subject: %w", err)
	}
	if !ok {
		return Export{}, ErrUnknownUser
	}
	e := Export{ID: x.cfg.NewID(), User: u, Actor: actor, State: ExportRunning}
	x.setRunning(e.ID, true)
	defer x.setRunning(e.ID, false)
	merged, err := x.mergedInto(ctx, subject)
	if err != nil {
		return Export{}, err
	}
	index, err := x.begin(ctx, &e, subject, merged)
	if err != nil {
		return Export{}, err
	}
	pack, err := x.build(ctx, e, subject, merged, index)
	if err == nil {
		err = writeFile(x.path(e.ID), pack)
	}
	if err != nil {
		e.State, e.Error = ExportFailed, "the pack could not be made"
		return e, errors.Join(fmt.Errorf("export %s: %w", e.ID, err), x.finish(ctx, &e))
	}
	sum := sha256.Sum256(pack)
	e.State, e.Size, e.SHA256 = ExportDone, int64(len(pack)), hex.EncodeToString(sum[:])
	return e, x.finish(ctx, &e)
}

// begin records who asked, in the transaction that makes the export exist, and
// counts the entries that have to be in the pack.
func (x *Exporter) begin(ctx context.Context, e *Export, subject string, merged []mergedSubject) (index int64, err error) {
	err = x.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		e.CreatedAt = tx.Now()
		for i := range merged {
			if merged[i].Entries, err = tx.SubjectEntries(ctx, merged[i].Subject); err != nil {
				return err
			}
		}
		index, err = tx.Append(ctx, audit.Record{
			Kind: exportCreatedKind, Subject: subject,
			Payload: exportCreated{Export: e.ID, User: e.User, Actor: e.Actor, Merged: merged},
		})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, sqlInsertExport, e.ID, subject, index, e.State, e.CreatedAt.UnixMilli())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("record the export: %w", err)
	}
	return index, nil
}

func (x *Exporter) finish(ctx context.Context, e *Export) error {
	err := x.cfg.Log.Update(context.WithoutCancel(ctx), func(ctx context.Context, tx *audit.Tx) error {
		e.DoneAt = tx.Now()
		_, err := tx.ExecContext(ctx, sqlFinishExport, e.State, e.Error, e.DoneAt.UnixMilli(), e.Size, e.SHA256, e.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the export's end: %w", err)
	}
	return nil
}

func (x *Exporter) build(ctx context.Context, e Export, subject string, merged []mergedSubject, last int64) ([]byte, error) {
	cp, err := x.cfg.Log.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	var entries []packEntry
	for _, s := range append([]mergedSubject{{Subject: subject}}, merged...) {
		if entries, err = x.collect(ctx, entries, s.Subject, last, cp.Size); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b packEntry) int { return cmp.Compare(a.Index, b.Index) })
	if err := checkComplete(entries, subject, last, merged); err != nil {
		return nil, err
	}
	m := manifest{Export: e.ID, User: e.User, Subject: subject, Actor: e.Actor, CreatedAt: e.CreatedAt}
	return buildPack(m, cp, x.cfg.Log.VerifierKey(), entries, x.cfg.Log.Sign)
}

// collect adds the subject's entries up to index last, proved in the tree of size.
func (x *Exporter) collect(ctx context.Context, list []packEntry, subject string, last, size int64) ([]packEntry, error) {
	const page = 500
	for after := int64(-1); after < last; {
		entries, err := x.cfg.Log.Entries(ctx, audit.Query{After: after, Limit: page, Subject: subject})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Index > last {
				break
			}
			p, err := x.cfg.Log.ProveAt(ctx, e.Index, size)
			if err != nil {
				return nil, err
			}
			list = append(list, newPackEntry(e, p))
		}
		if len(entries) == 0 {
			break
		}
		after = entries[len(entries)-1].Index
	}
	return list, nil
}

// checkComplete refuses to hand out a pack that a reader would refuse.
func checkComplete(entries []packEntry, subject string, last int64, merged []mergedSubject) error {
	counts := map[string]int64{}
	for _, e := range entries {
		if counts[e.Subject]++; e.SubjectSeq != counts[e.Subject] {
			return errIncomplete
		}
	}
	if len(entries) == 0 || entries[len(entries)-1].Index != last {
		return errIncomplete
	}
	if err := checkErased(entries); err != nil {
		return err
	}
	return checkMerged(entries, subject, merged, counts)
}

func newPackEntry(e audit.Entry, p audit.Proof) packEntry {
	proof := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		proof[i] = p.Hashes[i][:]
	}
	return packEntry{
		Index: e.Index, Time: e.Time, Kind: e.Kind, Subject: e.Subject, SubjectSeq: e.SubjectSeq,
		Leaf: e.Leaf, Salt: e.Salt, Payload: e.Payload, Proof: proof,
	}
}

// Get returns an export by id, or [ErrExportNotFound].
func (x *Exporter) Get(ctx context.Context, id string) (Export, error) {
	e := Export{ID: id}
	var index, created, done int64
	err := x.cfg.Read.QueryRowContext(ctx, sqlExport, id).
		Scan(&index, &e.State, &e.Error, &created, &done, &e.Size, &e.SHA256)
	if errors.Is(err, sql.ErrNoRows) {
		return Export{}, ErrExportNotFound
	}
	if err != nil {
		return Export{}, fmt.Errorf("read export: %w", err)
	}
	e.CreatedAt = time.UnixMilli(created).UTC()
	if done > 0 {
		e.DoneAt = time.UnixMilli(done).UTC()
	}
	if e.State == ExportRunning && !x.isRunning(id) {
		e.State, e.Error = ExportFailed, "callctl was stopped while it made the pack"
	}
	entries, err := x.cfg.Log.Entries(ctx, audit.Query{After: index - 1, Limit: 1})
	if err != nil {
		return Export{}, err
	}
	if len(entries) == 1 && entries[0].Payload != nil {
		var p exportCreated
		if err := json.Unmarshal(entries[0].Payload, &p); err != nil {
			return Export{}, fmt.Errorf("read export: %w", err)
		}
		e.User, e.Actor = p.User, p.Actor
	}
	return e, nil
}

// Content opens the finished pack; the caller closes it. It fails with
// [ErrExportNotFound] or [ErrExportNotDone].
func (x *Exporter) Content(ctx context.Context, id string) (io.ReadCloser, error) {
	e, err := x.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.State != ExportDone {
		return nil, fmt.Errorf("%w: %s", ErrExportNotDone, e.State)
	}
	f, err := os.Open(x.path(id))
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	return f, nil
}

// path is the pack's file. It is only called with ids that NewID made.
func (x *Exporter) path(id string) string {
	return filepath.Join(x.cfg.Dir, filepath.Base(id)+".zip")
}

func (x *Exporter) setRunning(id string, on bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if on {
		x.running[id] = true
	} else {
		delete(x.running, id)
	}
}

func (x *Exporter) isRunning(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.running[id]
}

// unfinished begins the names of packs that are being written.
const unfinished = ".pack-"

// removeUnfinished removes what an earlier process was writing when it died:
// personal data that nothing leads to any more.
func removeUnfinished(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("unfinished packs: %w", err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), unfinished) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return fmt.Errorf("unfinished packs: %w", err)
		}
	}
	return nil
}

// writeFile writes a file of mode 0600 that is whole and durable or not there.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write pack: %w", err), os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
