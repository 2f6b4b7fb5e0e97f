package permissions

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/migrations"
)

// TestTheSweepWalksNothing: what is due is found by its index, in order, however
// many pairs there are; so is everything that a fact touches.
func TestTheSweepWalksNothing(t *testing.T) {
	db, err := migrations.Open(t.Context(), filepath.Join(t.TempDir(), "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, q := range []string{
		selectDue, selectDueRow, updateDue, selectPackBelow, selectPackAbove, selectStanding,
		selectAddress, selectTokens, useAlias, departAlias, departAgain, moveAlias, mergeFormer,
		selectSightings, selectTraces, moveSightings, moveLineSightings, moveReceipts, dropSightings, dropReceipts,
		selectSubjectEvents, moveEvent, selectDrift, selectDrifts,
	} {
		for _, step := range plan(t, db, q) {
			require.False(t, strings.HasPrefix(step, "SCAN"), "%s: %s", step, q)
			require.NotContains(t, step, "TEMP B-TREE", q)
		}
	}
}
