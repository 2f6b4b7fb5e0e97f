package permissions

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/migrations"
)

// TestEveryQueryIsAnIndexedLookUp: no statement of the ledger walks a table that
// grows with users or events.
func TestEveryQueryIsAnIndexedLookUp(t *testing.T) {
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, q := range []string{
		selectSubject, selectAliases, selectFamily, selectCurrent, selectSubjectAge,
		mergeSubjects, mergeAliases, mergeEvents, mergeCopyPairs, mergeDropPairs, mergeDropDNC,
		selectEventSeen, selectStateEvents, selectOptOuts, selectConsent, selectPairEvents,
		selectPair, selectBusinesses, selectPairs, selectPairsOf, selectDNC, selectDNCPage, deleteDNC,
		selectCallSeen, selectAttemptOpen, selectOpenAttempt, settleAttempt, selectOutcome,
		selectRequestMessage, selectRequestPair,
		selectNoticeSeen, selectAspect, selectAspects, selectTemplateNotices, selectTemplatesNotices, selectNoticesOf,
		selectNoticesPage, selectNoticesUntil, selectApproval, decideApproval, selectApprovals, selectPendingApprovals,
	} {
		for _, step := range plan(t, db, q) {
			require.False(t, strings.HasPrefix(step, "SCAN"), "%s: %s", step, q)
		}
	}
	// At start, all that is open: the partial index holds nothing else.
	require.Equal(t, "SCAN attempts USING INDEX attempts_open", plan(t, db, selectOpenAttempts)[0])
	for _, q := range []string{selectPairs, selectPairsOf, selectDNCPage, selectPairEvents, selectNoticesPage, selectApprovals, selectPendingApprovals} {
		require.Len(t, plan(t, db, q), 1, "in the order of an index: %s", q)
	}
}

// plan is what SQLite does for a query, step by step.
func plan(t *testing.T, db *migrations.DB, query string) (steps []string) {
	t.Helper()
	rows, err := db.Write.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}
