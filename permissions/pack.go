package permissions

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
)

// DefaultPack is the rule pack of a business that names none: the strictest.
const DefaultPack = "8x8-strict"

// The ways to treat a permanent grant.
const (
	permanentHonour = "honour" // holds until withdrawn
	permanentCap    = "cap"    // ends at max_age like any other
	permanentRefuse = "refuse" // is no permission
)

// The points at which a call counts against its grant.
const (
	consumedAtAttempt   = "attempt"   // reserving the dial
	consumedAtConnected = "connected" // the user's answer
)

// Whether the list of destination countries holds.
const (
	destinationsListed = "listed"
	destinationsOff    = "off"
)

// pack is one dated version of a rule pack. Immutable.
//
// A company's own pack names a base and the keys that it changes, each with its
// source. It begins from the base's version in force at its valid_from and stays
// with that; objects merge, lists and the null of hours replace. A pack that names itself as
// its base changes its own version before.
//
//	{"name": "acme", "version": "2026-12-01", "valid_from": "2026-12-01", "base": "meta",
//	 "grant": {"max_age": "72h"}, "sources": {"grant.max_age": "our privacy policy, section 4"}}
type pack struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	ValidFrom string            `json:"valid_from"` // a day; the version holds from its midnight UTC
	Base      string            `json:"base,omitempty"`
	Notes     []string          `json:"notes"`
	Grant     grantRules        `json:"grant"`
	Calls     callRules         `json:"calls"`
	Requests  requestRules      `json:"requests"`
	Hours     *geo.Hours        `json:"hours"`        // nil for any hour
	Places    string            `json:"destinations"` // listed or off: whether the list of destination countries holds
	Revoking  revocationRules   `json:"revocation"`
	Sources   map[string]string `json:"sources"`

	from    time.Time
	shipped bool           // in the binary
	tree    map[string]any // the whole document, that of the base included
}

type grantRules struct {
	MaxAge     span   `json:"max_age"`     // cap on every grant, zero for none
	DefaultAge span   `json:"default_age"` // of a temporary grant without expiry
	Permanent  string `json:"permanent"`
	ClockSkew  span   `json:"clock_skew"` // margin before an expiry
	ReadBack   []Auth `json:"read_back"`  // grades that need a read-back before a dial

	ReadBackAfter span `json:"read_back_after"` // age of a grant, or of what was read last, from which it is read back before a dial; zero for never
	Warning       span `json:"warning"`         // how long before its end a grant is announced; zero for not at all
	Operator      bool `json:"operator"`        // grants by the API are possible
	Approvals     int  `json:"approvals"`       // persons that a change that widens permission needs: 1 or 2
}

type callRules struct {
	PerGrant   int             `json:"per_grant"` // zero for any number
	ConsumedAt string          `json:"consumed_at"`
	Connected  []limit         `json:"connected"`
	Unanswered unansweredRules `json:"unanswered"`
}

type unansweredRules struct {
	Nudge  int `json:"nudge"`  // calls in a row after which the user is nudged; zero for never
	Refuse int `json:"refuse"` // calls in a row after which no further one is placed; zero for never
}

type requestRules struct {
	Limits   []limit `json:"limits"`
	Reset    bool    `json:"reset_by_connected_call"`
	PerCycle int     `json:"per_cycle"` // requests without a grant, zero for any number
}

type revocationRules struct {
	Scope Scope `json:"scope"` // how far a user's opt-out reaches
}

// limit allows Max occurrences in any window of Period.
type limit struct {
	Max    int  `json:"max"`
	Period span `json:"period"`
}

// span is a duration written as Go writes it; "" is zero.
type span time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == "" {
		*s = 0
		return nil
	}
	d, err := time.ParseDuration(text)
	*s = span(d)
	return err
}

// MarshalJSON implements json.Marshaler: without the zeros at the end.
func (s span) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// String is the form that a pack holds, such as "24h" or "1m30s".
func (s span) String() string {
	if s == 0 {
		return ""
	}
	text := time.Duration(s).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s span) duration() time.Duration { return time.Duration(s) }

// cite is the name under which decisions cite the version.
func (p *pack) cite() string { return p.Name + "@" + p.Version }

// needsReadBack says whether a grant of this grade is dialled on only after the
// provider confirmed it.
func (p *pack) needsReadBack(a Auth) bool { return slices.Contains(p.Grant.ReadBack, a) }

// packs are all versions of all packs, oldest version first.
type packs map[string][]*pack

// of are the versions of the named pack, those of the default when there is none.
func (ps packs) of(name string) []*pack {
	if versions := ps[name]; len(versions) > 0 {
		return versions
	}
	return ps[DefaultPack]
}

// at is the version of the named pack in force at t. A pack of the company's own is
// none before its first version's day: until then the pack that it begins from
// holds. Of a shipped pack the oldest version holds before its day, too.
func (ps packs) at(name string, t time.Time) *pack {
	versions := ps.of(name)
	chosen := versions[0]
	if chosen.future(t) {
		return ps.at(chosen.begunFrom(), t)
	}
	for _, p := range versions[1:] {
		if !t.Before(p.from) {
			chosen = p
		}
	}
	return chosen
}

// future says whether the version, the first of a company's own pack, is none yet.
func (p *pack) future(t time.Time) bool { return !p.shipped && t.Before(p.from) }

// begunFrom is the name of the pack that the version begins from, "" for none; it is
// never the version's own for the first one.
func (p *pack) begunFrom() string {
	name, _, _ := strings.Cut(p.Base, "@")
	return name
}

// next is when another version than that of t begins to hold for a business of the
// named pack, zero for never.
func (ps packs) next(name string, t time.Time) time.Time {
	versions := ps.of(name)
	if first := versions[0]; first.future(t) {
		if change := ps.next(first.begunFrom(), t); !change.IsZero() && change.Before(first.from) {
			return change
		}
		return first.from
	}
	for _, p := range versions[1:] {
		if p.from.After(t) {
			return p.from
		}
	}
	return time.Time{}
}
