package permissions

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unableFor is how long a provider's refusal holds for all calls of a number when
// it names no end: none of the codes has one, and one call a day may find out
// whether the cause is gone.
const unableFor = 24 * time.Hour

// The provider's refusals that are about our number, not about a user (Meta, Cloud
// API Calling, error codes).
const (
	codeCallingOff = 138000 // calling is not enabled on the number
	codeLowQuality = 138014 // calling is disabled for low quality
	codeLowTier    = 138015 // the messaging limit is too low for calling
)

// The words of notices that a rule looks for.
const (
	callingEnabled  = "ENABLED"
	callingDisabled = "DISABLED"
	flagged         = "FLAGGED"
	unflagged       = "UNFLAGGED"
)

// number is the fold of a set of notices about one number: for each aspect the
// notice that has the last word. It is a pure function of the set, and the fold of
// the last words alone is the same.
type number struct {
	last map[string]*Notice
}

// The aspects of a number.
const (
	aspectRestriction  = "restriction/"
	aspectRestrictions = "restrictions_read"
	aspectOmitted      = "restrictions_omitted"
	aspectCalling      = "calling"
	aspectQuality      = "quality"
	aspectTier         = "tier"
	aspectUnable       = "unable/"
	aspectViolation    = "violation/"
)

// aspects are what the notice is a word on; none for what is only kept.
func (n *Notice) aspects() []string {
	switch n.Kind {
	case Restriction:
		if n.Type == "" {
			return nil // such as a warning about Direct Send: neither sets nor lifts anything
		}
		return []string{aspectRestriction + n.Type}
	case RestrictionsRead:
		if n.Event == RestrictionsOmitted {
			return []string{aspectOmitted}
		}
		return []string{aspectRestrictions}
	case Settings:
		if n.Calling == "" {
			return nil
		}
		return []string{aspectCalling}
	case Quality:
		return n.qualityAspects()
	case Unable:
		return []string{aspectUnable + strconv.Itoa(n.Code)}
	case Violation:
		return []string{aspectViolation + n.Type}
	case TemplateStatus, TemplateQuality, TemplateCategory, TemplateWarned, AccountNews:
	}
	return nil
}

// qualityAspects: an upgrade or downgrade of the messaging limit says nothing
// about whether the number is flagged.
func (n *Notice) qualityAspects() []string {
	var out []string
	if n.Event == flagged || n.Event == unflagged {
		out = append(out, aspectQuality)
	}
	if n.Tier != "" {
		out = append(out, aspectTier)
	}
	return out
}

// compareNotices orders by time, then from the most permissive to the strictest,
// then by id, so that the order is total and does not depend on arrival.
func compareNotices(a, b *Notice) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.strictness(), b.strictness()), strings.Compare(a.ID, b.ID))
}

// strictness ranks notices of one aspect at one instant: what bars calling longer
// is stricter.
func (n *Notice) strictness() int64 {
	switch n.Kind {
	case Restriction, Unable:
		return endOf(n.Until)
	case RestrictionsRead:
		for _, r := range n.Restrictions {
			if r.Type == RestrictedBusinessInitiated {
				return endOf(r.Until)
			}
		}
	case Settings, Quality, TemplateStatus:
		if n.Calling == callingDisabled || n.Event == flagged || slices.Contains(unusable(), n.Status) {
			return 1
		}
	case TemplateCategory:
		return 1 // an approval before it was of the other category
	default:
	}
	return 0
}

// endOf ranks the end of a restriction, none behind all others.
func endOf(until time.Time) int64 {
	if until.IsZero() {
		return math.MaxInt64
	}
	return until.UnixMilli()
}

// foldNumber finds the last word on every aspect.
func foldNumber(notices []Notice) *number {
	f := &number{last: make(map[string]*Notice)}
	for i := range notices {
		n := &notices[i]
		for _, aspect := range n.aspects() {
			if last := f.last[aspect]; last == nil || compareNotices(last, n) < 0 {
				f.last[aspect] = n
			}
		}
	}
	return f
}

// readMargin is by how much a restriction has to be dated before a reading of the
// settings for the reading to be the later word: webhooks are dated to the whole
// second and by the provider's clock, readings by ours.
const readMargin = time.Minute

// restrictions are those in force at now, by type. What the settings list counts
// until a later notice about the type; of two that may be of the same instant,
// whichever restricts. Settings without a list lift what has no end. An end that has
// passed is no restriction.
func (f *number) restrictions(now time.Time) []NumberRestriction {
	inForce := restrictionList{}
	read := f.last[aspectRestrictions]
	said := make(map[string]time.Time)
	for aspect, n := range f.last {
		if strings.HasPrefix(aspect, aspectRestriction) && (read == nil || n.At.After(read.At.Add(-readMargin))) {
			said[n.Type] = n.At
			if n.Until.IsZero() && f.omittedSince(n.At.Add(readMargin)) {
				continue
			}
			inForce.add(NumberRestriction{Type: n.Type, Reason: n.Remediation, Since: n.At, Until: n.Until, Notice: n.ID}, now)
		}
	}
	if read != nil {
		for _, r := range read.Restrictions {
			if said[r.Type].After(read.At) || r.Until.IsZero() && f.omittedSince(read.At.Add(time.Millisecond)) {
				continue
			}
			if r.Notice = read.ID; r.Since.IsZero() {
				r.Since = read.At
			}
			inForce.add(r, now)
		}
	}
	slices.SortFunc(inForce, func(a, b NumberRestriction) int { return strings.Compare(a.Type, b.Type) })
	return inForce
}

// omittedSince says whether the settings came without a list after a time.
func (f *number) omittedSince(at time.Time) bool {
	omitted := f.last[aspectOmitted]
	return omitted != nil && !omitted.At.Before(at)
}

// restrictionList holds each type once.
type restrictionList []NumberRestriction

// add takes a restriction in when it has not ended, in place of one of its type
// that ends earlier.
func (l *restrictionList) add(r NumberRestriction, now time.Time) {
	i := slices.IndexFunc(*l, func(o NumberRestriction) bool { return o.Type == r.Type })
	switch {
	case !r.Until.IsZero() && !now.Before(r.Until):
	case i < 0:
		*l = append(*l, r)
	case endOf(r.Until) > endOf((*l)[i].Until):
		(*l)[i] = r
	}
}

// unable are the provider's refusals that still hold at now, by code.
func (f *number) unable(now time.Time) []*Notice {
	var out []*Notice
	for aspect, n := range f.last {
		if strings.HasPrefix(aspect, aspectUnable) && now.Before(n.unableUntil()) && !f.resolved(n) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *Notice) int { return cmp.Compare(a.Code, b.Code) })
	return out
}

// unableUntil is when a refusal holds no longer.
func (n *Notice) unableUntil() time.Time {
	if n.Until.IsZero() {
		return n.At.Add(unableFor)
	}
	return n.Until
}

// resolved says whether a later notice removed the cause of a refusal.
func (f *number) resolved(n *Notice) bool {
	after := func(aspect string) *Notice {
		if later := f.last[aspect]; later != nil && later.At.After(n.At) {
			return later
		}
		return nil
	}
	switch n.Code {
	case codeCallingOff:
		later := after(aspectCalling)
		return later != nil && later.Calling == callingEnabled
	case codeLowQuality:
		return after(aspectRestrictions) != nil || after(aspectOmitted) != nil // the whole list is known since; what it holds counts itself
	case codeLowTier:
		later := after(aspectTier)
		return later != nil && !smallTier(later.Tier)
	}
	return false
}

// smallTier says whether a messaging limit is below what calling asks for: 2,000
// conversations a day (Meta, Cloud API Calling, call settings; 1,000 in older text).
func smallTier(tier string) bool {
	switch tier {
	case "TIER_50", "TIER_250", "TIER_1K", "TIER_NOT_SET":
		return true
	}
	return false
}

// word is what the last notice on an aspect says, "" when there is none.
func (f *number) word(aspect string, of func(n *Notice) string) string {
	if n := f.last[aspect]; n != nil {
		return of(n)
	}
	return ""
}

func (f *number) calling() string {
	return f.word(aspectCalling, func(n *Notice) string { return n.Calling })
}

func (f *number) quality() string {
	return f.word(aspectQuality, func(n *Notice) string { return n.Event })
}

func (f *number) tier() string {
	return f.word(aspectTier, func(n *Notice) string { return n.Tier })
}
