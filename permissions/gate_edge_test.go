package permissions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

// TestOnlyWhatTheProviderHoldsForEverNeedsNoRequest: a permanent grant that the
// provider gave an end, or that a person entered and nobody confirmed, is none that
// the provider would refuse to be asked about.
func TestOnlyWhatTheProviderHoldsForEverNeedsNoRequest(t *testing.T) {
	ask := permissions.Query{Action: permissions.RequestPermission}
	f := newWorld(t, nil)
	g := f.grant("g", pair)
	g.Permanent = true
	f.record(t, g)
	require.Equal(t, permissions.PermissionExists, f.question(t, ask).Reason)
	f.advance(time.Minute)
	end := f.clock().Add(48 * time.Hour)
	require.NoError(t, f.Read(t.Context(), pair, permissions.ProviderState{Status: permissions.StatusTemporary, Expires: end}, permissions.DoubtAge))
	f.set(end.Add(time.Hour))
	require.Equal(t, permissions.PermissionExpired, f.check(t, pair).Reason)
	d := f.question(t, ask)
	require.True(t, d.Allow, d.Reason)

	f = newWorld(t, nil)
	_, err := f.apply(t, permissions.Change{Kind: permissions.Granted, Pair: pair, Permanent: true})
	require.NoError(t, err)
	require.Equal(t, permissions.PermissionUnverified, f.check(t, pair).Reason)
	d = f.question(t, ask)
	require.True(t, d.Allow, "the provider knows nothing of it: %s", d.Reason)
	f.advance(time.Minute)
	require.NoError(t, f.Read(t.Context(), pair, permissions.ProviderState{Status: permissions.StatusPermanent}, permissions.DoubtUnsigned))
	require.Equal(t, permissions.PermissionExists, f.question(t, ask).Reason)
}

// TestATemplateIsKnownHoweverItsLanguageIsWritten: notices name it with Meta's
// underscore, and "en" is another template than "en_US".
func TestATemplateIsKnownHoweverItsLanguageIsWritten(t *testing.T) {
	f := newWorld(t, nil)
	paused := number(f.clock(), permissions.TemplateStatus, "n")
	paused.Template, paused.Status = "call-permission/en_US", "PAUSED"
	f.notice(t, paused)
	for template, reason := range map[string]permissions.Reason{
		"call-permission/en_US": permissions.TemplateUnusable, "call-permission/en-US": permissions.TemplateUnusable,
		"call-permission/en": permissions.Allowed, "call_permission/en_US": permissions.Allowed,
	} {
		d := f.question(t, permissions.Query{Action: permissions.RequestPermission, Template: template})
		require.Equal(t, reason, d.Reason, template)
		require.Equal(t, template, d.Template)
	}
}

// TestARestrictionOfTheSecondOfTheReading holds: webhooks are dated to the whole
// second, by another clock than the one that dates what we read.
func TestARestrictionOfTheSecondOfTheReading(t *testing.T) {
	for before, barred := range map[time.Duration]bool{0: true, 900 * time.Millisecond: true, 59 * time.Second: true, time.Minute: false} {
		f := newWorld(t, nil)
		f.record(t, f.grant("g", pair))
		read := number(f.clock(), permissions.RestrictionsRead, "read")
		said := number(f.clock().Add(-before), permissions.Restriction, "said")
		said.Type = permissions.RestrictedBusinessInitiated
		f.notice(t, said, read)
		require.Equal(t, barred, f.check(t, pair).Reason == permissions.BusinessRestricted, before)
		f.advance(24 * time.Hour)
		again := number(f.clock(), permissions.RestrictionsRead, "again")
		f.notice(t, again)
		require.True(t, f.check(t, pair).Allow, "the next reading lifts it")
	}
}

// TestAnEndNamesWhoSetIt: the provider, or the key of the pack that ended the grant.
func TestAnEndNamesWhoSetIt(t *testing.T) {
	short := `{"name": "short", "version": "1", "valid_from": "2026-01-01", "base": "meta-any-hour", "grant": {"default_age": "2h", "max_age": "6h"},
		"sources": {"grant.default_age": "DEFAULT", "grant.max_age": "CAP"}}`
	for source, expires := range map[string]time.Duration{"expiration_timestamp": 4 * time.Hour, "CAP": 8 * time.Hour, "DEFAULT": 0} {
		f := newWorld(t, []string{short}, permissions.Business{Number: metaNumber, Account: "acme", Rules: "short"})
		g := f.grant("g", pair)
		if expires > 0 {
			g.Expires = f.clock().Add(expires)
		}
		f.record(t, g)
		f.advance(7 * time.Hour)
		d := f.check(t, pair)
		require.Equal(t, permissions.PermissionExpired, d.Reason)
		require.Contains(t, lineOf(t, d, "permission").Source, source)
	}
}

// TestAMoveOfATemplateAtTheInstantOfItsApproval counts as the later of the two,
// whatever their ids: on a tie the stricter.
func TestAMoveOfATemplateAtTheInstantOfItsApproval(t *testing.T) {
	for _, ids := range [][2]string{{"a", "b"}, {"b", "a"}} {
		f := newWorld(t, nil)
		moved, approved := number(f.clock(), permissions.TemplateCategory, ids[0]), number(f.clock(), permissions.TemplateStatus, ids[1])
		moved.Template, moved.Type, moved.Status = "cpr/en", "UTILITY", "MARKETING"
		approved.Template, approved.Status = "cpr/en", "APPROVED"
		f.notice(t, moved, approved)
		d := f.question(t, permissions.Query{Action: permissions.RequestPermission, Template: "cpr/en"})
		require.Equal(t, permissions.TemplateUnusable, d.Reason, ids)
	}
}
