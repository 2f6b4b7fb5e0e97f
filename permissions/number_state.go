package permissions

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/callctl/callctl/geo"
)

// violationsFor is how long a warning is shown: the platform's restrictions that
// follow one last 7 days usually and 30 days at most.
const violationsFor = 30 * 24 * time.Hour

// Number is the state of one of our numbers now. [ErrBusiness] when it is none.
func (l *Ledger) Number(ctx context.Context, business geo.E164) (NumberState, error) {
	business, err := l.ours(business)
	if err != nil {
		return NumberState{}, err
	}
	var s NumberState
	err = l.snapshot(ctx, func(ctx context.Context, q querier) error {
		now := l.cfg.Now().UTC()
		words, err := scanNotices(ctx, q, selectAspects, string(business))
		if err != nil {
			return err
		}
		templates, err := scanNotices(ctx, q, selectTemplatesNotices, string(business))
		if err != nil {
			return err
		}
		violations, err := scanNotices(ctx, q, selectNoticesOf, string(business), string(Violation), now.Add(-violationsFor).UnixMilli())
		if err != nil {
			return err
		}
		s = numberState(slices.Concat(words, templates, violations), now)
		s.Business, s.Account = business, l.businesses[business].Account
		s.Drift, err = l.drifts(ctx, q, business)
		return err
	})
	return s, err
}

// numberState is the projection of a set of notices at now: order and repetition
// do not matter.
func numberState(notices []Notice, now time.Time) NumberState {
	f := foldNumber(notices)
	s := NumberState{
		Restrictions: f.restrictions(now), Violations: []Notice{}, Templates: []TemplateState{}, Drift: []Drift{},
		Quality: f.quality(), Tier: f.tier(), Calling: f.calling(),
	}
	seen := make(map[string]bool)
	byTemplate := make(map[string][]Notice)
	for _, n := range notices {
		if seen[n.ID] {
			continue
		}
		seen[n.ID] = true
		if n.At.After(s.UpdatedAt) {
			s.UpdatedAt = n.At
		}
		if n.Kind == Violation && n.At.After(now.Add(-violationsFor)) {
			s.Violations = append(s.Violations, n)
		}
		if n.Template != "" {
			byTemplate[n.Template] = append(byTemplate[n.Template], n)
		}
	}
	slices.SortFunc(s.Violations, func(a, b Notice) int { return compareNotices(&a, &b) })
	for _, name := range slices.Sorted(maps.Keys(byTemplate)) {
		s.Templates = append(s.Templates, foldTemplate(name, byTemplate[name]))
	}
	return s
}

// foldTemplate replays the notices about one template. An approval is about the
// template with the category that it has then.
func foldTemplate(name string, notices []Notice) TemplateState {
	s := TemplateState{Name: name}
	was := "" // the category when first heard of or approved
	notices = slices.Clone(notices)
	slices.SortFunc(notices, func(a, b Notice) int { return compareNotices(&a, &b) })
	for _, n := range notices {
		switch n.Kind {
		case TemplateStatus:
			s.Status, s.Reason = n.Status, n.Type
			if approves(n.Status) {
				was = s.Category
			}
		case TemplateQuality:
			s.Quality = n.Status
		case TemplateCategory:
			if was == "" {
				if was = n.Type; was == "" {
					was = n.Status
				}
			}
			s.Category, s.Warned = n.Status, ""
		case TemplateWarned:
			s.Warned = n.Status
		default:
			continue
		}
		s.Since, s.Notice = n.At, n.ID
	}
	if was != "" && was != s.Category {
		s.Recategorised = was
	}
	return s
}

func approves(status string) bool { return status == "APPROVED" || status == "REINSTATED" }
