package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestNoReadBackUndoesAPersonsRevocation: the provider knows nothing of what an
// operator withdrew here, and goes on telling of the grant that was withdrawn.
func TestNoReadBackUndoesAPersonsRevocation(t *testing.T) {
	for name, state := range map[string]func(granted time.Time) permissions.ProviderState{
		"temporary":           func(granted time.Time) permissions.ProviderState { return temporary(granted.Add(168 * time.Hour)) },
		"without its end":     func(time.Time) permissions.ProviderState { return temporary(time.Time{}) },
		"another clock's end": func(granted time.Time) permissions.ProviderState { return temporary(granted.Add(168*time.Hour + time.Minute)) },
		"permanent": func(time.Time) permissions.ProviderState {
			return permissions.ProviderState{Status: permissions.StatusPermanent}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := silent(t)
			p := permissions.Pair{Business: strictPhone, User: ann}
			given := f.clock()
			f.record(t, f.grant("g", p))
			f.advance(time.Hour)
			_, err := f.Apply(t.Context(), permissions.Change{Kind: permissions.Revoked, Pair: p, Actor: "ops", Reason: "asked an agent"})
			require.NoError(t, err)
			f.advance(time.Hour)
			require.Equal(t, permissions.PermissionRevoked, f.check(t, p).Reason)
			f.read(t, p, state(given))
			require.Equal(t, permissions.PermissionRevoked, f.check(t, p).Reason)
			f.advance(time.Hour)
			f.read(t, p, temporary(f.clock().Add(168*time.Hour)))
			require.True(t, f.check(t, p).Allow, "the user called since, which grants anew")
		})
	}
}
