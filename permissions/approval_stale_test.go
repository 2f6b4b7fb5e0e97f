package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestAnApprovalIsNoAnswerToALaterNo: whoever approves a change agrees to what was
// proposed. What the user, the provider or another person took away since then is
// not given back by it; it takes a new proposal that knows of it.
func TestAnApprovalIsNoAnswerToALaterNo(t *testing.T) {
	all := permissions.Pair{User: ann}
	for name, tc := range map[string]struct {
		before func(t *testing.T, f *fixture)
		change permissions.Change
		since  permissions.Event
		still  permissions.Reason
	}{
		"a grant, declined since": {
			change: permissions.Change{Kind: permissions.Granted, Pair: strictPair, Permanent: true},
			since:  permissions.Event{Kind: permissions.Declined}, still: permissions.PermissionDeclined,
		},
		"a grant, revoked by another person since": {
			change: permissions.Change{Kind: permissions.Granted, Pair: strictPair, Permanent: true},
			since:  permissions.Event{Kind: permissions.Revoked, Auth: permissions.AuthOperator}, still: permissions.PermissionRevoked,
		},
		"a lifting, opted out again since": {
			before: said(permissions.Event{Kind: permissions.OptedOut, Pair: all, ID: "first"}),
			change: permissions.Change{Kind: permissions.OptOutLifted, Pair: all},
			since:  permissions.Event{Kind: permissions.OptedOut, Pair: all}, still: permissions.DoNotCall,
		},
		"a lifting, opted out of one number's calls since": {
			before: said(permissions.Event{Kind: permissions.OptedOut, Pair: all, ID: "first"}),
			change: permissions.Change{Kind: permissions.OptOutLifted, Pair: all},
			since:  permissions.Event{Kind: permissions.OptedOut}, still: permissions.DoNotCall,
		},
		"messages again, stopped again since": {
			before: said(permissions.Event{Kind: permissions.MessagesStopped, Pair: strictPair, ID: "first"}),
			change: permissions.Change{Kind: permissions.MessagesResumed, Pair: strictPair},
			since:  permissions.Event{Kind: permissions.MessagesStopped}, still: permissions.NoPermission,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newWorld(t, nil)
			if tc.before != nil {
				tc.before(t, f)
			}
			f.advance(time.Minute)
			a, err := f.apply(t, tc.change)
			require.NoError(t, err)
			require.NotNil(t, a)
			f.advance(time.Minute)
			tc.since.ID, tc.since.At = "since", f.clock()
			if tc.since.Auth == "" {
				tc.since.Auth = permissions.AuthHMAC
			}
			if tc.since.Pair == (permissions.Pair{}) {
				tc.since.Pair = strictPair
			}
			f.record(t, tc.since)
			f.advance(time.Minute)
			_, err = f.Approve(t.Context(), a.ID, "chief")
			require.ErrorIs(t, err, permissions.ErrChange)
			require.Equal(t, tc.still, f.check(t, strictPair).Reason)
			pending, _, err := f.Approvals(t.Context(), true, permissions.Page{})
			require.NoError(t, err)
			require.Len(t, pending, 1, "it stays, to be rejected")

			again, err := f.apply(t, tc.change)
			require.NoError(t, err)
			_, err = f.Approve(t.Context(), again.ID, "chief")
			require.NoError(t, err, "a proposal that knows of it")
		})
	}
}
