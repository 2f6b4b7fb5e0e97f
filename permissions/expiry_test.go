package permissions_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

func (f *fixture) sweep(tb testing.TB) permissions.Swept {
	tb.Helper()
	s, err := f.Sweep(tb.Context())
	require.NoError(tb, err)
	return s
}

// count is how many entries of a kind the audit has.
func (f *fixture) count(tb testing.TB, kind string) int {
	tb.Helper()
	n := 0
	for _, k := range f.kinds(tb) {
		if k == kind {
			n++
		}
	}
	return n
}

// TestSweepMarksOnce: the warning before the end and the end, once each for every
// grant, whatever happens in between.
func TestSweepMarksOnce(t *testing.T) {
	f := newWorld(t, nil)
	strict := permissions.Pair{Business: strictPhone, User: ann}
	forever := f.grant("forever", permissions.Pair{Business: metaNumber, User: bob})
	forever.Permanent = true
	f.record(t, f.grant("g8", strict), f.grant("gm", pair), forever)
	begin := f.clock()
	var swept []permissions.Swept
	for f.clock().Before(begin.Add(200 * time.Hour)) {
		f.advance(10 * time.Minute)
		if s := f.sweep(t); s.Expired+s.Expiring > 0 {
			s.Longest = 0
			swept = append(swept, s)
		}
		if f.clock().Equal(begin.Add(23*time.Hour + 10*time.Minute)) {
			f.record(t, f.says("m", strict, "hello"), permissions.Event{
				ID: "loc", Kind: permissions.Located, Pair: strict, At: f.clock(), Auth: permissions.AuthOperator, Zone: "Asia/Tokyo",
			})
		}
	}
	require.Equal(t, []permissions.Swept{{Expiring: 1}, {Expired: 1}, {Expiring: 1}, {Expired: 1}}, swept)
	events, err := f.Events(t.Context(), strict)
	require.NoError(t, err)
	var marks []permissions.Recorded
	for _, e := range events {
		if e.Kind == permissions.Expiring || e.Kind == permissions.Expired {
			marks = append(marks, e)
		}
	}
	require.Len(t, marks, 2)
	require.Equal(t, "g8", marks[0].Ref)
	require.Equal(t, begin.Add(24*time.Hour), marks[0].Expires)
	require.WithinDuration(t, begin.Add(23*time.Hour), marks[0].At, 10*time.Minute)
	require.WithinDuration(t, begin.Add(24*time.Hour), marks[1].At, 10*time.Minute)
	s, err := f.Permission(t.Context(), strict)
	require.NoError(t, err)
	require.Equal(t, permissions.PermissionExpired, s.Reason)
	require.True(t, f.check(t, forever.Pair).Allow, "what never ends is never marked")
	f.record(t, f.grant("again", strict))
	f.advance(25 * time.Hour)
	require.Equal(t, 1, f.sweep(t).Expired, "another grant")
}

// TestSweepLeavesAloneWhatWasWithdrawn.
func TestSweepLeavesAloneWhatWasWithdrawn(t *testing.T) {
	f := newFixture(t)
	f.record(t, f.grant("g1", pair), f.grant("g2", permissions.Pair{Business: metaNumber, User: bob}))
	f.advance(time.Minute)
	f.record(t, f.says("m", pair, "stop calls"))
	f.record(t, permissions.Event{ID: "no", Kind: permissions.Declined, Pair: permissions.Pair{Business: metaNumber, User: bob}, At: f.clock(), Auth: permissions.AuthHMAC})
	f.advance(300 * time.Hour)
	s := f.sweep(t)
	require.Zero(t, s.Expired+s.Expiring)
}

// TestSweepFollowsTheRulePack: another version of the pack moves the ends, and what
// it prolongs goes on living.
func TestSweepFollowsTheRulePack(t *testing.T) {
	pack := func(version, from, age string) string {
		return fmt.Sprintf(`{"name": "acme", "version": %q, "valid_from": %q, "base": "meta", "hours": null,
			"grant": {"max_age": %q, "warning": ""}, "sources": {"grant.max_age": "ours", "grant.warning": "ours", "hours": "tests"}}`, version, from, age)
	}
	f := newWorld(t, []string{pack("1", "2026-01-01", "72h"), pack("2", "2026-11-24", "120h"), pack("3", "2026-11-26", "90h")},
		permissions.Business{Number: metaNumber, Account: "one", Rules: "acme"})
	for i := range 5 {
		f.record(t, f.grant(fmt.Sprint("g", i), permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659000000%d", i))}))
	}
	require.Zero(t, f.sweep(t).Projected)
	begin := f.clock() // 2026-11-22 10:00
	f.set(time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC))
	require.Equal(t, 5, f.sweep(t).Projected)
	require.Zero(t, f.sweep(t).Projected)
	f.set(begin.Add(73 * time.Hour))
	require.Zero(t, f.sweep(t).Expired, "prolonged")
	require.True(t, f.check(t, permissions.Pair{Business: metaNumber, User: "+6590000000"}).Allow)
	f.set(time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)) // 91 hours
	s := f.sweep(t)
	require.Equal(t, 5, s.Projected)
	require.Equal(t, 5, s.Expired)
}

// TestRunSweepsWithinAMinute: of the end of a grant, and ends with its context.
func TestRunSweepsWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.set(time.Now())
		g := f.grant("g", pair)
		g.Expires = f.clock().Add(2 * time.Hour)
		f.record(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		for range 2*60 + 1 {
			time.Sleep(time.Minute)
			f.set(time.Now())
		}
		synctest.Wait()
		require.Equal(t, 1, f.count(t, "permission.expired"))
		cancel()
		require.NoError(t, <-done)
	})
}

// TestRunOutlivesAFailure: a database that fails once is tried again.
func TestRunOutlivesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.set(time.Now())
		g := f.grant("g", pair)
		g.Expires = f.clock().Add(time.Hour)
		f.record(t, g)
		f.advance(2 * time.Hour)
		require.NoError(t, f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.ExecContext(ctx, "ALTER TABLE permissions RENAME TO hidden")
			return err
		}))
		_, err := f.Sweep(t.Context())
		require.Error(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(10 * time.Second)
		require.NoError(t, f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := tx.ExecContext(ctx, "ALTER TABLE hidden RENAME TO permissions")
			return err
		}))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, f.count(t, "permission.expired"))
		cancel()
		require.NoError(t, <-done)
	})
}

// TestSweepEndsWithItsContext: in the middle of the work, without loss.
func TestSweepEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	for i := range 300 {
		f.record(t, f.grant(fmt.Sprint("g", i), permissions.Pair{Business: metaNumber, User: permissions.User(fmt.Sprintf("+659%07d", i))}))
	}
	f.advance(200 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Sweep(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 300, f.sweep(t).Expired)
	require.Equal(t, 300, f.count(t, "permission.expired"))
}
