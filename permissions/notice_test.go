package permissions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

var noticeTypes = []string{
	permissions.RestrictedBusinessInitiated, permissions.RestrictedUserInitiated,
	"RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES", "",
}

// randomNotice is a notice of any kind about one of two templates, at one of a few
// instants, so that ties happen.
func randomNotice(r *rand.Rand, i int, begin time.Time) permissions.Notice {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	minute := func() time.Time { return begin.Add(time.Duration(r.IntN(8)) * time.Minute) }
	n := permissions.Notice{ID: fmt.Sprintf("n%02d", i), Business: metaNumber, At: minute(), Auth: permissions.AuthHMAC}
	switch r.IntN(8) {
	case 0, 1:
		n.Kind, n.Type = permissions.Restriction, pick(noticeTypes...)
		if r.IntN(3) > 0 {
			n.Until = minute()
		}
	case 2:
		n.Kind = permissions.RestrictionsRead
		if r.IntN(3) == 0 {
			n.Event = permissions.RestrictionsOmitted
			break
		}
		for _, t := range noticeTypes[:2] {
			if r.IntN(2) == 0 {
				n.Restrictions = append(n.Restrictions, permissions.NumberRestriction{Type: t, Until: minute()})
				if r.IntN(3) == 0 {
					n.Restrictions[len(n.Restrictions)-1].Until = time.Time{}
				}
			}
		}
	case 3:
		n.Kind, n.Calling = permissions.Settings, pick("ENABLED", "DISABLED", "")
	case 4:
		n.Kind, n.Event, n.Tier = permissions.Quality, pick("FLAGGED", "UNFLAGGED", "UPGRADE", "DOWNGRADE"), pick("TIER_1K", "TIER_2K", "")
	case 5:
		n.Kind, n.Type = permissions.Violation, pick("LOW_BUSINESS_INITIATED_CALLING_QUALITY", "OTHER")
	case 6:
		n.Kind, n.Template, n.Status = permissions.TemplateStatus, pick("a/en", "b/en"), pick("APPROVED", "PAUSED", "FLAGGED")
	case 7:
		n.Kind, n.Template = permissions.TemplateCategory, pick("a/en", "b/en")
		n.Type, n.Status = pick("UTILITY", ""), pick("UTILITY", "MARKETING")
	}
	return n
}

// wordAt is the model: whether a type is restricted at now, said again from the
// promise. The latest word on it counts, a list of the settings being a word on
// every type; of words of one instant any that restricts. Of two lists of one
// instant the one that bars our calls longer counts.
func wordAt(all []permissions.Notice, kind string, now time.Time) bool {
	type word struct {
		at    time.Time
		until time.Time // zero: not restricted; far: without an end
	}
	far := now.Add(time.Hour * 24 * 365)
	omitted := func(n permissions.Notice) bool { return n.Event == permissions.RestrictionsOmitted }
	lifted := func(at time.Time) bool { // what has no end
		return slices.ContainsFunc(all, func(o permissions.Notice) bool { return omitted(o) && o.At.After(at) }) // of whole minutes
	}
	var words []word
	for _, n := range all {
		superseded := func(o permissions.Notice) bool {
			return o.Kind == permissions.RestrictionsRead && !omitted(o) && o.At.Equal(n.At) && (ends(o) > ends(n) || ends(o) == ends(n) && o.ID > n.ID)
		}
		switch {
		case omitted(n):
		case n.Kind == permissions.RestrictionsRead && slices.ContainsFunc(all, superseded):
		case n.Kind == permissions.Restriction && n.Type == kind:
			until := n.Until
			if until.IsZero() && !lifted(n.At) {
				until = far
			}
			words = append(words, word{n.At, until})
		case n.Kind == permissions.RestrictionsRead:
			w := word{at: n.At}
			for _, r := range n.Restrictions {
				if r.Type == kind {
					w.until = r.Until
					if r.Until.IsZero() && !lifted(n.At) {
						w.until = far
					}
				}
			}
			words = append(words, w)
		}
	}
	var last time.Time
	for _, w := range words {
		if w.at.After(last) {
			last = w.at
		}
	}
	return slices.ContainsFunc(words, func(w word) bool { return w.at.Equal(last) && now.Before(w.until) })
}

// ends is when a list stops barring our calls, 0 when it does not.
func ends(n permissions.Notice) int64 {
	for _, r := range n.Restrictions {
		if r.Type == permissions.RestrictedBusinessInitiated {
			if r.Until.IsZero() {
				return math.MaxInt64
			}
			return r.Until.UnixMilli()
		}
	}
	return 0
}

// lastWord is the latest value of a field, the given one before others of its
// instant.
func lastWord(all []permissions.Notice, before string, of func(permissions.Notice) string) string {
	var at time.Time
	var out string
	for _, n := range all {
		w := of(n)
		if w == "" || n.At.Before(at) {
			continue
		}
		if out == "" || n.At.After(at) || w == before {
			at, out = n.At, w
		}
	}
	return out
}

// TestANumberIsAFunctionOfItsNotices: in whatever order and however often notices
// come, the number is in the state that the model says, and the gate agrees.
func TestANumberIsAFunctionOfItsNotices(t *testing.T) {
	f := newWorld(t, nil)
	begin := f.clock()
	f.record(t, func() permissions.Event { g := f.grant("g", pair); g.Permanent = true; return g }())
	for seed := range 150 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		all := make([]permissions.Notice, 1+r.IntN(10))
		for i := range all {
			all[i] = randomNotice(r, i, begin)
		}
		var states []permissions.NumberState
		for range 2 {
			f.forget(t)
			f.set(begin.Add(time.Duration(8+r.IntN(10)) * time.Minute)) // every clock is believed
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			f.notice(t, all...)
			f.notice(t, all[r.IntN(len(all))]) // again
			f.set(begin.Add(3 * time.Minute))
			s, err := f.Number(t.Context(), metaNumber)
			require.NoError(t, err)
			states = append(states, s)
		}
		now := f.clock()
		for i := range states {
			for j := range states[i].Violations {
				states[i].Violations[j].Received = time.Time{}
			}
		}
		require.Equal(t, states[0], states[1], "seed %d", seed)
		got := map[string]bool{}
		for _, n := range states[0].Restrictions {
			got[n.Type] = true
		}
		for _, kind := range noticeTypes[:3] {
			require.Equal(t, wordAt(all, kind, now), got[kind], "seed %d: %s", seed, kind)
		}
		require.False(t, got[""])
		calling := lastWord(all, "DISABLED", func(n permissions.Notice) string { return n.Calling })
		require.Equal(t, calling, states[0].Calling, "seed %d", seed)
		require.Equal(t, lastWord(all, "FLAGGED", func(n permissions.Notice) string {
			if strings.HasSuffix(n.Event, "FLAGGED") {
				return n.Event
			}
			return ""
		}), states[0].Quality, "seed %d", seed)
		barred := calling == "DISABLED" || got[permissions.RestrictedBusinessInitiated]
		require.Equal(t, barred, verdicts(f.check(t, pair))["business_restricted"] == permissions.BusinessRestricted, "seed %d", seed)
	}
}

// forget empties the notices, for another order of the same ones.
func (f *fixture) forget(tb testing.TB) {
	tb.Helper()
	for _, q := range []string{`DELETE FROM number_aspects`, `DELETE FROM notices`} {
		_, err := f.db.Write.ExecContext(tb.Context(), q)
		require.NoError(tb, err)
	}
}

// TestNoticesInThePast: a question about a time is answered by the notices of that
// time.
func TestNoticesInThePast(t *testing.T) {
	f := newWorld(t, nil)
	f.record(t, f.grant("g", pair))
	began := f.clock()
	f.advance(time.Hour)
	n := number(f.clock(), permissions.Restriction, "n1")
	n.Type = permissions.RestrictedBusinessInitiated
	f.notice(t, n)
	f.advance(time.Hour)
	lifted := number(f.clock(), permissions.RestrictionsRead, "n2")
	f.notice(t, lifted)
	for after, allowed := range map[time.Duration]bool{0: true, time.Hour - time.Millisecond: true, time.Hour: false, 2*time.Hour - time.Millisecond: false, 2 * time.Hour: true} {
		d := f.question(t, permissions.Query{At: began.Add(after)})
		require.Equal(t, allowed, d.Allow, "%s: %s", after, d.Reason)
	}
}

// An answer of the settings that omits the list of restrictions lifts those without
// an end, and no other.
func TestOmittedRestrictions(t *testing.T) {
	for until, allowed := range map[time.Duration]bool{0: true, 48 * time.Hour: false} {
		f := newWorld(t, nil)
		f.record(t, f.grant("g", pair))
		n := number(f.clock(), permissions.Restriction, "n1")
		n.Type = permissions.RestrictedBusinessInitiated
		if until > 0 {
			n.Until = f.clock().Add(until)
		}
		f.notice(t, n)
		f.advance(time.Hour)
		omitted := number(f.clock(), permissions.RestrictionsRead, "n2")
		omitted.Event = permissions.RestrictionsOmitted
		f.notice(t, omitted)
		d := f.question(t, permissions.Query{})
		require.Equal(t, allowed, d.Allow, d.Reason)
	}
}

func TestNoticesNeedAnIdentity(t *testing.T) {
	f := newWorld(t, nil)
	whole := number(f.clock(), permissions.TemplateStatus, "n")
	whole.Template, whole.Status = "a/en", "PAUSED"
	for name, alter := range map[string]func(n *permissions.Notice){
		"id":       func(n *permissions.Notice) { n.ID = "" },
		"kind":     func(n *permissions.Notice) { n.Kind = "gossip" },
		"business": func(n *permissions.Notice) { n.Business = "" },
		"template": func(n *permissions.Notice) { n.Template = "" },
	} {
		n := whole
		alter(&n)
		err := f.log.Update(t.Context(), func(ctx context.Context, tx *audit.Tx) error {
			_, err := f.RecordNotices(ctx, tx, whole, n)
			return err
		})
		require.ErrorIs(t, err, permissions.ErrEvent, name)
		list, _, err := f.Notices(t.Context(), metaNumber, permissions.Page{})
		require.NoError(t, err)
		require.Empty(t, list, "nothing half-applied")
	}
	whole.Business, whole.Account = "", "acme-meta"
	whole.At = f.clock().Add(time.Hour)
	f.notice(t, whole)
	list, _, err := f.Notices(t.Context(), metaNumber, permissions.Page{})
	require.NoError(t, err)
	require.Len(t, list, 1, "by its account")
	require.Equal(t, f.clock(), list[0].At, "no clock is an hour ahead")
	for _, other := range []permissions.User{"+6500000000", "nobody"} {
		_, _, err = f.Notices(t.Context(), "+6500000000", permissions.Page{})
		require.ErrorIs(t, err, permissions.ErrBusiness, other)
		_, err = f.Number(t.Context(), "+6500000000")
		require.ErrorIs(t, err, permissions.ErrBusiness, other)
	}
}

func TestNoticesAreListedAndAudited(t *testing.T) {
	f := newWorld(t, nil)
	kinds := map[permissions.NoticeKind]string{
		permissions.Restriction: "number.restricted", permissions.Quality: "number.quality", permissions.Violation: "number.notice",
		permissions.TemplateStatus: "template.status", permissions.TemplateQuality: "template.quality",
		permissions.TemplateCategory: "template.category", permissions.TemplateWarned: "template.category",
		permissions.Settings: "number.notice", permissions.AccountNews: "number.notice", permissions.Unable: "number.notice",
		permissions.RestrictionsRead: "number.notice",
	}
	var want []string
	for _, kind := range slices.Sorted(func(yield func(permissions.NoticeKind) bool) {
		for k := range kinds {
			if !yield(k) {
				return
			}
		}
	}) {
		n := number(f.clock(), kind, "n/"+string(kind))
		n.Type, n.Template, n.Status = "SOMETHING", "a/en", "GREEN"
		f.notice(t, n)
		want = append(want, kinds[kind])
	}
	entries, err := f.log.Entries(t.Context(), audit.Query{After: -1, Limit: 100})
	require.NoError(t, err)
	got := make([]string, 0, len(entries))
	for _, e := range entries {
		got = append(got, e.Kind)
		require.Empty(t, e.Subject, "nobody's")
		var n permissions.Notice
		require.NoError(t, json.Unmarshal(e.Payload, &n))
		require.Equal(t, metaNumber, n.Business)
	}
	require.Equal(t, want, got)
	var ids []string
	page := permissions.Page{Limit: 3}
	for {
		list, next, err := f.Notices(t.Context(), metaNumber, page)
		require.NoError(t, err)
		for _, n := range list {
			ids = append(ids, n.ID)
		}
		if page.Cursor = next; next == "" {
			break
		}
		require.Len(t, list, 3)
	}
	require.Len(t, ids, len(kinds))
	require.Len(t, slices.Compact(slices.Clone(ids)), len(kinds))
	_, _, err = f.Notices(t.Context(), metaNumber, permissions.Page{Cursor: "x"})
	require.ErrorIs(t, err, permissions.ErrCursor)
}

func TestTemplatesOfANumber(t *testing.T) {
	f := newWorld(t, nil)
	say := func(kind permissions.NoticeKind, was, is string) {
		n := number(f.clock(), kind, fmt.Sprint("n", f.clock().UnixNano()))
		n.Template, n.Type, n.Status = "a/en", was, is
		f.notice(t, n)
		f.advance(time.Second)
	}
	state := func() permissions.TemplateState {
		s, err := f.Number(t.Context(), metaNumber)
		require.NoError(t, err)
		require.Len(t, s.Templates, 1)
		return s.Templates[0]
	}
	say(permissions.TemplateStatus, "", "APPROVED")
	say(permissions.TemplateQuality, "", "GREEN")
	say(permissions.TemplateWarned, "UTILITY", "MARKETING")
	s := state()
	require.Equal(t, []string{"APPROVED", "GREEN", "MARKETING", ""}, []string{s.Status, s.Quality, s.Warned, s.Recategorised})
	say(permissions.TemplateCategory, "UTILITY", "MARKETING")
	s = state()
	require.Equal(t, []string{"MARKETING", "", "UTILITY"}, []string{s.Category, s.Warned, s.Recategorised})
	say(permissions.TemplateStatus, "FIRST_PAUSE", "PAUSED")
	s = state()
	require.Equal(t, []string{"PAUSED", "FIRST_PAUSE", "UTILITY"}, []string{s.Status, s.Reason, s.Recategorised})
	say(permissions.TemplateStatus, "", "APPROVED")
	require.Empty(t, state().Recategorised, "approved as it is now")
	say(permissions.TemplateCategory, "", "UTILITY")
	require.Equal(t, "MARKETING", state().Recategorised)
}
