// Package audittest holds what tests of other packages say about their log.
package audittest

import (
	"database/sql"
	"testing"

	"github.com/callctl/callctl/compliance/audit"
)

// Check re-verifies the whole log of a database at the end of a test: every leaf,
// chain, payload and tree hash, and every checkpoint in it and in the key
// directory dir. It fails the test and names the first entry that does not hold.
func Check(tb testing.TB, read *sql.DB, dir string) audit.Verified {
	tb.Helper()
	v, err := audit.VerifyDatabase(tb.Context(), read, audit.Verification{Dir: dir})
	if err != nil {
		tb.Fatalf("the audit log does not verify: %v", err)
	}
	return v
}
