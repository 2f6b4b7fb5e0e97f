package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestAPackHoldsNotBeforeItsDate: what a company's first version allows from a day
// on is not allowed before that day; until then the pack that it begins from holds,
// and is cited.
func TestAPackHoldsNotBeforeItsDate(t *testing.T) {
	widened := `{"name": "widened", "version": "1", "valid_from": "2027-01-31", "base": "meta", "hours": null,
		"revocation": {"scope": "brand"}, "sources": {"hours": "ours", "revocation.scope": "counsel's memo"}}`
	f := newWorld(t, []string{widened},
		permissions.Business{Number: metaNumber, Account: "acme-meta", Rules: "widened", Brand: "acme"},
		permissions.Business{Number: strictPhone, Account: "other", Rules: "meta-any-hour", Brand: "other"})
	change := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC) // 08:00 in Singapore
	f.set(change.Add(-3 * time.Hour))
	f.record(t, f.grant("g", pair), f.grant("other", permissions.Pair{Business: strictPhone, User: ann}))
	d := f.check(t, pair)
	require.Equal(t, permissions.QuietHours, d.Reason, "five in the morning, and the pack not in force")
	require.Equal(t, "meta@2026-11-22", d.RulePack)
	require.Equal(t, change, d.RetryAfter)
	f.holds(t, permissions.Query{}, d)
	after := f.question(t, permissions.Query{At: change.Add(20 * time.Hour)})
	require.True(t, after.Allow)
	require.Equal(t, "widened@1", after.RulePack)

	f.record(t, f.says("m", pair, "stop calls"))
	require.Equal(t, permissions.DoNotCall, f.check(t, permissions.Pair{Business: strictPhone, User: ann}).Reason,
		"an opt-out of before the date reaches as far as the base says")
}
