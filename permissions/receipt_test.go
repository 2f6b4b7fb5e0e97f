package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestReceiptsInAnyOrder: whether messages reach the user is the same whatever order
// the receipts come in, and however many there are.
func TestReceiptsInAnyOrder(t *testing.T) {
	type receipt struct {
		at       int
		delivery string
		code     int
	}
	for name, tc := range map[string]struct {
		receipts []receipt
		want     permissions.Reason
	}{
		"arrived":              {[]receipt{{1, "sent", 0}, {2, "delivered", 0}, {3, "read", 0}}, permissions.Allowed},
		"failed":               {[]receipt{{1, "delivered", 0}, {2, "failed", 131026}, {2, "sent", 0}}, permissions.Unreachable},
		"arrived later":        {[]receipt{{1, "failed", 131026}, {2, "delivered", 0}, {0, "failed", 131026}}, permissions.Allowed},
		"a tie is the failure": {[]receipt{{1, "failed", 131026}, {1, "read", 0}, {0, "delivered", 0}}, permissions.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newWorld(t, nil)
			for run, order := range orders([]int{0, 1, 2}) {
				p := withUser(inRun(oldNumber, run))
				for _, i := range order {
					r := tc.receipts[i]
					f.record(t, permissions.Event{
						ID: fmt.Sprint(run, "/", i), Kind: permissions.Delivered, Pair: p, Auth: permissions.AuthHMAC,
						At: f.clock().Add(time.Duration(r.at-10) * time.Second), Delivery: r.delivery, Code: r.code, Ref: fmt.Sprint("wamid", i),
					})
				}
				d, err := f.Check(t.Context(), permissions.Query{Pair: p, Action: permissions.RequestPermission})
				require.NoError(t, err)
				require.Equal(t, tc.want, d.Reason, order)
			}
		})
	}
}

// TestManyReceiptsAreOneTrace: a decision does not read what a company's other
// messages left.
func TestManyReceiptsAreOneTrace(t *testing.T) {
	f := newWorld(t, nil)
	for i := range 50 {
		f.record(t, permissions.Event{
			ID: fmt.Sprint("r", i), Kind: permissions.Delivered, Pair: pair, Auth: permissions.AuthHMAC,
			At: f.clock().Add(time.Duration(i) * time.Millisecond), Delivery: "delivered",
		})
	}
	var rows int
	require.NoError(t, f.db.Read.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM receipts`).Scan(&rows))
	require.Equal(t, 1, rows)
	events, err := f.Events(t.Context(), pair)
	require.NoError(t, err)
	require.Len(t, events, 50, "the history has them all")
}
