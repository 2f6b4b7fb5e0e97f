package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestWhoHasNoAddressKeepsNobodyFromTheLists: user ids that the platform changes to
// and fro can leave somebody without an address. The others are listed, and what is
// known of them is.
func TestWhoHasNoAddressKeepsNobodyFromTheLists(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("bob", permissions.Pair{Business: metaNumber, User: bob}))
	one, two := permissions.User("SG.1"), permissions.User("SG.2")
	for i, users := range [][2]permissions.User{{two, one}, {one, two}} {
		f.advance(time.Minute)
		for _, u := range users {
			f.record(t, f.grant(fmt.Sprint("g", i, u), permissions.Pair{Business: metaNumber, User: u}))
		}
		f.advance(time.Minute)
		f.record(t, permissions.Event{
			ID: fmt.Sprint("change", i), Kind: permissions.IDChanged, Pair: permissions.Pair{Business: metaNumber, User: users[1]},
			At: f.clock(), Auth: permissions.AuthHMAC, Previous: users[0], Current: users[1],
		})
	}
	list, _, err := f.Permissions(t.Context(), "", permissions.Page{})
	require.NoError(t, err)
	users := map[permissions.User]bool{}
	for _, p := range list {
		users[p.Pair.User] = true
	}
	require.True(t, users[bob])
	require.True(t, users[""], "the state of whoever has none")
}
