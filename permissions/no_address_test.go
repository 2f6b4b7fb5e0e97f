package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestWhoHasNoAddressStopsNothing: user ids that the platform changes to and fro can
// leave somebody with a grant and an open attempt without an address. The process
// starts, sweeps and reconciles all the same.
func TestWhoHasNoAddressStopsNothing(t *testing.T) {
	f := newWorld(t, nil)
	one, two := permissions.User("SG.1"), permissions.User("SG.2")
	for i, users := range [][2]permissions.User{{two, one}, {one, two}} {
		f.advance(time.Minute)
		for _, u := range users {
			f.record(t, f.grant(fmt.Sprint("g", i, u), permissions.Pair{Business: metaNumber, User: u}))
		}
		if i == 1 {
			_, d := f.authorize(t, permissions.Pair{Business: metaNumber, User: one}, "c1")
			require.True(t, d.Allow)
		}
		f.advance(time.Minute)
		f.record(t, permissions.Event{
			ID: fmt.Sprint("change", i), Kind: permissions.IDChanged, Pair: permissions.Pair{Business: metaNumber, User: users[1]},
			At: f.clock(), Auth: permissions.AuthHMAC, Previous: users[0], Current: users[1],
		})
	}
	_, _, err := f.Standing(t.Context(), metaNumber, permissions.Page{})
	require.NoError(t, err)
	calls, err := f.Recover(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"c1"}, calls)
	f.advance(200 * time.Hour)
	_, err = f.Sweep(t.Context())
	require.NoError(t, err)
}
