package permissions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestNoReadBackUndoesAPersonsRevocation: the provider knows nothing of what an
// operator withdrew here, and goes on telling of the grant that was withdrawn.
func TestNoReadBackUndoesAPersonsRevocation(t *testing.T) {
	for name, state := range map[string]func(granted time.Time) permissions.ProviderState{
		"temporary":       func(granted time.Time) permissions.ProviderState { return temporary(granted.Add(168 * time.Hour)) },
		"without its end": func(time.Time) permissions.ProviderState { return temporary(time.Time{}) },
		"another clock's end": func(granted time.Time) permissions.ProviderState {
			return temporary(granted.Add(168*time.Hour + time.Minute))
		},
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

// TestAnAnswerIsAsOldAsItsQuestion: a user who declines while the provider is being
// asked is not called on what it answers.
func TestAnAnswerIsAsOldAsItsQuestion(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g", pair))
	f.advance(25 * time.Hour)
	answer := func(s permissions.ProviderState, meanwhile permissions.Event) {
		s.Asked = f.clock()
		f.advance(time.Second)
		meanwhile.Pair, meanwhile.At, meanwhile.Auth = pair, f.clock(), permissions.AuthHMAC
		f.record(t, meanwhile)
		f.advance(time.Second)
		f.read(t, pair, s)
	}
	answer(temporary(f.clock().Add(100*time.Hour)), permissions.Event{ID: "no", Kind: permissions.Declined})
	require.Equal(t, permissions.PermissionDeclined, f.check(t, pair).Reason)
	answer(none, permissions.Event{ID: "yes", Kind: permissions.Granted})
	require.True(t, f.check(t, pair).Allow, "given after the question")
	answer(none, permissions.Event{ID: "m", Kind: permissions.Willing})
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
}

// TestAnotherEndForOneGrant: 8x8's webhook says eight hours where its query says
// seven days. The grant is confirmed, and is no second one to call on.
func TestAnotherEndForOneGrant(t *testing.T) {
	for _, used := range []bool{false, true} {
		for name, d := range map[string]time.Duration{"earlier": -time.Hour, "the same": 0, "later": 2 * time.Second} {
			t.Run(fmt.Sprint(name, used), func(t *testing.T) {
				f := silent(t)
				p := permissions.Pair{Business: strictPhone, User: ann}
				g := f.grant("g", p)
				g.Expires = g.At.Add(8 * time.Hour)
				if !used {
					g.Auth = permissions.AuthBearer
				}
				f.record(t, g)
				f.advance(time.Minute)
				if used {
					ticket, _ := f.authorize(t, p, "c1")
					f.settle(t, ticket, permissions.OutcomeConnected)
					f.advance(time.Minute)
				}
				f.read(t, p, temporary(g.At.Add(168*time.Hour+d)))
				f.advance(time.Minute)
				want := permissions.Allowed
				if used {
					want = permissions.PermissionUsed
				}
				require.Equal(t, want, f.check(t, p).Reason)
				f.read(t, p, permissions.ProviderState{Status: permissions.StatusPermanent})
				require.Equal(t, want, f.check(t, p).Reason)
			})
		}
	}
}

// TestADeclineCountsAfterAGrantOfUnknownAge: a grant that was read back without its
// age is not dated behind a reject that the provider's slower clock dates.
func TestADeclineCountsAfterAGrantOfUnknownAge(t *testing.T) {
	for name, state := range map[string]permissions.ProviderState{
		"permanent": {Status: permissions.StatusPermanent},
		"no end":    temporary(time.Time{}),
		"odd end":   temporary(time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.read(t, pair, state)
			require.True(t, f.check(t, pair).Allow)
			f.advance(20 * time.Second)
			at := f.clock().Add(-time.Minute)
			f.record(t, permissions.Event{ID: "no", Kind: permissions.Declined, Pair: pair, At: at, Auth: permissions.AuthHMAC})
			require.Equal(t, permissions.PermissionDeclined, f.check(t, pair).Reason)
		})
	}
}
