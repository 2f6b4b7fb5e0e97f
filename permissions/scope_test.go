package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

const (
	purposePack = `{"name": "purpose", "version": "1", "valid_from": "2026-01-01", "base": "meta",
		"hours": null, "revocation": {"scope": "purpose"}, "sources": {"revocation.scope": "our policy", "hours": "tests"}}`
	brandPack = `{"name": "brand", "version": "1", "valid_from": "2026-01-01", "base": "meta",
		"hours": null, "revocation": {"scope": "brand"}, "sources": {"revocation.scope": "our policy", "hours": "tests"}}`
	sisterPhone = geo.E164("+6531234569")
	otherPhone  = geo.E164("+6531234570")
)

// branded is a world with two numbers of one brand and one of another.
func branded(tb testing.TB, pack string) *fixture {
	tb.Helper()
	f := newWorld(tb, []string{brandPack, purposePack},
		permissions.Business{Number: metaNumber, Account: "one", Rules: pack, Brand: "acme"},
		permissions.Business{Number: sisterPhone, Account: "two", Rules: pack, Brand: "acme"},
		permissions.Business{Number: otherPhone, Account: "other", Rules: pack})
	for _, b := range []geo.E164{metaNumber, sisterPhone, otherPhone} {
		g := f.grant("g/"+string(b), permissions.Pair{Business: b, User: ann})
		g.Permanent = true
		f.record(tb, g)
	}
	f.advance(time.Minute)
	return f
}

func (f *fixture) may(tb testing.TB, business geo.E164, purpose string) permissions.Reason {
	tb.Helper()
	d, err := f.Check(tb.Context(), permissions.Query{Pair: permissions.Pair{Business: business, User: ann}, Purpose: purpose})
	require.NoError(tb, err)
	return d.Reason
}

// TestAnOptOutOfABrand ends the brand's calls, and no other's, and one lifting ends
// it everywhere.
func TestAnOptOutOfABrand(t *testing.T) {
	f := branded(t, "brand")
	f.record(t, f.says("m", pair, "stop calls"))
	require.Equal(t, permissions.DoNotCall, f.may(t, metaNumber, ""))
	require.Equal(t, permissions.DoNotCall, f.may(t, sisterPhone, ""))
	require.Equal(t, permissions.Allowed, f.may(t, otherPhone, ""))
	entry, ok, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, permissions.ScopeBrand, entry.Scope)
	require.Equal(t, "acme", entry.Brand)

	// An operator's entry reaches everybody, also who is on the list in part.
	f.advance(time.Minute)
	require.NoError(t, f.AddDoNotCall(t.Context(), ann, "ops", "asked by phone"))
	require.Equal(t, permissions.DoNotCall, f.may(t, otherPhone, ""))
	entry, _, err = f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, permissions.ScopeAll, entry.Scope)
	list, _, err := f.DoNotCallList(t.Context(), permissions.Page{})
	require.NoError(t, err)
	require.Len(t, list, 2)
	f.advance(time.Minute)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "asked to be called"))
	list, _, err = f.DoNotCallList(t.Context(), permissions.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, permissions.PermissionRevoked, f.may(t, metaNumber, ""))
}

// TestAnOptOutOfAPurpose: what the last request or call was for is what ends.
func TestAnOptOutOfAPurpose(t *testing.T) {
	f := branded(t, "purpose")
	ticket, d, err := f.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c1", Purpose: "sales"})
	require.NoError(t, err)
	require.True(t, d.Allow, d.Reason)
	f.settle(t, ticket, permissions.OutcomeConnected)
	f.advance(time.Minute)
	f.record(t, f.says("m", pair, "stop calls"))
	for _, b := range []geo.E164{metaNumber, sisterPhone} {
		require.Equal(t, permissions.DoNotCall, f.may(t, b, "sales"), b)
		require.Equal(t, permissions.Allowed, f.may(t, b, "delivery"), b)
	}
	require.Equal(t, permissions.Allowed, f.may(t, otherPhone, "sales"))
	entry, _, err := f.DoNotCall(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, permissions.ScopePurpose, entry.Scope)
	require.Equal(t, "sales", entry.Purpose)
	require.NoError(t, f.RemoveDoNotCall(t.Context(), ann, "ops", "asked to be called"))
	require.Equal(t, permissions.Allowed, f.may(t, metaNumber, "sales"), "the grant was never taken away")
}

// TestAnOptOutOfAnUnknownPurpose reaches the whole brand.
func TestAnOptOutOfAnUnknownPurpose(t *testing.T) {
	f := branded(t, "purpose")
	f.record(t, f.says("m", pair, "stop calls"))
	require.Equal(t, permissions.DoNotCall, f.may(t, sisterPhone, "delivery"))
	require.Equal(t, permissions.Allowed, f.may(t, otherPhone, "delivery"))
}

// TestAPurposeThatEndsWhileItRings: the ticket of such a call is no way to a dial.
func TestAPurposeThatEndsWhileItRings(t *testing.T) {
	f := branded(t, "purpose")
	sales, d, err := f.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c1", Purpose: "sales"})
	require.NoError(t, err)
	require.True(t, d.Allow)
	require.NoError(t, sales.Confirm(t.Context()))
	f.record(t, f.says("m", pair, "stop calls"))
	var refusal *permissions.Refusal
	require.ErrorAs(t, sales.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.DoNotCall, refusal.Decision.Reason)
}

// TestScopeOfARevocation: what depends on it learns how far it reaches.
func TestScopeOfARevocation(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g", pair), f.says("m", pair, "STOP"))
	require.Len(t, f.hand, 1)
	require.Equal(t, permissions.ScopeAll, f.hand[0].Scope)
	require.Empty(t, f.hand[0].Brand)
	kinds := f.kinds(t)
	require.Equal(t, []string{"message.received", "dnc.added", "message.stopped"}, kinds[len(kinds)-3:])
	s, err := f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.True(t, s.MessagesStopped)
	f.advance(time.Minute)
	f.record(t, f.says("n", pair, "START"))
	s, err = f.Permission(t.Context(), pair)
	require.NoError(t, err)
	require.False(t, s.MessagesStopped)
	require.True(t, s.DoNotCall, "START restores no calls")
}

// TestAPurposeIsOneHoweverItIsWritten: an opt-out is not got round by another
// spelling of its purpose.
func TestAPurposeIsOneHoweverItIsWritten(t *testing.T) {
	f := branded(t, "purpose")
	ticket, _, err := f.Authorize(t.Context(), permissions.Attempt{Pair: pair, CallID: "c1", Purpose: "Sales"})
	require.NoError(t, err)
	f.settle(t, ticket, permissions.OutcomeConnected)
	f.advance(time.Minute)
	f.record(t, f.says("m", pair, "stop calls"))
	for _, purpose := range []string{"Sales", "sales", " SALES", " "} {
		require.Equal(t, permissions.DoNotCall, f.may(t, metaNumber, purpose), purpose)
	}
	require.Equal(t, permissions.Allowed, f.may(t, metaNumber, "delivery"))
}

// TestEveryLineOfTheListIsOnAPage, also when one user has several of one instant.
func TestEveryLineOfTheListIsOnAPage(t *testing.T) {
	f := branded(t, "brand")
	f.record(t, f.says("m1", pair, "stop calls"))
	other := permissions.Pair{Business: otherPhone, User: ann}
	f.record(t, f.says("m2", other, "stop calls"))
	var brands []string
	page := permissions.Page{Limit: 1}
	for range 3 {
		list, next, err := f.DoNotCallList(t.Context(), page)
		require.NoError(t, err)
		for _, e := range list {
			brands = append(brands, e.Brand)
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	require.Equal(t, []string{"acme", "other"}, brands)
}
