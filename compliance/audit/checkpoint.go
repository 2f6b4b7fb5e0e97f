package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed tree head (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   [32]byte
	Time   time.Time // when it was signed, from an extension line; zero when absent
	Note   []byte    // the signed note
}

// timeExtension begins the extension line that dates a checkpoint.
const timeExtension = "time "

const timeFormat = "2006-01-02T15:04:05.000Z"

func (c Checkpoint) body() string {
	b := c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + tlog.Hash(c.Root).String() + "\n"
	if !c.Time.IsZero() {
		b += timeExtension + c.Time.UTC().Format(timeFormat) + "\n"
	}
	return b
}

// ParseCheckpoint reads the body of a checkpoint: origin, size, root hash in
// base64, and any extension lines, of which it knows "time". It checks no
// signature: see [OpenCheckpoint].
func ParseCheckpoint(body []byte) (Checkpoint, error) {
	lines := strings.Split(string(body), "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" || lines[0] == "" {
		return Checkpoint{}, fmt.Errorf("%w: not origin, size and root", ErrCheckpoint)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrCheckpoint)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Checkpoint{}, fmt.Errorf("%w: root", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	for _, line := range lines[3 : len(lines)-1] {
		if line == "" {
			return Checkpoint{}, fmt.Errorf("%w: empty line", ErrCheckpoint)
		}
		v, ok := strings.CutPrefix(line, timeExtension)
		if !ok {
			continue
		}
		t, err := time.Parse(timeFormat, v)
		if err != nil || t.Format(timeFormat) != v || !c.Time.IsZero() {
			return Checkpoint{}, fmt.Errorf("%w: time", ErrCheckpoint)
		}
		c.Time = t
	}
	return c, nil
}

// OpenCheckpoint reads a signed checkpoint. It fails with [ErrCheckpoint] unless
// it carries a valid signature of the verifier key (sumdb/note format) and its
// origin is that key's name.
func OpenCheckpoint(signed []byte, verifierKey string) (Checkpoint, error) {
	v, err := note.NewVerifier(strings.TrimSpace(verifierKey))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return openCheckpoint(signed, v)
}

func openCheckpoint(signed []byte, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c, err := ParseCheckpoint([]byte(n.Text))
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("%w: origin %q is not the key's name %q", ErrCheckpoint, c.Origin, v.Name())
	}
	c.Note = signed
	return c, nil
}

// Checkpoint signs the present tree and anchors it outside the database.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) {
	l.anchoring.Lock()
	defer l.anchoring.Unlock()
	l.mu.Lock()
	edge := l.edge.clone()
	l.mu.Unlock()
	c := Checkpoint{
		Origin: l.cfg.Origin, Size: edge.size, Root: edge.root(),
		Time: l.cfg.Now().UTC().Truncate(time.Millisecond),
	}
	signed, err := note.Sign(&note.Note{Text: c.body()}, l.keys.signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	c.Note = signed
	// The anchor goes first: a crash in between leaves a database that is ahead of
	// what it knows to be anchored, never one that claims an anchor it has not.
	if err := replaceFile(filepath.Join(l.cfg.Dir, AnchorFile), signed); err != nil {
		return Checkpoint{}, fmt.Errorf("anchor checkpoint: %w", err)
	}
	err = l.Update(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.ExecContext(ctx, sqlInsertCheckpoint, c.Size, c.Time.UnixMilli(), c.Note)
		return err
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("keep checkpoint: %w", err)
	}
	return c, nil
}

// checkAnchor refuses a database that does not extend the newest checkpoint that
// lies outside of it.
func (l *Log) checkAnchor(ctx context.Context) error {
	signed, err := os.ReadFile(filepath.Join(l.cfg.Dir, AnchorFile))
	if errors.Is(err, os.ErrNotExist) {
		var n int64
		if err := l.cfg.Read.QueryRowContext(ctx, sqlCheckpointCount).Scan(&n); err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if n > 0 {
			return ErrAnchorMissing
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read anchor: %w", err)
	}
	c, err := openCheckpoint(signed, l.keys.verifier)
	if err != nil {
		return fmt.Errorf("anchor file: %w", err)
	}
	if c.Size > l.edge.size {
		return fmt.Errorf("%w: anchored %d entries, the database has %d", ErrRolledBack, c.Size, l.edge.size)
	}
	root, err := tlog.TreeHash(c.Size, hashReader(ctx, l.cfg.Read))
	if err != nil {
		return err
	}
	if root != tlog.Hash(c.Root) {
		return fmt.Errorf("%w: the tree of the first %d entries differs", ErrRolledBack, c.Size)
	}
	return nil
}
