package permissions_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

const template = "cpr/en"

// aCase is a state of the world in which one rule has something to say.
type aCase struct {
	rule    string
	state   func(t *testing.T, f *fixture)
	reason  permissions.Reason // of the rule; "" when it allows
	retry   time.Duration      // from the question, of the rule; 0 for never
	purpose string
}

func restricted(until time.Duration) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		n := number(f.clock(), permissions.Restriction, "n1")
		n.Type = permissions.RestrictedBusinessInitiated
		if until != 0 {
			n.Until = f.clock().Add(until)
		}
		f.notice(t, n)
	}
}

func unable(code int) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		n := number(f.clock(), permissions.Unable, "u1")
		n.Code = code
		f.notice(t, n)
	}
}

func calling(word string) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		n := number(f.clock(), permissions.Settings, "s/"+word)
		n.Calling = word
		f.notice(t, n)
	}
}

func said(e permissions.Event) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		if e.Pair == (permissions.Pair{}) {
			e.Pair = pair
		}
		if e.Auth == "" {
			e.Auth = permissions.AuthHMAC
		}
		if e.ID == "" {
			e.ID = "said/" + string(e.Kind)
		}
		e.At = f.clock()
		f.record(t, e)
	}
}

func all(steps ...func(t *testing.T, f *fixture)) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		for _, step := range steps {
			step(t, f)
		}
	}
}

func wait(d time.Duration) func(t *testing.T, f *fixture) {
	return func(_ *testing.T, f *fixture) { f.advance(d) }
}

// readLimits is what the provider answers about both actions: whether it can, and
// when the limit is free again.
func readLimits(can bool, resets time.Duration) func(t *testing.T, f *fixture) {
	return func(t *testing.T, f *fixture) {
		t.Helper()
		var actions []permissions.ProviderAction
		for _, name := range []permissions.Action{permissions.StartCall, permissions.RequestPermission} {
			l := permissions.ProviderLimit{Period: "PT24H", Max: 5, Used: 5}
			if resets != 0 {
				l.Resets = f.clock().Add(resets)
			}
			actions = append(actions, permissions.ProviderAction{Name: string(name), Can: can, Limits: []permissions.ProviderLimit{l}})
		}
		f.record(t, permissions.Event{
			ID: "read", Kind: permissions.ReadBack, Pair: pair, At: f.clock(), Auth: permissions.AuthReadBack, Ref: "g",
			Provided: &permissions.ProviderState{Status: permissions.StatusTemporary, Actions: actions},
		})
	}
}

// numberCases bear on calls and requests alike.
func numberCases() map[string]aCase {
	const week = 7 * 24 * time.Hour
	return map[string]aCase{
		"nothing known of the number":    {rule: "business_restricted", state: wait(0)},
		"restricted for a week":          {rule: "business_restricted", state: restricted(week), reason: permissions.BusinessRestricted, retry: week},
		"restricted for one millisecond": {rule: "business_restricted", state: restricted(time.Millisecond), reason: permissions.BusinessRestricted, retry: time.Millisecond},
		"restricted without an end":      {rule: "business_restricted", state: restricted(0), reason: permissions.BusinessRestricted},
		"a restriction that has ended":   {rule: "business_restricted", state: all(restricted(week), wait(week))},
		"an end that had passed already": {rule: "business_restricted", state: restricted(-4 * 365 * 24 * time.Hour)},
		"calling is off":                 {rule: "business_restricted", state: calling("DISABLED"), reason: permissions.BusinessRestricted},
		"calling is on again":            {rule: "business_restricted", state: all(calling("DISABLED"), wait(time.Second), calling("ENABLED"))},
		"the provider said: not enabled": {rule: "business_restricted", state: unable(138000), reason: permissions.BusinessRestricted, retry: 24 * time.Hour},
		"enabled since":                  {rule: "business_restricted", state: all(unable(138000), wait(time.Second), calling("ENABLED"))},
		"enabled before it said so":      {rule: "business_restricted", state: all(calling("ENABLED"), wait(time.Second), unable(138000)), reason: permissions.BusinessRestricted, retry: 24 * time.Hour},
		"not from this country":          {rule: "business_restricted", state: unable(138013), reason: permissions.BusinessRestricted, retry: 24 * time.Hour},
		"a day after":                    {rule: "business_restricted", state: all(unable(138013), wait(24*time.Hour))},
		"the payment failed":             {rule: "business_restricted", state: all(unable(131044), wait(time.Hour)), reason: permissions.BusinessRestricted, retry: 23 * time.Hour},
		"low quality, and then read": {rule: "business_restricted", state: all(unable(138014), wait(time.Second), func(t *testing.T, f *fixture) {
			t.Helper()
			f.notice(t, number(f.clock(), permissions.RestrictionsRead, "r"))
		})},
		"a violation only warns": {rule: "business_restricted", state: func(t *testing.T, f *fixture) {
			t.Helper()
			n := number(f.clock(), permissions.Violation, "v")
			n.Type = "LOW_BUSINESS_INITIATED_CALLING_QUALITY"
			f.notice(t, n)
		}},
		"users may not call the business": {rule: "business_restricted", state: func(t *testing.T, f *fixture) {
			t.Helper()
			n := number(f.clock(), permissions.Restriction, "n")
			n.Type = permissions.RestrictedUserInitiated
			f.notice(t, n)
		}},
		"a warning about Direct Send": {rule: "business_restricted", state: func(t *testing.T, f *fixture) {
			t.Helper()
			f.notice(t, number(f.clock(), permissions.Restriction, "n"))
		}},
		"the provider's limit":             {rule: "provider_limit", state: readLimits(false, time.Hour), reason: permissions.LimitedByProvider, retry: time.Hour},
		"the provider's limit, an hour on": {rule: "provider_limit", state: all(readLimits(false, time.Hour), wait(time.Hour))},
		"the provider lets us":             {rule: "provider_limit", state: readLimits(true, time.Hour)},
		"the provider says no end":         {rule: "provider_limit", state: readLimits(false, 0)},
		"opted out":                        {rule: "do_not_call", state: said(permissions.Event{Kind: permissions.OptedOut}), reason: permissions.DoNotCall},
		"opted out and lifted": {rule: "do_not_call", state: all(said(permissions.Event{Kind: permissions.OptedOut}), wait(time.Second),
			said(permissions.Event{Kind: permissions.OptOutLifted, Auth: permissions.AuthOperator}))},
		"opted out of another purpose": {
			rule: "do_not_call", purpose: "delivery",
			state: said(permissions.Event{Kind: permissions.OptedOut, Scope: permissions.ScopePurpose, Brand: "acme", Purpose: "sales"}),
		},
		"opted out of this purpose": {
			rule: "do_not_call", purpose: "sales", reason: permissions.DoNotCall,
			state: said(permissions.Event{Kind: permissions.OptedOut, Scope: permissions.ScopePurpose, Brand: "acme", Purpose: "sales"}),
		},
		"a call that does not say its purpose": {
			rule: "do_not_call", reason: permissions.DoNotCall,
			state: said(permissions.Event{Kind: permissions.OptedOut, Scope: permissions.ScopePurpose, Brand: "acme", Purpose: "sales"}),
		},
	}
}

func TestEveryRuleOfACall(t *testing.T) {
	grant := permissions.Event{ID: "g", Kind: permissions.Granted}
	unanswered := func(n int, o permissions.Outcome) func(t *testing.T, f *fixture) {
		return func(t *testing.T, f *fixture) {
			t.Helper()
			for i := range n {
				f.called(t, "c"+string(rune('0'+i)), o)
			}
		}
	}
	cases := numberCases()
	maps.Copy(cases, map[string]aCase{
		"no grant":                {rule: "permission", state: wait(0), reason: permissions.NoPermission},
		"a temporary grant":       {rule: "permission", state: said(grant)},
		"a minute before its end": {rule: "permission", state: all(said(grant), wait(168*time.Hour-time.Minute)), reason: permissions.PermissionExpired},
		"before that":             {rule: "permission", state: all(said(grant), wait(168*time.Hour-time.Minute-time.Millisecond))},
		"declined":                {rule: "permission", state: all(said(grant), wait(time.Second), said(permissions.Event{Kind: permissions.Declined})), reason: permissions.PermissionDeclined},
		"revoked":                 {rule: "permission", state: all(said(grant), wait(time.Second), said(permissions.Event{Kind: permissions.Revoked})), reason: permissions.PermissionRevoked},
		"a grant by a static secret": {
			rule: "permission_verified", state: said(permissions.Event{ID: "g", Kind: permissions.Granted, Auth: permissions.AuthBearer}),
			reason: permissions.PermissionUnverified,
		},
		"a signed grant": {rule: "permission_verified", state: said(grant)},
		"the provider knows no permission": {
			rule: "permission_verified", state: all(said(grant), unanswered(1, permissions.OutcomeRefused)),
			reason: permissions.PermissionUnverified,
		},
		"two unanswered":   {rule: "consecutive_unanswered", state: all(said(grant), unanswered(2, permissions.OutcomeUnanswered))},
		"three unanswered": {rule: "consecutive_unanswered", state: all(said(grant), unanswered(3, permissions.OutcomeUnanswered)), reason: permissions.ConsecutiveUnanswered},
		"three declined":   {rule: "consecutive_unanswered", state: all(said(grant), unanswered(3, permissions.OutcomeRejected)), reason: permissions.ConsecutiveUnanswered},
		"three, and then the user called": {rule: "consecutive_unanswered", state: all(said(grant), unanswered(3, permissions.OutcomeRejected),
			said(permissions.Event{Kind: permissions.Called, CallID: "in", Outcome: permissions.OutcomeConnected}))},
		"a call under way": {rule: "attempt_in_progress", state: all(said(grant), func(t *testing.T, f *fixture) { t.Helper(); f.authorize(t, pair, "c") }), reason: permissions.AttemptInProgress},
		"any hour":         {rule: "quiet_hours", state: wait(9 * time.Hour)},
	})
	tell(t, permissions.StartCall, cases)
}

func TestEveryRuleOfARequest(t *testing.T) {
	status := func(word string) func(t *testing.T, f *fixture) {
		return func(t *testing.T, f *fixture) {
			t.Helper()
			n := number(f.clock(), permissions.TemplateStatus, "t/"+word)
			n.Template, n.Status = template, word
			f.notice(t, n)
		}
	}
	category := func(was, is string) func(t *testing.T, f *fixture) {
		return func(t *testing.T, f *fixture) {
			t.Helper()
			n := number(f.clock(), permissions.TemplateCategory, "c/"+is)
			n.Template, n.Type, n.Status = template, was, is
			f.notice(t, n)
		}
	}
	failed := func(code int) func(t *testing.T, f *fixture) {
		return said(permissions.Event{ID: "failed", Kind: permissions.Delivered, Ref: "wamid.1", Delivery: "failed", Code: code})
	}
	asked := func(t *testing.T, f *fixture) {
		t.Helper()
		require.True(t, f.ask(t, pair, "a1").Allow)
	}
	marketing := said(permissions.Event{Kind: permissions.MessagesStopped, Category: "marketing"})
	cases := numberCases()
	maps.Copy(cases, map[string]aCase{
		"no messages":    {rule: "messages_opt_out", state: said(permissions.Event{Kind: permissions.MessagesStopped}), reason: permissions.MessagesOptOut},
		"messages again": {rule: "messages_opt_out", state: all(said(permissions.Event{Kind: permissions.MessagesStopped}), wait(time.Second), said(permissions.Event{Kind: permissions.MessagesResumed}))},
		"no marketing, of a template that may be": {rule: "messages_opt_out", state: marketing, reason: permissions.MessagesOptOut},
		"no marketing, of a template that is":     {rule: "messages_opt_out", state: all(marketing, category("", "MARKETING")), reason: permissions.MessagesOptOut},
		"no marketing, of a template that is not": {rule: "messages_opt_out", state: all(marketing, category("", "UTILITY"))},
		"permanent permission":                    {rule: "permission_exists", state: said(permissions.Event{ID: "g", Kind: permissions.Granted, Permanent: true}), reason: permissions.PermissionExists},
		"temporary permission":                    {rule: "permission_exists", state: said(permissions.Event{ID: "g", Kind: permissions.Granted})},
		"asked just now":                          {rule: "request_limit", state: asked, reason: permissions.RequestLimit, retry: 24 * time.Hour},
		"asked a day ago":                         {rule: "request_limit", state: all(asked, wait(24*time.Hour))},
		"asked, and sent later": {rule: "request_limit", reason: permissions.RequestLimit, retry: 24*time.Hour - 50*time.Second, state: all(asked, wait(10*time.Second), func(t *testing.T, f *fixture) {
			t.Helper()
			require.NoError(t, f.LinkRequest(t.Context(), "a1", "wamid.1"))
			f.advance(50 * time.Second)
		})},
		"asked, and talked since":             {rule: "request_limit", state: all(asked, wait(time.Second), said(permissions.Event{Kind: permissions.Called, CallID: "in", Outcome: permissions.OutcomeConnected}))},
		"approved":                            {rule: "request_template", state: status("APPROVED")},
		"flagged":                             {rule: "request_template", state: status("FLAGGED")},
		"never heard of":                      {rule: "request_template", state: wait(0)},
		"a new word":                          {rule: "request_template", state: status("SOMETHING_NEW")},
		"recategorised":                       {rule: "request_template", state: all(status("APPROVED"), wait(time.Second), category("UTILITY", "MARKETING")), reason: permissions.TemplateUnusable},
		"recategorised and approved so":       {rule: "request_template", state: all(status("PENDING"), wait(time.Second), category("UTILITY", "MARKETING"), wait(time.Second), status("APPROVED"))},
		"could not be delivered":              {rule: "request_deliverable", state: failed(131026), reason: permissions.Unreachable, retry: 24 * time.Hour},
		"held back":                           {rule: "request_deliverable", state: all(failed(131049), wait(time.Hour)), reason: permissions.Unreachable, retry: 23 * time.Hour},
		"held back a day ago":                 {rule: "request_deliverable", state: all(failed(131049), wait(24*time.Hour))},
		"stopped marketing messages":          {rule: "request_deliverable", state: failed(131050), reason: permissions.MessagesOptOut},
		"stopped marketing, and this is none": {rule: "request_deliverable", state: all(failed(131050), category("", "UTILITY"))},
		"delivered since": {rule: "request_deliverable", state: all(failed(131026), wait(time.Second),
			said(permissions.Event{ID: "arrived", Kind: permissions.Delivered, Ref: "wamid.2", Delivery: "delivered"}))},
	})
	for _, word := range []string{"PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "PENDING_DELETION", "DELETED", "ARCHIVED", "LOCKED"} {
		cases["template "+word] = aCase{rule: "request_template", state: status(word), reason: permissions.TemplateUnusable}
	}
	tell(t, permissions.RequestPermission, cases)
}

// tell holds each rule to its case, and the decision to its times.
func tell(t *testing.T, action permissions.Action, cases map[string]aCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newWorld(t, nil)
			tc.state(t, f)
			q := permissions.Query{Pair: pair, Action: action, Purpose: tc.purpose}
			if action == permissions.RequestPermission {
				q.Template = template
			}
			d := f.question(t, q)
			require.Equal(t, tc.reason, verdicts(d)[tc.rule])
			for _, r := range d.Rules {
				if r.Name != tc.rule || r.Allow {
					continue
				}
				require.NotEmpty(t, r.Source)
				want := time.Time{}
				if tc.retry != 0 {
					want = f.clock().Add(tc.retry)
				}
				require.Equal(t, want, r.RetryAt)
			}
			if tc.reason != "" {
				require.False(t, d.Allow)
			}
			f.holds(t, q, d)
			again := f.question(t, q)
			require.Equal(t, d, again, "asking changes nothing")
		})
	}
}

// TestEveryRuleCitesASource, whether it allows or refuses: an auditor asks of both.
func TestEveryRuleCitesASource(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("g", pair))
	for _, action := range []permissions.Action{permissions.StartCall, permissions.RequestPermission} {
		d := f.question(t, permissions.Query{Action: action, Template: "may_we_call/en"})
		for _, r := range d.Rules {
			require.NotEmpty(t, r.Source, "%s: %s", action, r.Name)
		}
	}
}
