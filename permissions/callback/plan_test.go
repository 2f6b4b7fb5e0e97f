package callback

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/migrations"
)

// TestEveryQueryIsAnIndexedLookUp: the scheduler wakes for every dial and must
// not walk the table for it.
func TestEveryQueryIsAnIndexedLookUp(t *testing.T) {
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for query, want := range map[string]string{
		selectCallback: "SEARCH callbacks USING INDEX sqlite_autoindex_callbacks_1 (id=?)",
		selectPage:     "SEARCH callbacks USING INDEX callbacks_created ((created_ms,id)<(?,?))",
		selectDue:      "SEARCH callbacks USING INDEX callbacks_due (due_ms<?)",
		selectPassed:   "SEARCH callbacks USING INDEX callbacks_end (not_after_ms<?)",
		selectNextDue:  "SEARCH callbacks USING COVERING INDEX callbacks_due",
		selectNextEnd:  "SEARCH callbacks USING COVERING INDEX callbacks_end",
		selectOfUser:   "SEARCH callbacks USING INDEX callbacks_user (user_alias=?)",
		updateState:    "SEARCH callbacks USING INDEX sqlite_autoindex_callbacks_1 (id=?)",
	} {
		steps := plan(t, db, query)
		require.Contains(t, steps, want, query)
		for _, step := range steps {
			require.False(t, strings.HasPrefix(step, "SCAN"), "%s: %s", step, query)
		}
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
