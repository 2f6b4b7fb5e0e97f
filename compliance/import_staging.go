package compliance

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// chunkRows is how many rows are sealed and stored together.
const chunkRows = 2000

// The kinds of entry about an import. Each user that it adds has an entry of
// their own.
const (
	kindImportStarted = "dnc.import_started"
	kindImportApplied = "dnc.import_applied"
)

// importEntry is the payload of the entries about an import: no number.
type importEntry struct {
	Import   string `json:"import"`
	SHA256   string `json:"sha256"`
	Actor    string `json:"actor"`
	Reason   string `json:"reason,omitempty"`
	Rows     int    `json:"rows"`
	Repeated int    `json:"repeated"`
	Added    *int   `json:"added,omitempty"`
	Already  *int   `json:"already,omitempty"`
}

// staging is a list on its way into the database.
type staging struct {
	importer *Importer
	options  ImportOptions
	report   *ImportReport
	seen     map[[16]byte]struct{} // user and scope of the rows so far, hashed: a million have to fit

	id     string // "" until there is something to keep
	cipher cipher.AEAD
	seq    int64
	rows   []row
}

// readAll checks every line, and keeps them in the database as long as none has
// a fault. A dry run keeps nothing and asks the ledger instead.
func (s *staging) readAll(ctx context.Context, r io.Reader) error {
	l, ok, err := openList(r, s.importer.bounds, s.importer.cfg.Now(), s.options.Reason != "", s.report)
	if err != nil || !ok {
		return err
	}
	for {
		row, ok, err := l.next()
		switch {
		case errors.Is(err, io.EOF):
			if s.report.Rows == 0 && s.report.Faults == 0 {
				l.fault(l.line, "", "no_rows", "there is no line behind the header")
			}
			return nil
		case err != nil:
			return err
		case !ok || s.report.Faults > 0:
			continue
		}
		if s.repeats(row) {
			s.report.Repeated++
			continue
		}
		if err := s.take(ctx, row); err != nil {
			return err
		}
	}
}

// repeats says whether an earlier row said the same.
func (s *staging) repeats(r row) bool {
	sum := sha256.Sum256([]byte(string(r.Channels) + " " + string(r.User)))
	key := [16]byte(sum[:16])
	_, again := s.seen[key]
	s.seen[key] = struct{}{}
	return again
}

func (s *staging) take(ctx context.Context, r row) error {
	if s.options.DryRun {
		listed, err := s.importer.cfg.Ledger.Listed(ctx, r.User, r.Channels)
		if err != nil {
			return fmt.Errorf("ask the ledger: %w", err)
		}
		if listed {
			s.report.Already++
		} else {
			s.report.Added++
		}
		return nil
	}
	if s.rows = append(s.rows, r); len(s.rows) < s.importer.chunk {
		return nil
	}
	return s.importer.cfg.Log.Update(ctx, s.store)
}

// store keeps the rows that were read, and the import with the first of them.
func (s *staging) store(ctx context.Context, tx *audit.Tx) error {
	if s.id == "" {
		if err := s.begin(ctx, tx); err != nil {
			return err
		}
	}
	if len(s.rows) == 0 {
		return nil
	}
	plain, err := json.Marshal(s.rows)
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	sealed := s.cipher.Seal(nil, nonce(s.seq), plain, []byte(s.id))
	if _, err := tx.ExecContext(ctx, sqlInsertChunk, s.id, s.seq, sealed); err != nil {
		return fmt.Errorf("keep rows: %w", err)
	}
	tx.OnCommit(func() {
		s.seq++
		s.rows = s.rows[:0]
	})
	return nil
}

func (s *staging) begin(ctx context.Context, tx *audit.Tx) error {
	id, salt := s.importer.cfg.NewID(), make([]byte, sha256.Size)
	s.importer.setReading(id, true)
	s.id = id
	if _, err := io.ReadFull(rand.Reader, salt); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	sealer, err := s.importer.cipher(id, salt)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, sqlInsertImport, id, s.options.Actor, s.options.Reason, salt, s.report.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("keep import: %w", err)
	}
	s.cipher = sealer
	return nil
}

// close tells that this process reads the list no longer.
func (s *staging) close() {
	if s.id != "" {
		s.importer.setReading(s.id, false)
	}
}

// start keeps the last rows and lets the import count: from here it is applied,
// whatever happens to this process.
func (s *staging) start(ctx context.Context) error {
	return s.importer.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
		if err := s.store(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, sqlStartImport, s.report.SHA256, s.report.Rows, s.report.Repeated, s.id)
		if err != nil {
			return fmt.Errorf("start import: %w", err)
		}
		_, err = tx.Append(ctx, audit.Record{Kind: kindImportStarted, Payload: importEntry{
			Import: s.id, SHA256: s.report.SHA256, Actor: s.options.Actor, Reason: s.options.Reason,
			Rows: s.report.Rows, Repeated: s.report.Repeated,
		}})
		return err
	})
}

// discard removes what was kept of a list that is not taken in.
func (s *staging) discard(ctx context.Context) error {
	if s.id == "" {
		return nil
	}
	return s.importer.drop(context.WithoutCancel(ctx), s.id)
}

// drop removes a list that was never accepted, chunk by chunk: no transaction
// holds the writer for long.
func (i *Importer) drop(ctx context.Context, id string) error {
	for left := int64(1); left > 0; {
		err := i.cfg.Log.Update(ctx, func(ctx context.Context, tx *audit.Tx) error {
			res, err := tx.ExecContext(ctx, sqlDropChunk, id, id)
			if err != nil {
				return err
			}
			if left, err = res.RowsAffected(); err != nil || left > 0 {
				return err
			}
			_, err = tx.ExecContext(ctx, sqlDropStaging, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("drop import: %w", err)
		}
	}
	return nil
}

// cipher seals the chunks of an import. Its key is made of a signature that the
// log's key gives (Ed25519's are the same every time, RFC 8032 section 5.1.6) and
// that is never shown: without that key, which is outside the database, and
// without the salt, which goes when the import is applied, nothing is to be read.
func (i *Importer) cipher(id string, salt []byte) (cipher.AEAD, error) {
	signed, err := i.cfg.Log.Sign("callctl-import-key/1\n" + id + "\n" + hex.EncodeToString(salt) + "\n")
	if err != nil {
		return nil, fmt.Errorf("key of an import: %w", err)
	}
	key := sha256.Sum256(signed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("key of an import: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key of an import: %w", err)
	}
	return aead, nil
}

// nonce is the number of a chunk: a key seals each once.
func nonce(seq int64) []byte {
	const size = 12 // of GCM
	return binary.BigEndian.AppendUint64(make([]byte, size-8, size), uint64(seq))
}

// listing is a row as the ledger takes it.
func (r row) listing(id, actor, reason string) permissions.Listing {
	if r.Reason != "" {
		reason = r.Reason
	}
	return permissions.Listing{
		ID: fmt.Sprintf("import/%s/%d", id, r.Line), List: "import/" + id,
		User: r.User, Channels: r.Channels, Since: r.Since, Actor: actor, Reason: reason,
	}
}
