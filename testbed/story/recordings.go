package story

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// recorded compares the files of the last call's recording with the hashes in its
// record, which the audit holds as well.
func (t *teller) recorded(ctx context.Context) error {
	c, err := t.lastCDR(ctx)
	if err != nil {
		return err
	}
	if len(c.Recordings) != 2 {
		return failf("the call has %d recordings", len(c.Recordings))
	}
	for _, r := range c.Recordings {
		raw, err := os.ReadFile(filepath.Join(t.Recordings, filepath.Base(r.File)))
		if err != nil {
			return fmt.Errorf("recording: %w", err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != r.SHA256 {
			return failf("the recording of the %s is not what the record says", r.Leg)
		}
	}
	t.prove("both sides were recorded as received (off unless the account says so): %s and %s, SHA-256 as in the CDR and the audit",
		c.Recordings[0].File, c.Recordings[1].File)
	return nil
}
