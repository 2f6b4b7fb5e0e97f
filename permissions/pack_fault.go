package permissions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ruleKeys are the keys that a pack has a source for each, in the order of the
// document.
func ruleKeys() []string {
	return []string{
		"grant.max_age", "grant.default_age", "grant.permanent", "grant.clock_skew", "grant.read_back",
		"grant.read_back_after", "grant.warning", "grant.operator", "grant.approvals",
		"calls.per_grant", "calls.consumed_at", "calls.connected", "calls.unanswered",
		"requests.limits", "requests.reset_by_connected_call", "requests.per_cycle",
		"hours", "destinations", "revocation.scope",
	}
}

// ruleKey is the key whose source a path of the document falls under: a path
// within hours under hours, one within calls.unanswered under that.
func ruleKey(path string) (string, bool) {
	for _, key := range ruleKeys() {
		if path == key || strings.HasPrefix(path, key+".") {
			return key, true
		}
	}
	return "", false
}

// leaves are the paths of all values that are no object, sorted. An empty object
// is a leaf.
func leaves(tree map[string]any, at string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		path := joined(at, key)
		if inner, ok := tree[key].(map[string]any); ok && len(inner) > 0 {
			out = append(out, leaves(inner, path)...)
			continue
		}
		out = append(out, path)
	}
	return out
}

// nullFault refuses null where it would silently mean no limit at all, such as a key
// of YAML with nothing behind it. Only of hours does it mean something: any hour.
func nullFault(tree map[string]any, at string) error {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		path := joined(at, key)
		if inner, ok := tree[key].(map[string]any); ok {
			if err := nullFault(inner, path); err != nil {
				return err
			}
		}
		if _, rule := ruleKey(path); rule && tree[key] == nil && path != "hours" {
			return broken(path, "is null; only hours can be")
		}
	}
	return nil
}

func sourceMissing(key string) error {
	return fmt.Errorf("sources.%s: is needed: where the rule comes from", key) //nolint:err113 // for the person who wrote the pack; wrapped in ErrPack
}

// fault names what makes the pack unusable, nil when nothing does.
func (p *pack) fault() error {
	present := leaves(p.tree, "")
	for _, key := range ruleKeys() {
		under := func(path string) bool { return path == key || strings.HasPrefix(path, key+".") }
		if !slices.ContainsFunc(present, under) {
			return broken(key, "is missing; a pack without a base has every key")
		}
		if strings.TrimSpace(p.Sources[key]) == "" {
			return sourceMissing(key)
		}
	}
	for _, fault := range []error{p.Grant.fault(), p.Calls.fault(), p.Requests.fault()} {
		if fault != nil {
			return fault
		}
	}
	if p.Places != destinationsListed && p.Places != destinationsOff {
		return broken("destinations", "is listed or off")
	}
	switch p.Revoking.Scope {
	case ScopeAll, ScopeBrand, ScopePurpose:
		return nil
	}
	return broken("revocation.scope", "is all, brand or purpose")
}

func broken(key, why string) error {
	return fmt.Errorf("%s: %s", key, why) //nolint:err113 // for the person who wrote the pack; wrapped in ErrPack
}

func (g grantRules) fault() error {
	if err := g.spanFault(); err != nil {
		return err
	}
	switch {
	case g.DefaultAge <= 0:
		return broken("grant.default_age", "must be positive: a temporary grant is never for ever")
	case g.DefaultAge <= g.ClockSkew, g.MaxAge > 0 && g.MaxAge <= g.ClockSkew:
		return broken("grant.clock_skew", "is no shorter than a grant: none would ever hold")
	case g.Permanent != permanentHonour && g.Permanent != permanentCap && g.Permanent != permanentRefuse:
		return broken("grant.permanent", "is honour, cap or refuse")
	case g.Permanent == permanentCap && g.MaxAge == 0:
		return broken("grant.permanent", "cap needs grant.max_age")
	case g.Approvals != 1 && g.Approvals != 2:
		return broken("grant.approvals", "is 1 or 2")
	}
	for _, a := range g.ReadBack {
		if !slices.Contains([]Auth{AuthHMAC, AuthBearer, AuthOperator}, a) {
			return broken("grant.read_back", "lists hmac, bearer or operator")
		}
	}
	return nil
}

func (g grantRules) spanFault() error {
	for key, d := range map[string]span{"max_age": g.MaxAge, "clock_skew": g.ClockSkew, "read_back_after": g.ReadBackAfter, "warning": g.Warning} {
		if d < 0 {
			return broken("grant."+key, "cannot be negative")
		}
	}
	return nil
}

func (c callRules) fault() error {
	switch {
	case c.PerGrant < 0:
		return broken("calls.per_grant", "cannot be negative")
	case c.ConsumedAt != consumedAtAttempt && c.ConsumedAt != consumedAtConnected:
		return broken("calls.consumed_at", "is attempt or connected")
	case c.Unanswered.Nudge < 0 || c.Unanswered.Refuse < 0:
		return broken("calls.unanswered", "cannot be negative")
	case c.Unanswered.Refuse > 0 && c.Unanswered.Nudge > c.Unanswered.Refuse:
		return broken("calls.unanswered", "the nudge would come after the last call that is placed")
	}
	return limitFault("calls.connected", c.Connected)
}

func (r requestRules) fault() error {
	if r.PerCycle < 0 {
		return broken("requests.per_cycle", "cannot be negative")
	}
	return limitFault("requests.limits", r.Limits)
}

func limitFault(key string, limits []limit) error {
	for _, l := range limits {
		if l.Max <= 0 || l.Period <= 0 {
			return broken(key, "a limit needs a positive max and period")
		}
	}
	return nil
}
