package permissions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

func TestAThousandDeliveriesAreOneEvent(t *testing.T) {
	f := newFixture(t)
	g := f.grant("meta/wamid.1", pair)
	stop := f.says("meta/wamid.2", pair, "stop calls")
	require.Equal(t, 2, f.record(t, g, stop))
	n := len(f.kinds(t))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 125 {
				fresh, err := f.Record(t.Context(), stop, g)
				if err != nil || fresh != 0 {
					t.Errorf("%d new events, %v", fresh, err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, f.kinds(t), n)
	require.Len(t, f.hand, 1)
	events, err := f.Events(t.Context(), pair)
	require.NoError(t, err)
	require.Len(t, events, 3)
}

func TestOptOutHoldsForEveryBusiness(t *testing.T) {
	f := newFixture(t)
	strict := permissions.Pair{Business: strictPhone, User: ann}
	f.record(t, f.grant("g1", pair), f.grant("g2", strict))
	e := f.says("meta/wamid.9", pair, "Please stop calling me.")
	e.Account = "acme-meta"
	require.Equal(t, 1, f.record(t, e))
	require.Len(t, f.hand, 2)
	require.Equal(t, f.hand, f.live)
	own, other := f.hand[0], f.hand[1]
	require.Equal(t, pair, own.Pair)
	require.True(t, own.Origin)
	require.Equal(t, strict, other.Pair)
	require.False(t, other.Origin)
	for _, r := range f.hand {
		require.Equal(t, permissions.DoNotCall, r.Reason)
		require.True(t, r.DoNotCall)
		require.Equal(t, "meta/wamid.9/optout", r.Event)
		require.Equal(t, "meta/wamid.9", r.Message)
		require.Equal(t, "acme-meta", r.Account)
		require.Equal(t, []permissions.User{ann}, r.Addresses)
	}
	require.Equal(t, permissions.DoNotCall, f.check(t, strict).Reason)
	entry, ok, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "message", entry.Source)
	require.Equal(t, "meta/wamid.9/optout", entry.Event)

	// Saying it again changes nothing that depends on it.
	f.advance(time.Second)
	f.record(t, f.says("meta/wamid.10", strict, "STOP"))
	require.Len(t, f.hand, 2)
	require.Greater(t, len(f.live), 2, "a live call would be hung up again")
	again, _, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, entry, again, "the entry dates from the first")
}

// TestOldNewsHangsUpNothing: what newer events outweigh is recorded and has no
// consequence.
func TestOldNewsHangsUpNothing(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	f.record(t, permissions.Event{ID: "old", Kind: permissions.Declined, Pair: pair, At: f.clock().Add(-time.Minute), Auth: permissions.AuthHMAC})
	require.Empty(t, f.hand)
	require.Empty(t, f.live)
	require.True(t, f.check(t, pair).Allow)
	f.record(t, permissions.Event{ID: "new", Kind: permissions.Declined, Pair: pair, At: f.clock().Add(time.Second), Auth: permissions.AuthHMAC})
	require.Len(t, f.hand, 1)
	require.Equal(t, permissions.PermissionDeclined, f.hand[0].Reason)
	require.False(t, f.hand[0].DoNotCall)
	// What comes after it, or from before it, takes nothing more away.
	f.record(t, permissions.Event{ID: "older", Kind: permissions.Revoked, Pair: pair, At: f.clock().Add(-time.Hour), Auth: permissions.AuthHMAC})
	f.advance(2 * time.Second)
	require.True(t, f.ask(t, pair, "a1").Allow)
	require.Len(t, f.hand, 1)
	require.Len(t, f.live, 1)
}

func TestRevokeTxUndoesEverything(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	n := len(f.kinds(t))
	broken := errors.New("callbacks cannot be cancelled")
	f.revokeTx = func(context.Context, *audit.Tx, permissions.Revocation) error { return broken }
	_, err := f.Record(t.Context(), f.says("m", pair, "STOP"))
	require.ErrorIs(t, err, broken)
	require.Len(t, f.kinds(t), n)
	require.Empty(t, f.live)
	f.revokeTx = nil
	require.Equal(t, 1, f.record(t, f.says("m", pair, "STOP")), "the retry is no duplicate")
}

func TestOperatorsList(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	require.ErrorIs(t, f.RemoveDoNotCall(ctx, ann, "ops", "x"), permissions.ErrNotListed)
	require.ErrorIs(t, f.AddDoNotCall(ctx, "somebody", "ops", "x"), permissions.ErrUser)
	require.NoError(t, f.AddDoNotCall(ctx, ann, "ops", "asked by phone"))
	require.NoError(t, f.AddDoNotCall(ctx, ann, "ops", "again"))
	require.Len(t, f.hand, 1, "at least one, even when no pair is known")
	require.Equal(t, permissions.Pair{User: ann}, f.hand[0].Pair)
	require.Empty(t, f.hand[0].Account, "nobody is written to because of it")
	require.Empty(t, f.hand[0].Message)
	f.advance(time.Second)
	require.NoError(t, f.AddDoNotCall(ctx, "6598765432", "ops", "list"))

	list, next, err := f.DoNotCallList(ctx, permissions.Page{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []permissions.User{ann}, []permissions.User{list[0].User})
	require.Equal(t, "asked by phone", list[0].Reason)
	require.Equal(t, "api", list[0].Source)
	list, next, err = f.DoNotCallList(ctx, permissions.Page{Limit: 1, Cursor: next})
	require.NoError(t, err)
	require.Equal(t, bob, list[0].User)
	require.Empty(t, next)
	_, _, err = f.DoNotCallList(ctx, permissions.Page{Cursor: "nonsense"})
	require.ErrorIs(t, err, permissions.ErrCursor)

	// Lifting restores nothing; the user's own new grant does.
	f.record(t, f.grant("g0", pair))
	require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
	require.NoError(t, f.RemoveDoNotCall(ctx, ann, "ops", "user wrote START"))
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	f.advance(time.Second)
	automatic := f.grant("g1", pair)
	automatic.Automatic = true
	f.record(t, automatic)
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	f.advance(time.Second)
	f.record(t, f.grant("g2", pair))
	require.True(t, f.check(t, pair).Allow)
	_, ok, err := f.DoNotCall(ctx, ann)
	require.NoError(t, err)
	require.False(t, ok)
}

// TestLiftingWinsOverAClockAhead: the provider's clock dated the opt-out after
// the moment at which it is lifted.
func TestLiftingWinsOverAClockAhead(t *testing.T) {
	f := newFixture(t)
	stop := f.says("m", pair, "STOP")
	stop.At = f.clock().Add(3 * time.Second)
	f.record(t, stop)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "mistake"))
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
}

func TestOneUserUnderTwoAddresses(t *testing.T) {
	f := newFixture(t)
	byNumber, byBSUID := pair, permissions.Pair{Business: metaNumber, User: annBSUID}
	f.record(t, f.grant("g1", byNumber))
	f.record(t, f.says("m1", byBSUID, "stop calls"))
	require.True(t, f.check(t, byNumber).Allow, "nobody knows yet that they are one")
	a, ok, err := f.Subject(t.Context(), ann)
	require.NoError(t, err)
	require.True(t, ok)
	b, _, err := f.Subject(t.Context(), annBSUID)
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.Len(t, a, 32)
	before := len(f.hand)

	e := f.says("m2", byNumber, "hello")
	e.Aliases = []permissions.User{annBSUID, annBSUID, ann}
	f.record(t, e)
	require.Equal(t, permissions.DoNotCall, f.check(t, byNumber).Reason)
	require.Equal(t, permissions.DoNotCall, f.check(t, byBSUID).Reason)
	require.Len(t, f.hand, before+1, "the merge took the number's permission away")
	require.Equal(t, []permissions.User{ann, annBSUID}, f.hand[before].Addresses)
	again, _, err := f.Subject(t.Context(), annBSUID)
	require.NoError(t, err)
	same, _, err := f.Subject(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, same, again)
	all, err := f.Subjects(t.Context(), ann)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{a, b}, all, "the audit knows them under both")
	require.Contains(t, f.kinds(t), "subject.merged")
	list, _, err := f.DoNotCallList(t.Context(), permissions.Page{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	states, _, err := f.Permissions(t.Context(), "", permissions.Page{})
	require.NoError(t, err)
	require.Len(t, states, 1)
}

// TestMergeWithTwoOpenAttempts: two attempts of what turns out to be one user
// both end properly, and neither lets a third begin.
func TestMergeWithTwoOpenAttempts(t *testing.T) {
	f := newFixture(t)
	byBSUID := permissions.Pair{Business: metaNumber, User: annBSUID}
	f.record(t, f.grant("g1", pair), f.grant("g2", byBSUID))
	one, _ := f.authorize(t, pair, "c1")
	two, _ := f.authorize(t, byBSUID, "c2")
	e := f.says("m", pair, "hello")
	e.Aliases = []permissions.User{annBSUID}
	f.record(t, e)
	for _, ticket := range []*permissions.Ticket{one, two} {
		_, d := f.authorize(t, pair, "c3/"+ticket.CallID())
		require.Equal(t, permissions.AttemptInProgress, d.Reason)
		f.settle(t, ticket, permissions.OutcomeConnected)
	}
	_, d := f.authorize(t, byBSUID, "c4")
	require.True(t, d.Allow)
	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, 2, s.Connected)
}

func TestTimesOfEvents(t *testing.T) {
	f := newFixture(t)
	undated := f.grant("g1", pair)
	undated.At = time.Time{}
	future := f.grant("g2", permissions.Pair{Business: metaNumber, User: bob})
	future.At = f.clock().AddDate(70, 0, 0)
	f.record(t, undated, future)
	for _, p := range []permissions.Pair{pair, future.Pair} {
		s, err := f.Permission(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, f.clock(), s.GrantedAt, "a forged time does not outlast revocations")
	}
	events, err := f.Events(t.Context(), pair)
	require.NoError(t, err)
	require.Equal(t, f.clock(), events[0].Received)
	require.Equal(t, pair, events[0].Pair)
}

func TestEventsNeedAnIdentity(t *testing.T) {
	f := newFixture(t)
	good := f.grant("g", pair)
	for name, spoil := range map[string]func(e *permissions.Event){
		"id":       func(e *permissions.Event) { e.ID = "" },
		"kind":     func(e *permissions.Event) { e.Kind = "guessed" },
		"user":     func(e *permissions.Event) { e.Pair.User = " " },
		"business": func(e *permissions.Event) { e.Pair.Business = "" },
	} {
		e := good
		spoil(&e)
		n, err := f.Record(t.Context(), good, e)
		require.ErrorIs(t, err, permissions.ErrEvent, name)
		require.Zero(t, n)
		require.NotContains(t, err.Error(), "9123", "no number in an error")
	}
	require.Equal(t, 1, f.record(t, good), "nothing of a spoilt batch was stored")
}

// TestPersonalDataStaysInItsPlace: numbers are in one column, texts nowhere but
// under seal.
func TestPersonalDataStaysInItsPlace(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair), f.says("m1", pair, "my name is Annabel, stop calls"))
	f.authorize(t, pair, "c1")
	rows, err := f.db.Read.QueryContext(t.Context(), `SELECT body FROM permission_events`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var body string
		require.NoError(t, rows.Scan(&body))
		require.NotContains(t, body, "91234567")
		require.NotContains(t, body, "Annabel")
	}
	require.NoError(t, rows.Err())
	for _, name := range []string{f.db.Path, f.db.Path + "-wal"} {
		raw, err := os.ReadFile(name)
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
			require.NotContains(t, string(raw), "Annabel")
		}
	}
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Kind: "message.received"})
	require.NoError(t, err)
	var payload map[string]any
	require.NoError(t, json.Unmarshal(entries[0].Payload, &payload))
	require.Equal(t, "my name is Annabel, stop calls", payload["text"])
	require.Equal(t, string(ann), payload["user"])
	require.Equal(t, "hmac", payload["auth"])
}

func TestAuditTellsWhatChanged(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair))
	_, d := f.authorize(t, pair, "c1")
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Limit: 100})
	require.NoError(t, err)
	byKind := map[string]map[string]any{}
	for _, e := range entries {
		var payload map[string]any
		require.NoError(t, json.Unmarshal(e.Payload, &payload))
		byKind[e.Kind] = payload
		if e.Kind == "decision.allowed" {
			require.Equal(t, d.AuditIndex, e.Index)
		}
	}
	granted := byKind["permission.granted"]
	require.Equal(t, "no_permission", granted["before"].(map[string]any)["status"])
	require.Equal(t, "temporary", granted["after"].(map[string]any)["status"])
	require.Equal(t, "meta@2026-11-22", granted["rulePack"])
	decision := byKind["decision.allowed"]
	require.Equal(t, "c1", decision["callId"])
	require.Equal(t, "start_call", decision["action"])
	require.Equal(t, "g1", decision["grant"])
	require.Len(t, decision["rules"], len(d.Rules), "every rule that was looked at")
	require.NotContains(t, decision, "auditIndex", "an entry does not know its own place")
	require.Equal(t, "g1", byKind["call.attempted"]["ref"], "the use cites the consent")

	// A refusal is an entry too, and of an address that is none nothing is kept.
	_, refused := f.authorize(t, permissions.Pair{Business: metaNumber, User: "+6591x"}, "c2")
	require.Equal(t, permissions.InvalidUser, refused.Reason)
	entries, err = f.log.Entries(t.Context(), audit.Query{After: refused.AuditIndex - 1, Limit: 1})
	require.NoError(t, err)
	require.Empty(t, entries[0].Subject)
	require.NotContains(t, string(entries[0].Payload), "6591x")
}

func TestListings(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		u := permissions.User(fmt.Sprintf("+659000000%d", i))
		f.record(t, f.grant(fmt.Sprint("m", i), permissions.Pair{Business: metaNumber, User: u}))
		f.record(t, f.grant(fmt.Sprint("s", i), permissions.Pair{Business: strictPhone, User: u}))
	}
	for business, want := range map[string]int{"": 10, string(metaNumber): 5, strings.TrimPrefix(string(strictPhone), "+"): 5} {
		var all []permissions.Permission
		page := permissions.Page{Limit: 3}
		for {
			list, next, err := f.Permissions(t.Context(), geo.E164(business), page)
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), 3)
			all = append(all, list...)
			if page.Cursor = next; next == "" {
				break
			}
		}
		require.Len(t, all, want)
		for _, s := range all {
			one, err := f.Permission(t.Context(), s.Pair)
			require.NoError(t, err)
			require.Equal(t, one, s)
			require.Equal(t, permissions.StatusTemporary, s.Status)
		}
	}
	_, next, err := f.Permissions(t.Context(), metaNumber, permissions.Page{Limit: 1})
	require.NoError(t, err)
	_, _, err = f.Permissions(t.Context(), strictPhone, permissions.Page{Cursor: next})
	require.ErrorIs(t, err, permissions.ErrCursor, "of another listing")
	require.Equal(t, 100, permissions.Page{}.Size())
	require.Equal(t, 1000, permissions.Page{Limit: 5000}.Size())
	_, _, err = f.Permissions(t.Context(), "", permissions.Page{Cursor: "%"})
	require.ErrorIs(t, err, permissions.ErrCursor)
}

// TestOurRevocationBeatsAClockAhead: the provider dated the grant after the
// moment at which an operator takes it away.
func TestOurRevocationBeatsAClockAhead(t *testing.T) {
	f := newFixture(t)
	g := f.grant("g1", pair)
	g.At = f.clock().Add(3 * time.Second)
	f.record(t, g)
	f.record(t, permissions.Event{ID: "r", Kind: permissions.Revoked, Pair: pair, At: f.clock(), Auth: permissions.AuthOperator, Actor: "ops"})
	require.Equal(t, permissions.PermissionRevoked, f.check(t, pair).Reason)
	require.Len(t, f.hand, 1)
}

func TestNoMessageIsTooLong(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("\x00", 3<<20) + " stop calls"
	require.Equal(t, 1, f.record(t, f.says("m", pair, long)))
	require.Equal(t, permissions.DoNotCall, f.check(t, pair).Reason)
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Kind: "message.received"})
	require.NoError(t, err)
	var payload struct {
		Text       string
		TextLength int
	}
	require.NoError(t, json.Unmarshal(entries[0].Payload, &payload))
	require.Len(t, payload.Text, 64<<10)
	require.Len(t, long, payload.TextLength)
}
