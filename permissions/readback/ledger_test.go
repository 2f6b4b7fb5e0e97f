package readback_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/migrations"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/permissions/readback"
)

// company is a reader over the real ledger, in a bubble of synctest, and its
// providers.
type company struct {
	*readback.Reader

	t      *testing.T
	ledger *permissions.Ledger
	log    *audit.Log
	eight  *provider
	meta   *provider
}

func anyHour(base string) json.RawMessage {
	doc, _ := json.Marshal(map[string]any{
		"name": base + "-any-hour", "version": "1", "valid_from": "2026-01-01", "base": base, "hours": nil,
		"sources": map[string]string{"hours": "tests about other rules"},
	})
	return doc
}

func newCompany(t *testing.T) *company {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))) // a bubble begins in 2000
	dir := t.TempDir()
	db, err := migrations.Open(t.Context(), filepath.Join(dir, "callctl.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	c := &company{t: t, eight: &provider{took: 50 * time.Millisecond}, meta: &provider{took: 50 * time.Millisecond}}
	c.log, err = audit.New(t.Context(), audit.Config{
		Write: db.Write, Read: db.Read, Dir: filepath.Join(dir, "audit"), Origin: "callctl/test", Now: time.Now,
	})
	require.NoError(t, err)
	rules, err := geo.Load()
	require.NoError(t, err)
	c.ledger, err = permissions.New(permissions.Config{
		Log: c.log, Read: db.Read, Geo: rules,
		Packs: []json.RawMessage{anyHour("8x8-strict"), anyHour("meta")},
		Businesses: []permissions.Business{
			{Number: eightNumber, Account: "acme-8x8", Rules: "8x8-strict-any-hour", Silent: true},
			{Number: metaNumber, Account: "acme-meta", Rules: "meta-any-hour"},
		},
	})
	require.NoError(t, err)
	c.none(c.eight)
	c.none(c.meta)
	c.open()
	return c
}

// open makes the reader, as a process does at its start.
func (c *company) open() {
	c.t.Helper()
	var err error
	c.Reader, err = readback.New(readback.Config{
		Ledger: c.ledger,
		Accounts: []readback.Account{
			{Name: "acme-8x8", Business: eightNumber, Source: c.eight, Rate: 5, Retries: eightRetries},
			{Name: "acme-meta", Business: metaNumber, Source: c.meta, Rate: 5, Retries: metaRetries},
		},
	})
	require.NoError(c.t, err)
}

func (c *company) none(p *provider) {
	p.set(func(p *provider) { p.state = permissions.ProviderState{Status: permissions.StatusNone} })
}

func (c *company) holds(p *provider, expires time.Time) {
	p.set(func(p *provider) {
		p.state = permissions.ProviderState{Status: permissions.StatusTemporary, Expires: expires.Truncate(time.Second)}
	})
}

func (c *company) record(e permissions.Event) {
	c.t.Helper()
	e.At = time.Now()
	_, err := c.ledger.Record(c.t.Context(), e)
	require.NoError(c.t, err)
}

// grant is a grant that came by a webhook of 8x8, or of Meta.
func (c *company) grant(id string, p permissions.Pair, auth permissions.Auth, expires time.Time) {
	c.t.Helper()
	c.record(permissions.Event{ID: id, Kind: permissions.Granted, Pair: p, Auth: auth, Expires: expires.Truncate(time.Second)})
}

// dial is what happens before a dial: the read-back, then the gate.
func (c *company) dial(p permissions.Pair) permissions.Decision {
	c.t.Helper()
	_ = c.Before(c.t.Context(), p) // what it could not read, the gate judges
	d, err := c.ledger.Check(c.t.Context(), permissions.Query{Pair: p})
	require.NoError(c.t, err)
	return d
}

func (c *company) state(p permissions.Pair) permissions.Permission {
	c.t.Helper()
	s, err := c.ledger.Permission(c.t.Context(), p)
	require.NoError(c.t, err)
	return s
}

func (c *company) run() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(c.t, <-ended)
	}
}

// entries are the kinds of the audit that begin so.
func (c *company) entries(kind string) int {
	c.t.Helper()
	all, err := c.log.Entries(c.t.Context(), audit.Query{After: -1, Limit: 1000})
	require.NoError(c.t, err)
	n := 0
	for _, e := range all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestAnAutomaticGrantOf8x8IsFoundBeforeADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		require.Equal(t, permissions.NoPermission, c.dial(onEight).Reason)
		time.Sleep(time.Minute)
		c.holds(c.eight, time.Now().Add(168*time.Hour)) // the user called the business
		require.Equal(t, permissions.NoPermission, c.dial(onEight).Reason, "8x8 was asked a moment ago")
		c.Called(onEight)
		d := c.dial(onEight)
		require.True(t, d.Allow, d.Reason)
		s := c.state(onEight)
		require.Equal(t, permissions.AuthReadBack, s.GrantAuth)
		require.True(t, s.Verified)
		require.Equal(t, 1, c.entries("permission.granted"))
	})
}

func TestAnAutomaticRevocationOf8x8IsFoundBeforeADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		c.grant("8x8/1", onEight, permissions.AuthBearer, time.Now().Add(168*time.Hour))
		require.Equal(t, permissions.PermissionRevoked, c.dial(onEight).Reason, "8x8 revoked it after four unanswered calls")
		require.Len(t, c.eight.questions(), 1)
		require.Equal(t, permissions.StatusNone, c.state(onEight).Status)
		require.Equal(t, 1, c.entries("permission.revoked"))
	})
}

func TestAnUnsignedGrantIsDialledOnOnlyAfterTheProviderConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		expires := time.Now().Add(8 * time.Hour)
		c.grant("8x8/1", onEight, permissions.AuthBearer, expires)
		for _, err := range []error{errDown, &tooOftenError{wait: 10 * time.Second}} {
			c.eight.set(func(p *provider) { p.err = err })
			require.Equal(t, permissions.PermissionUnverified, c.dial(onEight).Reason, "the provider is down: no dial")
		}
		c.eight.set(func(p *provider) { p.err = nil })
		c.holds(c.eight, expires)
		require.Equal(t, permissions.PermissionUnverified, c.dial(onEight).Reason, "it wants to be left alone")
		time.Sleep(12 * time.Second)
		granted := c.state(onEight).GrantedAt
		d := c.dial(onEight)
		require.True(t, d.Allow, d.Reason)
		s := c.state(onEight)
		require.Equal(t, "8x8/1", s.Grant)
		require.Equal(t, granted, s.GrantedAt, "no clock starts again")
		asked := len(c.eight.questions())
		require.True(t, c.dial(onEight).Allow)
		require.Len(t, c.eight.questions(), asked, "confirmed once")
	})
}

func TestAnOldGrantIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		expires := time.Now().Add(160 * time.Hour)
		c.grant("meta/1", onMeta, permissions.AuthHMAC, expires)
		c.holds(c.meta, expires)
		require.True(t, c.dial(onMeta).Allow)
		require.Empty(t, c.meta.questions(), "a signed grant of today")
		time.Sleep(25 * time.Hour)
		require.True(t, c.dial(onMeta).Allow)
		require.Len(t, c.meta.questions(), 1)
		require.True(t, c.dial(onMeta).Allow)
		require.Len(t, c.meta.questions(), 1, "once a day")
		time.Sleep(25 * time.Hour)
		c.meta.set(func(p *provider) { p.err = errDown })
		d := c.dial(onMeta)
		require.Equal(t, d.Allow, d.Reason == permissions.Allowed)
		c.meta.set(func(p *provider) { p.err = nil })
		c.none(c.meta)
		require.False(t, c.dial(onMeta).Allow, "withdrawn, and the webhook never came")
		require.Equal(t, permissions.PermissionRevoked, c.dial(onMeta).Reason)
	})
}

// What ran out by itself was not withdrawn.
func TestAGrantThatExpiredAtTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		c.grant("meta/1", onMeta, permissions.AuthHMAC, time.Now().Add(30*time.Hour))
		time.Sleep(31 * time.Hour)
		require.Equal(t, permissions.PermissionExpired, c.dial(onMeta).Reason)
		require.Empty(t, c.meta.questions(), "Meta tells of new grants itself")
		c.grant("8x8/1", onEight, permissions.AuthBearer, time.Now().Add(8*time.Hour))
		time.Sleep(9 * time.Hour)
		require.Equal(t, permissions.PermissionExpired, c.dial(onEight).Reason)
		require.Len(t, c.eight.questions(), 1, "8x8 does not")
		require.Zero(t, c.entries("permission.revoked"))
	})
}

func TestARefusalIsResolvedByAsking(t *testing.T) {
	for _, revoked := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := newCompany(t)
			expires := time.Now().Add(160 * time.Hour)
			c.grant("meta/1", onMeta, permissions.AuthHMAC, expires)
			if !revoked {
				c.holds(c.meta, expires)
			}
			stop := c.run()
			ticket, d, err := c.ledger.Authorize(t.Context(), permissions.Attempt{Pair: onMeta, CallID: "call-1"})
			require.NoError(t, err)
			require.True(t, d.Allow, d.Reason)
			require.NoError(t, c.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
				tx.OnCommit(func() { c.Refused(onMeta) })
				return ticket.Settle(ctx, tx, permissions.OutcomeRefused)
			}))
			d, err = c.ledger.Check(t.Context(), permissions.Query{Pair: onMeta})
			require.NoError(t, err)
			require.Equal(t, permissions.PermissionUnverified, d.Reason, "in doubt until the provider was asked")
			time.Sleep(time.Second)
			d, err = c.ledger.Check(t.Context(), permissions.Query{Pair: onMeta})
			require.NoError(t, err)
			require.Equal(t, !revoked, d.Allow, d.Reason)
			require.Len(t, c.meta.questions(), 1)
			stop()
		})
	}
}

func TestALimitThatDiffersIsADrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		expires := time.Now().Add(8 * time.Hour)
		c.grant("8x8/1", onEight, permissions.AuthBearer, expires)
		c.eight.set(func(p *provider) {
			p.state = permissions.ProviderState{
				Status: permissions.StatusTemporary, Expires: expires.Truncate(time.Second),
				Actions: []permissions.ProviderAction{{Name: "start_call", Can: true, Limits: []permissions.ProviderLimit{{Period: "PT24H", Max: 5}}}},
			}
		})
		require.True(t, c.dial(onEight).Allow)
		require.Equal(t, 1, c.entries("provider.limit_drift"))
		_, _, err := c.Reconcile(t.Context(), eightNumber)
		require.NoError(t, err)
		require.Equal(t, 1, c.entries("provider.limit_drift"), "once for each change")
	})
}

// What happened in an outage longer than the provider's retries is found after it.
func TestOutagesOnTheRealLedger(t *testing.T) {
	for _, o := range []struct {
		name        string
		length      time.Duration
		eight, meta int
	}{
		{"ten minutes", 10 * time.Minute, 1, 0},
		{"eight days", 8 * 24 * time.Hour, 0, 1},
	} {
		t.Run(o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCompany(t)
				c.grant("8x8/1", onEight, permissions.AuthBearer, time.Now().Add(7*24*time.Hour))
				c.record(permissions.Event{ID: "meta/1", Kind: permissions.Granted, Pair: onMeta, Auth: permissions.AuthHMAC, Permanent: true})
				stop := c.run()
				time.Sleep(time.Minute)
				stop()
				require.Empty(t, c.eight.questions())

				time.Sleep(o.length) // both users withdraw, and nobody hears it
				c.open()
				stop = c.run()
				time.Sleep(time.Minute)
				stop()
				require.Len(t, c.eight.questions(), o.eight, "an 8x8 grant of 24 hours is none after eight days")
				require.Len(t, c.meta.questions(), o.meta)
				want := permissions.StatusPermanent
				if o.meta > 0 {
					want = permissions.StatusNone
				}
				require.Equal(t, want, c.state(onMeta).Status)
				require.Equal(t, permissions.StatusNone, c.state(onEight).Status)
				require.Equal(t, 1, c.entries("permission.revoked"))
				last, err := c.ledger.LastAlive(t.Context())
				require.NoError(t, err)
				require.WithinDuration(t, time.Now(), last, time.Minute)
			})
		})
	}
}

func TestAnOptOutIsNeverAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t)
		c.grant("8x8/1", onEight, permissions.AuthBearer, time.Now().Add(8*time.Hour))
		c.record(permissions.Event{ID: "8x8/2", Kind: permissions.Messaged, Pair: onEight, Auth: permissions.AuthBearer, Text: "stop calls"})
		c.holds(c.eight, time.Now().Add(168*time.Hour))
		require.Equal(t, permissions.DoNotCall, c.dial(onEight).Reason)
		require.Empty(t, c.eight.questions())
		_, _, err := c.Reconcile(t.Context(), eightNumber)
		require.NoError(t, err)
		require.Empty(t, c.eight.questions())
	})
}
