package permissions_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
)

const (
	ownNumber   = geo.E164("+6531234567")
	otherNumber = geo.E164("+6531234568")
	somebody    = permissions.User("+6591234567")
)

// listKeeper is a ledger of two brands under a pack whose opt-outs reach one.
type listKeeper struct {
	*permissions.Ledger

	log *audit.Log
	now time.Time
}

func newListKeeper(t *testing.T, businesses ...permissions.Business) *listKeeper {
	t.Helper()
	k := &listKeeper{now: time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)}
	clock := func() time.Time { k.now = k.now.Add(time.Second); return k.now }
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	k.log, err = audit.New(t.Context(), audit.Config{Write: db.Write, Read: db.Read, Dir: filepath.Join(dir, "audit"), Now: clock})
	require.NoError(t, err)
	rules, err := geo.Load()
	require.NoError(t, err)
	k.Ledger, err = permissions.New(permissions.Config{
		Log: k.log, Read: db.Read, Geo: rules, Now: clock, Businesses: businesses,
		Packs: []json.RawMessage{json.RawMessage(`{"name": "brand", "version": "2025-01-01", "valid_from": "2025-01-01", "base": "meta",
			"revocation": {"scope": "brand"}, "sources": {"revocation.scope": "a test"}}`)},
	})
	require.NoError(t, err)
	return k
}

func twoBrands() []permissions.Business {
	return []permissions.Business{
		{Number: ownNumber, Account: "one", Rules: "brand", Brand: "one"},
		{Number: otherNumber, Account: "two", Rules: "brand", Brand: "two"},
	}
}

func (k *listKeeper) list(t *testing.T, x permissions.Listing) (added bool, err error) {
	t.Helper()
	err = k.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
		var err error
		added, err = k.ImportTx(ctx, tx, x)
		return err
	})
	return added, err
}

func (k *listKeeper) says(t *testing.T, id, text string) {
	t.Helper()
	_, err := k.Record(t.Context(), permissions.Event{
		ID: id, Kind: permissions.Messaged, Text: text, At: k.now, Auth: permissions.AuthHMAC, Account: "one",
		Pair: permissions.Pair{Business: ownNumber, User: somebody},
	})
	require.NoError(t, err)
}

func (k *listKeeper) permission(t *testing.T, business geo.E164) permissions.Permission {
	t.Helper()
	s, err := k.Permission(t.Context(), permissions.Pair{Business: business, User: somebody})
	require.NoError(t, err)
	return s
}

func listing(id string, c permissions.Channels) permissions.Listing {
	return permissions.Listing{ID: id, List: "import/1", User: somebody, Channels: c, Actor: "ops", Reason: "the old list"}
}

// A list is for every brand: an opt-out of one does not make the line superfluous.
func TestListingReachesEveryBrand(t *testing.T) {
	k := newListKeeper(t, twoBrands()...)
	k.says(t, "meta/1", "stop calls")
	require.True(t, k.permission(t, ownNumber).DoNotCall)
	require.False(t, k.permission(t, otherNumber).DoNotCall, "the pack says brand")
	listed, err := k.Listed(t.Context(), somebody, permissions.ChannelsCalls)
	require.NoError(t, err)
	require.False(t, listed)
	added, err := k.list(t, listing("import/1/2", permissions.ChannelsCalls))
	require.NoError(t, err)
	require.True(t, added)
	require.True(t, k.permission(t, otherNumber).DoNotCall)
	listed, err = k.Listed(t.Context(), somebody, permissions.ChannelsCalls)
	require.NoError(t, err)
	require.True(t, listed)
	added, err = k.list(t, listing("import/2/2", permissions.ChannelsCalls))
	require.NoError(t, err)
	require.False(t, added)
}

// A stop of messages holds for each of our numbers, also against a START of
// before, and leaves calls alone. It is added where it is missing.
func TestListingOfMessages(t *testing.T) {
	k := newListKeeper(t, twoBrands()...)
	k.says(t, "meta/1", "no more messages")
	require.True(t, k.permission(t, ownNumber).MessagesStopped)
	require.False(t, k.permission(t, otherNumber).MessagesStopped)
	k.says(t, "meta/2", "START")
	require.False(t, k.permission(t, ownNumber).MessagesStopped)

	x := listing("import/1/2", permissions.ChannelsMessages)
	x.Since = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	added, err := k.list(t, x)
	require.NoError(t, err)
	require.True(t, added)
	for _, b := range []geo.E164{ownNumber, otherNumber} {
		require.True(t, k.permission(t, b).MessagesStopped)
		require.False(t, k.permission(t, b).DoNotCall)
	}
	x.ID = "import/2/2"
	added, err = k.list(t, x)
	require.NoError(t, err)
	require.False(t, added, "nothing is missing")

	x.ID, x.Channels = "import/3/2", permissions.ChannelsAll
	listed, err := k.Listed(t.Context(), somebody, permissions.ChannelsAll)
	require.NoError(t, err)
	require.False(t, listed)
	added, err = k.list(t, x)
	require.NoError(t, err)
	require.True(t, added, "the calls are")
	require.True(t, k.permission(t, ownNumber).DoNotCall)
}

func TestListingsAreChecked(t *testing.T) {
	k := newListKeeper(t, twoBrands()...)
	for want, x := range map[error]permissions.Listing{
		permissions.ErrUser:   {ID: "i", User: "somebody", Actor: "ops", Reason: "x"},
		permissions.ErrReason: {ID: "i", User: somebody, Actor: "ops"},
		permissions.ErrEvent:  {User: somebody, Actor: "ops", Reason: "x"},
	} {
		_, err := k.list(t, x)
		require.ErrorIs(t, err, want)
	}
	_, err := k.Listed(t.Context(), "somebody", permissions.ChannelsCalls)
	require.ErrorIs(t, err, permissions.ErrUser)
	_, err = newListKeeper(t).list(t, listing("i", permissions.ChannelsMessages))
	require.ErrorIs(t, err, permissions.ErrBusiness)
	_, err = k.Record(t.Context(), permissions.Event{
		ID: "i", Kind: permissions.Granted, Auth: permissions.AuthImport, Pair: permissions.Pair{Business: ownNumber, User: somebody},
	})
	require.ErrorIs(t, err, permissions.ErrEvent, "a list grants nothing")
	_, err = k.Record(t.Context(), permissions.Event{
		ID: "i", Kind: permissions.OptOutLifted, Auth: permissions.AuthImport, Pair: permissions.Pair{User: somebody},
	})
	require.ErrorIs(t, err, permissions.ErrEvent, "and lifts nothing")
}

// What the confirmer is told of an opt-out.
func TestOptOutTx(t *testing.T) {
	k := newListKeeper(t, twoBrands()...)
	ask := func(event string) (o permissions.OptOut, ok bool) {
		subject, _, err := k.Subject(t.Context(), somebody)
		require.NoError(t, err)
		require.NoError(t, k.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			o, ok, err = k.OptOutTx(ctx, tx, permissions.Revocation{Event: event, Subject: subject})
			return err
		}))
		return o, ok
	}
	k.says(t, "meta/1", "stop calling")
	o, ok := ask("meta/1/optout")
	require.True(t, ok)
	require.Equal(t, permissions.OptOut{Channels: permissions.ChannelsCalls}, o)
	k.says(t, "meta/2", "STOP")
	o, ok = ask("meta/2/optout")
	require.True(t, ok)
	require.Equal(t, permissions.OptOut{Channels: permissions.ChannelsAll}, o)
	o, ok = ask("meta/2/stop")
	require.True(t, ok)
	require.Equal(t, permissions.OptOut{Channels: permissions.ChannelsMessages}, o)
	k.says(t, "meta/3", "and don't call")
	o, ok = ask("meta/3/optout")
	require.True(t, ok)
	require.True(t, o.Silenced)

	_, err := k.list(t, listing("import/1/2", permissions.ChannelsCalls))
	require.NoError(t, err)
	for _, none := range []string{"meta/1", "import/1/2", "nothing", ""} {
		_, ok = ask(none)
		require.False(t, ok, none)
	}
}
