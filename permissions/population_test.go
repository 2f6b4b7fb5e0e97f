package permissions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// population is how many users a benchmark's database has: 100,000, or what
// CALLCTL_BENCH_USERS says.
func population(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("CALLCTL_BENCH_USERS"))
	if err != nil || n <= 0 {
		return 100_000
	}
	return n
}

func citizen(i int) permissions.Pair {
	return permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+65%08d", 80_000_000+i))}
}

// fact is an event row: beyond the audit's own indexes, in the form that it is kept in.
const fact = `INSERT INTO permission_events (audit_index, event_id, subject, business, kind, at_ms, received_ms, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

// populate writes users who were asked and granted, with their rows as Record
// leaves them, but without entries of the audit: those are not read by a decision.
// The grants end at ends.
func (f *fixture) populate(b *testing.B, users int, ends time.Time) {
	b.Helper()
	now := f.clock()
	const batch = 2_000
	pack := f.check(b, citizen(-1)).RulePack
	index := int64(1) << 40
	for first := 0; first < users; first += batch {
		require.NoError(b, f.log.Update(b.Context(), func(ctx context.Context, tx *audit.Tx) error {
			for i := first; i < min(first+batch, users); i++ {
				subject, number := fmt.Sprintf("%012x%020x", now.UnixMilli(), i), string(citizen(i).User)
				asked := permissions.Event{
					ID: fmt.Sprint("callctl/request/", i), Kind: permissions.Requested, At: now.Add(-time.Minute), Received: now,
					Account: "acme-meta", Auth: permissions.AuthSelf, Template: "cpr/en", Line: subject,
				}
				granted := permissions.Event{
					ID: fmt.Sprint("meta/wamid.", i), Kind: permissions.Granted, At: now, Received: now, Account: "acme-meta",
					Auth: permissions.AuthHMAC, Expires: ends, Ref: "wamid.X", Request: asked.ID, Line: subject,
				}
				exec := func(query string, args ...any) {
					_, err := tx.ExecContext(ctx, query, args...)
					require.NoError(b, err)
				}
				exec(`INSERT INTO subjects (id, created_ms) VALUES (?, ?)`, subject, now.UnixMilli())
				exec(`INSERT INTO aliases (alias, subject, since_ms, token, used) VALUES (?, ?, ?, ?, 1)`, number, subject, now.UnixMilli(), subject)
				for _, e := range []permissions.Event{asked, granted} {
					body, err := json.Marshal(e)
					require.NoError(b, err)
					index++
					exec(fact, index, e.ID, subject, string(metaNumber), string(e.Kind), e.At.UnixMilli(), now.UnixMilli(), string(body))
				}
				exec(`INSERT INTO permissions (subject, business, grant_event, do_not_call, epoch, updated_ms, requested_ms, rule_pack, expires_ms, due_ms)
					VALUES (?, ?, ?, 0, 0, ?, ?, ?, ?, ?)`, subject, string(metaNumber), granted.ID, now.UnixMilli(), asked.At.UnixMilli(),
					pack, ends.UnixMilli(), ends.Add(-time.Minute).UnixMilli())
			}
			return nil
		}))
	}
}
