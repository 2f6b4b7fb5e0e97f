package permissions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

const (
	oldNumber = permissions.User("+6581112222")
	newNumber = permissions.User("+6583334444")
	bsuidOne  = permissions.User("SG.1000000000000001")
	bsuidTwo  = permissions.User("SG.2000000000000002")
)

func withUser(u permissions.User) permissions.Pair {
	return permissions.Pair{Business: metaNumber, User: u}
}

// moved is the platform's word that a user has another address now.
func (f *fixture) moved(id string, from, to permissions.User, also ...permissions.User) permissions.Event {
	return permissions.Event{
		ID: id, Kind: permissions.IDChanged, Pair: withUser(to), At: f.clock(), Auth: permissions.AuthHMAC,
		Previous: from, Current: to, Aliases: also,
	}
}

// TestFormsOfANumberAreOneUser: whichever form is asked for, it is the same user,
// and no address is listed that nobody used.
func TestFormsOfANumberAreOneUser(t *testing.T) {
	f := newWorld(t, nil)
	for _, c := range []struct{ used, other permissions.User }{
		{"+5215512345678", "+525512345678"},
		{"+541158749895", "+5491158749895"},
		{"+551187654321", "+5511987654321"},
	} {
		f.record(t, f.says("m/"+string(c.used), withUser(c.used), "stop calls"))
		require.Equal(t, permissions.DoNotCall, f.check(t, withUser(c.other)).Reason, c.used)
		one, ok, err := f.Subject(t.Context(), c.other)
		require.NoError(t, err)
		require.True(t, ok)
		same, _, err := f.Subject(t.Context(), c.used)
		require.NoError(t, err)
		require.Equal(t, same, one)
		list, _, err := f.DoNotCallList(t.Context(), permissions.Page{})
		require.NoError(t, err)
		require.Equal(t, c.used, list[len(list)-1].User)
		// Once it is used as well, it is an address of theirs.
		f.record(t, f.says("n/"+string(c.used), withUser(c.other), "hello"))
		require.NotEmpty(t, f.check(t, withUser(c.other)))
		subjects, err := f.Subjects(t.Context(), c.other)
		require.NoError(t, err)
		require.Len(t, subjects, 1, "nothing had to be merged")
		f.advance(time.Second)
	}
}

// TestChangedUserIDTakesTheGrantAlong: moved, not copied; an opt-out holds for both.
func TestChangedUserIDTakesTheGrantAlong(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("g", withUser(bsuidOne)))
	f.advance(time.Minute)
	f.record(t, f.moved("c", bsuidOne, bsuidTwo))
	require.True(t, f.check(t, withUser(bsuidTwo)).Allow)
	require.Equal(t, permissions.NoPermission, f.check(t, withUser(bsuidOne)).Reason)
	f.advance(time.Minute)
	f.record(t, f.says("stop", withUser(bsuidOne), "stop calls"))
	require.Equal(t, permissions.DoNotCall, f.check(t, withUser(bsuidOne)).Reason)
	require.Equal(t, permissions.DoNotCall, f.check(t, withUser(bsuidTwo)).Reason, "it is the same person who said it")

	g := newWorld(t, nil)
	g.record(t, g.says("stop", withUser(bsuidOne), "stop calls"))
	g.advance(time.Minute)
	g.record(t, g.moved("c", bsuidOne, bsuidTwo))
	require.Equal(t, permissions.DoNotCall, g.check(t, withUser(bsuidOne)).Reason, "the previous id keeps its opt-outs")
	require.Equal(t, permissions.DoNotCall, g.check(t, withUser(bsuidTwo)).Reason)
}

// TestChangedNumberInheritsNoGrant: and the old number is free for its next user.
func TestChangedNumberInheritsNoGrant(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g", withUser(oldNumber)))
	f.advance(time.Minute)
	f.record(t, f.moved("c", oldNumber, newNumber))
	require.Equal(t, permissions.PermissionRevoked, f.check(t, withUser(newNumber)).Reason)
	require.Equal(t, permissions.NoPermission, f.check(t, withUser(oldNumber)).Reason)
	require.Len(t, f.hand, 1, "what depends on the grant ends with it")
	require.Equal(t, permissions.PermissionRevoked, f.hand[0].Reason)

	// Somebody else has the old number now.
	f.advance(time.Minute)
	next := f.grant("g2", withUser(oldNumber))
	next.Aliases = []permissions.User{bsuidTwo}
	f.record(t, next)
	require.True(t, f.check(t, withUser(oldNumber)).Allow)
	require.True(t, f.check(t, withUser(bsuidTwo)).Allow)
	require.False(t, f.check(t, withUser(newNumber)).Allow)
	person, _, err := f.Subject(t.Context(), newNumber)
	require.NoError(t, err)
	stranger, _, err := f.Subject(t.Context(), oldNumber)
	require.NoError(t, err)
	require.NotEqual(t, person, stranger)
	f.record(t, f.grant("g3", withUser(newNumber)))
	require.True(t, f.check(t, withUser(newNumber)).Allow, "what is given anew counts")
}

// TestAnOptOutOutlivesTheNumber: it holds for the person under the new number, and
// stays on the old one.
func TestAnOptOutOutlivesTheNumber(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.says("stop", withUser(oldNumber), "stop calls"))
	f.advance(time.Minute)
	f.record(t, f.moved("c", oldNumber, newNumber))
	f.advance(time.Minute)
	f.record(t, f.grant("g", withUser(oldNumber)), f.grant("g2", withUser(newNumber)))
	for _, u := range []permissions.User{oldNumber, newNumber} {
		require.Equal(t, permissions.DoNotCall, f.check(t, withUser(u)).Reason, u)
		entry, ok, err := f.DoNotCall(t.Context(), u)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, permissions.ScopeAll, entry.Scope)
	}
	// One that is delivered late was said by the person who had the number then.
	late := f.says("late", withUser(oldNumber), "stop calls")
	late.At = f.clock().Add(-90 * time.Second)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), oldNumber, "ops", "another person's number"))
	require.NoError(t, f.RemoveDoNotCall(t.Context(), newNumber, "ops", "asked to be called"))
	f.advance(time.Second)
	f.record(t, late)
	require.Equal(t, permissions.DoNotCall, f.check(t, withUser(oldNumber)).Reason)
	require.Equal(t, permissions.DoNotCall, f.check(t, withUser(newNumber)).Reason)
}

// TestRecycledNumber: nobody said that the number changed hands, but it is seen with
// another BSUID.
func TestRecycledNumber(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g", withUser(oldNumber))
	g.Aliases = []permissions.User{bsuidOne}
	f.record(t, g)
	require.True(t, f.check(t, withUser(oldNumber)).Allow)
	f.advance(time.Minute)
	hello := f.says("hello", withUser(oldNumber), "who is this?")
	hello.Aliases = []permissions.User{bsuidTwo}
	f.record(t, hello)
	require.False(t, f.check(t, withUser(oldNumber)).Allow)
	require.False(t, f.check(t, withUser(bsuidTwo)).Allow)
	require.Len(t, f.hand, 1)
	f.advance(time.Minute)
	again := f.grant("g2", withUser(oldNumber))
	again.Aliases = []permissions.User{bsuidTwo}
	f.record(t, again)
	require.True(t, f.check(t, withUser(oldNumber)).Allow, "the new holder's own word counts")
}

// TestOrderOfArrivalMovesNobody: whatever order the facts about two persons and one
// number come in, the same may be called in the end.
func TestOrderOfArrivalMovesNobody(t *testing.T) {
	type step func(f *fixture, at func(int) time.Time) permissions.Event
	grant := func(id string, s int, u permissions.User, also ...permissions.User) step {
		return func(f *fixture, at func(int) time.Time) permissions.Event {
			e := f.grant(id, withUser(u))
			e.At, e.Aliases = at(s), also
			return e
		}
	}
	says := func(id string, s int, text string, u permissions.User, also ...permissions.User) step {
		return func(f *fixture, at func(int) time.Time) permissions.Event {
			e := f.says(id, withUser(u), text)
			e.At, e.Aliases = at(s), also
			return e
		}
	}
	move := func(id string, s int, from, to permissions.User, also ...permissions.User) step {
		return func(f *fixture, at func(int) time.Time) permissions.Event {
			e := f.moved(id, from, to, also...)
			e.At = at(s)
			return e
		}
	}
	for name, tc := range map[string]struct {
		steps []step
		want  map[permissions.User]permissions.Reason
	}{
		"a new number": {
			[]step{grant("g", 1, oldNumber), move("c", 2, oldNumber, newNumber), grant("h", 3, oldNumber, bsuidTwo), says("m", 4, "hello", newNumber)},
			map[permissions.User]permissions.Reason{
				oldNumber: permissions.Allowed, bsuidTwo: permissions.Allowed, newNumber: permissions.PermissionRevoked,
			},
		},
		"a new number after an opt-out": {
			[]step{says("s", 1, "stop calls", oldNumber), move("c", 2, oldNumber, newNumber), grant("h", 3, oldNumber, bsuidTwo), grant("g", 4, newNumber)},
			map[permissions.User]permissions.Reason{
				oldNumber: permissions.DoNotCall, bsuidTwo: permissions.DoNotCall, newNumber: permissions.DoNotCall,
			},
		},
		"an opt-out of the next holder is theirs alone": {
			[]step{grant("g", 3, newNumber), move("c", 1, oldNumber, newNumber), says("s", 2, "stop calls", oldNumber)},
			map[permissions.User]permissions.Reason{oldNumber: permissions.DoNotCall, newNumber: permissions.Allowed},
		},
		"a new id": {
			[]step{grant("g", 1, bsuidOne), move("c", 2, bsuidOne, bsuidTwo), says("m", 3, "hello", bsuidTwo)},
			map[permissions.User]permissions.Reason{bsuidOne: permissions.NoPermission, bsuidTwo: permissions.Allowed},
		},
		"a new id with a new number": {
			[]step{grant("g", 1, oldNumber, bsuidOne), move("c", 2, bsuidOne, bsuidTwo, newNumber), says("m", 3, "hello", newNumber, bsuidTwo)},
			map[permissions.User]permissions.Reason{
				bsuidOne: permissions.NoPermission, bsuidTwo: permissions.PermissionRevoked, newNumber: permissions.PermissionRevoked,
			},
		},
		"a recycled number": {
			[]step{
				grant("g", 1, oldNumber, bsuidOne), says("m", 2, "hello", oldNumber, bsuidOne),
				says("n", 3, "who?", oldNumber, bsuidTwo), grant("a", 1, oldNumber),
			},
			map[permissions.User]permissions.Reason{oldNumber: permissions.NoPermission, bsuidTwo: permissions.NoPermission},
		},
		"a recycled number whose new holder agreed": {
			[]step{grant("g", 1, oldNumber, bsuidOne), says("m", 2, "hello", oldNumber, bsuidOne), grant("h", 3, oldNumber, bsuidTwo)},
			map[permissions.User]permissions.Reason{oldNumber: permissions.Allowed, bsuidTwo: permissions.Allowed},
		},
		"seen to and fro": {
			[]step{
				grant("g", 1, oldNumber), says("m", 2, "a", oldNumber, bsuidTwo), says("n", 3, "b", oldNumber, bsuidOne),
				says("o", 4, "c", oldNumber, bsuidTwo),
			},
			map[permissions.User]permissions.Reason{oldNumber: permissions.NoPermission, bsuidTwo: permissions.NoPermission},
		},
	} {
		t.Run(name, func(t *testing.T) {
			indices := make([]int, len(tc.steps))
			for i := range indices {
				indices[i] = i
			}
			f := newFixture(t)
			for run, order := range orders(indices) {
				base := f.clock()
				at := func(s int) time.Time { return base.Add(time.Duration(s) * time.Second) }
				f.advance(30 * time.Second)
				for _, i := range order {
					f.record(t, ofRun(tc.steps[i](f, at), run))
					f.advance(time.Millisecond)
				}
				for u, want := range tc.want {
					got := f.check(t, withUser(inRun(u, run)))
					require.Equal(t, want == permissions.Allowed, got.Allow, "%v %s: %s", order, u, got.Reason)
					require.Equal(t, want == permissions.DoNotCall, got.Reason == permissions.DoNotCall, "%v %s", order, u)
				}
			}
		})
	}
}

// inRun is an address of its own for each run.
func inRun(u permissions.User, run int) permissions.User {
	if u == "" {
		return u
	}
	return permissions.User(fmt.Sprintf("%s%03d", u[:len(u)-3], run))
}

// ofRun is an event about the addresses of a run.
func ofRun(e permissions.Event, run int) permissions.Event {
	e.ID = fmt.Sprintf("%s/%d", e.ID, run)
	e.Pair.User, e.Previous, e.Current = inRun(e.Pair.User, run), inRun(e.Previous, run), inRun(e.Current, run)
	e.Aliases = slices.Clone(e.Aliases)
	for i, u := range e.Aliases {
		e.Aliases[i] = inRun(u, run)
	}
	return e
}

// orders are all orders of a list.
func orders(list []int) (out [][]int) {
	if len(list) <= 1 {
		return [][]int{slices.Clone(list)}
	}
	for i, first := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, o := range orders(rest) {
			out = append(out, append([]int{first}, o...))
		}
	}
	return out
}

// TestNoNumberOutsideTheAliases: rows name subjects and opaque tokens.
func TestNoNumberOutsideTheAliases(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g", withUser(oldNumber))
	g.Aliases = []permissions.User{bsuidOne, "SG.ENT.77"}
	f.record(t, g, f.says("m", withUser(oldNumber), "stop calls"))
	f.record(t, f.moved("c", oldNumber, newNumber, bsuidTwo))
	look := func(table string) {
		rows, err := f.db.Read.QueryContext(t.Context(), "SELECT * FROM "+table)
		require.NoError(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(t, err)
		cells, cell := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			cell[i] = &cells[i]
		}
		for rows.Next() {
			require.NoError(t, rows.Scan(cell...))
			line := fmt.Sprintf("%s", cells)
			for _, u := range []permissions.User{oldNumber, newNumber, bsuidOne, bsuidTwo} {
				require.NotContains(t, line, geo.E164(u).Digits(), table)
			}
		}
		require.NoError(t, rows.Err())
	}
	for _, table := range []string{"permission_events", "sightings", "permissions", "do_not_call", "subjects"} {
		look(table)
	}
}
