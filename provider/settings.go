package provider

import (
	"context"
	"encoding/json"

	"github.com/callctl/callctl/permissions"
)

// SettingsReader is a provider whose API tells the calling settings of our number,
// among them the restrictions in force.
type SettingsReader interface {
	// ReadSettings asks for the settings. The notices are a Settings and a
	// RestrictionsRead, which lists every restriction in force; both carry
	// AuthReadBack, and ids of their own. Errors are as of ReadPermission.
	ReadSettings(ctx context.Context) ([]permissions.Notice, error)
}

// settings reads a number's calling settings.
func (r *Reader) settings(base permissions.Notice, said Members) {
	if inner := said.Object("phone_number_settings"); inner != nil {
		said = inner
	}
	calling := said.Object("calling")
	if calling == nil && !said.Has("restrictions") {
		base.Kind, base.Event = permissions.AccountNews, Word(accountSettings)
		base.Type = Word(said.Scalar("type"))
		r.Notice(base)
		return
	}
	n := base
	n.Kind, n.Calling = permissions.Settings, Word(calling.Scalar("status"))
	r.Notice(n)
	for _, place := range []Members{calling, said} {
		if place.Has("restrictions") {
			n = base
			n.ID = numbered(base.ID, 1)
			r.restrictions(n, place)
			return
		}
	}
}

// restrictions reads the whole list of restrictions in force, which replaces what
// is known. A list of which a part cannot be read must not lift anything: its
// readable parts then count as restrictions of their own.
func (r *Reader) restrictions(base permissions.Notice, said Members) {
	list, ok := said.List("restrictions")
	if inner := said.Object("restrictions"); inner != nil {
		list, ok = inner.List("restrictions_list")
		ok = ok && (len(inner) == 0 || inner.Has("restrictions_list"))
	}
	if !ok {
		r.Malformed("restrictions")
		return
	}
	before := len(r.Unknown)
	all := make([]permissions.Notice, 0, len(list))
	for _, raw := range list {
		if n, ok := r.restriction(base, raw); ok {
			all = append(all, n)
		}
	}
	if len(r.Unknown) > before {
		for i, n := range all {
			n.ID = numbered(base.ID, i)
			r.Notice(n)
		}
		return
	}
	base.Kind = permissions.RestrictionsRead
	base.Restrictions = make([]permissions.NumberRestriction, 0, len(all))
	for _, n := range all {
		base.Restrictions = append(base.Restrictions, permissions.NumberRestriction{
			Type: n.Type, Reason: n.Remediation, Since: base.At, Until: n.Until, Notice: base.ID,
		})
	}
	r.Notice(base)
}

// Settings reads the answer to a question for the calling settings. Unset members
// are left out of it, so an answer without a list of restrictions is recorded as
// one that omits it; raw is the answer. False when it says nothing of calling.
func (r *Reader) Settings(base permissions.Notice, raw json.RawMessage) bool {
	said, _ := ReadMembers(raw)
	if !said.Has("calling") && !said.Has("restrictions") {
		return false
	}
	before := len(r.Notices)
	r.settings(base, said)
	if len(r.Notices) == before+1 && len(r.Unknown) == 0 && r.Notices[before].Kind == permissions.Settings {
		base.ID, base.Kind, base.Event = numbered(base.ID, 1), permissions.RestrictionsRead, permissions.RestrictionsOmitted
		base.Restrictions = []permissions.NumberRestriction{}
		r.Notice(base)
	}
	return true
}
