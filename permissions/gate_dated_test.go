package permissions_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// acme halves what a grant is good for from 2026-12-01 on, and allows it again a
// week later.
func acme() []string {
	doc := func(version, from, age string) string {
		return `{"name": "acme", "version": "` + version + `", "valid_from": "` + from + `", "base": "meta-any-hour",
			"grant": {"max_age": "` + age + `"}, "sources": {"grant.max_age": "our privacy policy"}}`
	}
	return []string{doc("c", "2026-12-08", ""), doc("a", "2026-01-01", "96h"), doc("b", "2026-12-01", "48h")}
}

// TestARuleChangesAtItsDate: decisions on both sides cite the version that they
// used, the dry run of a later time as the real run at it, and the answer of
// before says when it turns.
func TestARuleChangesAtItsDate(t *testing.T) {
	f := newWorld(t, acme(), permissions.Business{Number: metaNumber, Account: "acme", Rules: "acme"})
	change := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	f.set(change.Add(-72 * time.Hour))
	f.record(t, f.grant("g", pair))
	f.set(change.Add(-time.Hour))
	before := f.question(t, permissions.Query{At: change.Add(-time.Millisecond)})
	require.True(t, before.Allow)
	require.Equal(t, "acme@a", before.RulePack)
	after := f.question(t, permissions.Query{At: change})
	require.Equal(t, permissions.PermissionExpired, after.Reason)
	require.Equal(t, "acme@b", after.RulePack)
	now := f.check(t, pair)
	require.Equal(t, change, now.Until, "the new version ends the grant")
	f.holds(t, permissions.Query{}, now)

	f.set(change.Add(-time.Millisecond))
	ticket, d := f.authorize(t, pair, "c1")
	require.True(t, d.Allow)
	require.Equal(t, "acme@a", d.RulePack)
	f.set(change)
	var refusal *permissions.Refusal
	require.ErrorAs(t, ticket.Confirm(t.Context()), &refusal)
	require.Equal(t, permissions.PermissionExpired, refusal.Decision.Reason)
	require.Equal(t, "acme@b", refusal.Decision.RulePack)
	f.settle(t, ticket, permissions.OutcomeCancelled)
	_, d = f.authorize(t, pair, "c2")
	require.Equal(t, permissions.PermissionExpired, d.Reason)
	require.Equal(t, "acme@b", d.RulePack)
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Kind: "decision.refused", Limit: 10})
	require.NoError(t, err)
	for _, e := range entries {
		var kept permissions.Decision
		require.NoError(t, json.Unmarshal(e.Payload, &kept))
		require.Equal(t, "acme@b", kept.RulePack, "as the audit has it")
	}
	require.Len(t, entries, 2)
}

// TestALaterRuleCuresARefusal: what waiting does not cure can still be allowed
// from the date of another version.
func TestALaterRuleCuresARefusal(t *testing.T) {
	f := newWorld(t, acme(), permissions.Business{Number: metaNumber, Account: "acme", Rules: "acme"})
	change := time.Date(2026, 12, 8, 0, 0, 0, 0, time.UTC)
	f.set(change.Add(-72 * time.Hour))
	f.record(t, f.grant("g", pair)) // 168 hours by Meta, 48 by ours
	f.set(change.Add(-time.Hour))
	d := f.check(t, pair)
	require.Equal(t, permissions.PermissionExpired, d.Reason)
	require.Equal(t, change, d.RetryAfter)
	require.Zero(t, lineOf(t, d, "permission").RetryAt, "the rule itself knows no cure")
	f.holds(t, permissions.Query{}, d)
}

// TestTheSameAnswerEverywhere: the dry run, the reservation and the confirmation
// of one instant have the same rules with the same inputs.
func TestTheSameAnswerEverywhere(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("g", pair))
	dry := f.check(t, pair)
	ticket, made := f.authorize(t, pair, "c1")
	require.NotEmpty(t, made.ID)
	require.NotEqual(t, int64(-1), made.AuditIndex)
	made.ID, made.AuditIndex = "", -1
	require.Equal(t, dry, made)
	require.NoError(t, ticket.Confirm(t.Context()))
	f.settle(t, ticket, permissions.OutcomeCancelled)

	q := permissions.Query{Pair: pair, Action: permissions.RequestPermission, Template: "cpr/en"}
	dry = f.question(t, q)
	asked := f.ask(t, pair, "a1")
	asked.ID, asked.AuditIndex = "", -1
	require.Equal(t, dry, asked)
}

// TestNoDialAtTheEndOfAGrant: whatever the provider's clock and ours differ by, up
// to the pack's margin, no dial is allowed at the provider's expiry or after it.
func TestNoDialAtTheEndOfAGrant(t *testing.T) {
	f := newWorld(t, nil)
	begin := f.clock()
	ends := begin.Add(time.Hour)
	g := f.grant("g", pair)
	g.Expires = ends
	f.record(t, g)
	allowed := 0
	for after := -120 * time.Second; after <= 120*time.Second; after += time.Second {
		for _, skew := range []time.Duration{-time.Minute, -time.Second, 0, time.Second, time.Minute} {
			theirs := ends.Add(after)
			d := f.question(t, permissions.Query{At: theirs.Add(skew)})
			if d.Allow {
				allowed++
				require.True(t, theirs.Before(ends), "%s after the end, by a clock %s off", after, skew)
			}
		}
	}
	require.Equal(t, 120+61+60+59, allowed, "the last of them 61 s before the end by our clock")
	s := f.state(t, pair)
	require.Equal(t, ends, s.Expires)
	require.Equal(t, ends.Add(-time.Minute), f.check(t, pair).Until)
}

// TestAnAttemptInThePast was open while it lasted.
func TestAnAttemptInThePast(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("g", pair))
	f.advance(time.Minute)
	began := f.clock()
	ticket, _ := f.authorize(t, pair, "c1")
	f.advance(time.Minute)
	f.settle(t, ticket, permissions.OutcomeConnected)
	f.advance(time.Minute)
	f.authorize(t, pair, "c2")
	f.advance(time.Minute)
	for after, want := range map[time.Duration]string{
		-time.Millisecond: "", 0: "c1", time.Minute - time.Millisecond: "c1", time.Minute: "", 2 * time.Minute: "c2", 3 * time.Minute: "c2",
	} {
		d := f.question(t, permissions.Query{At: began.Add(after)})
		require.Equal(t, want, lineOf(t, d, "attempt_in_progress").Inputs["callId"], after)
	}
}
