package permissions

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/callctl/callctl/geo"
)

// DefaultPack is the rule pack of a business that names none: the strictest.
const DefaultPack = "8x8-strict"

//go:embed rules/*.json
var packFiles embed.FS

// The ways to treat a permanent grant.
const (
	permanentHonour = "honour" // holds until withdrawn
	permanentCap    = "cap"    // ends at max_age like any other
)

// The points at which a call counts against its grant.
const (
	consumedAtAttempt   = "attempt"   // reserving the dial
	consumedAtConnected = "connected" // the user's answer
)

// pack is one dated version of a rule pack. Immutable.
//
// A company's own pack names a base and the keys that it changes:
//
//	{"name": "acme", "version": "2026-12-01", "valid_from": "2026-12-01", "base": "meta",
//	 "grant": {"max_age": "72h"}, "sources": {"grant.max_age": "our privacy policy, section 4"}}
type pack struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	ValidFrom string            `json:"valid_from"`
	Notes     []string          `json:"notes"`
	Grant     grantRules        `json:"grant"`
	Calls     callRules         `json:"calls"`
	Requests  requestRules      `json:"requests"`
	Hours     *geo.Hours        `json:"hours"`        // nil for any hour
	Places    string            `json:"destinations"` // listed or off: whether the list of destination countries holds
	Revoking  revocationRules   `json:"revocation"`
	Sources   map[string]string `json:"sources"`

	from time.Time
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
	PerGrant   int     `json:"per_grant"` // zero for any number
	ConsumedAt string  `json:"consumed_at"`
	Connected  []limit `json:"connected"`
	Unanswered struct {
		Nudge  int `json:"nudge"`  // calls in a row after which the user is nudged; zero for never
		Refuse int `json:"refuse"` // calls in a row after which no further one is placed; zero for never
	} `json:"unanswered"`
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

func (s span) duration() time.Duration { return time.Duration(s) }

// cite is the name under which decisions cite the version.
func (p *pack) cite() string { return p.Name + "@" + p.Version }

// needsReadBack says whether a grant of this grade is dialled on only after the
// provider confirmed it.
func (p *pack) needsReadBack(a Auth) bool { return slices.Contains(p.Grant.ReadBack, a) }

// packs are all versions of all packs, oldest version first.
type packs map[string][]*pack

// at is the version of the named pack in force at t, the oldest before that.
func (ps packs) at(name string, t time.Time) *pack {
	versions := ps[name]
	if len(versions) == 0 {
		versions = ps[DefaultPack]
	}
	chosen := versions[0]
	for _, p := range versions[1:] {
		if !t.Before(p.from) {
			chosen = p
		}
	}
	return chosen
}

// PackVersions lists the rule packs of this binary as name@version, sorted.
func PackVersions() ([]string, error) {
	ps, err := loadPacks(packFiles)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, versions := range ps {
		for _, p := range versions {
			out = append(out, p.cite())
		}
	}
	slices.Sort(out)
	return out, nil
}

func loadPacks(files fs.FS) (packs, error) {
	names, err := fs.Glob(files, "rules/*.json")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	ps := make(packs)
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPack, err)
		}
		p, err := parsePack(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		ps[p.Name] = append(ps[p.Name], p)
	}
	for name, versions := range ps {
		slices.SortFunc(versions, func(a, b *pack) int { return a.from.Compare(b.from) })
		for i := 1; i < len(versions); i++ {
			if versions[i].from.Equal(versions[i-1].from) {
				return nil, fmt.Errorf("%w: two versions of %s begin on one day", ErrPack, name)
			}
		}
	}
	if len(ps[DefaultPack]) == 0 {
		return nil, fmt.Errorf("%w: %s is missing", ErrPack, DefaultPack)
	}
	return ps, nil
}

func parsePack(raw []byte) (*pack, error) {
	var p pack
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	var err error
	if p.from, err = time.Parse(time.DateOnly, p.ValidFrom); err != nil {
		return nil, fmt.Errorf("%w: valid_from: %w", ErrPack, err)
	}
	if why := p.fault(); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrPack, why)
	}
	return &p, nil
}

// fault names what makes the pack unusable, "" when nothing does.
func (p *pack) fault() string {
	for _, fault := range []string{p.identityFault(), p.Grant.fault(), p.Calls.fault(), p.Requests.fault()} {
		if fault != "" {
			return fault
		}
	}
	return ""
}

func (p *pack) identityFault() string {
	if p.Name == "" || p.Version == "" {
		return "name and version are needed"
	}
	for _, key := range []string{"grant.max_age", "grant.read_back", "calls.per_grant", "calls.connected", "requests.limits", "requests.per_cycle"} {
		if p.Sources[key] == "" {
			return "sources." + key + " is needed"
		}
	}
	return ""
}

func (g grantRules) fault() string {
	switch {
	case g.DefaultAge <= 0:
		return "grant.default_age must be positive: a temporary grant is never for ever"
	case g.MaxAge < 0 || g.ClockSkew < 0:
		return "grant.max_age and grant.clock_skew cannot be negative"
	case g.Permanent != permanentHonour && g.Permanent != permanentCap:
		return "grant.permanent is honour or cap"
	case g.Permanent == permanentCap && g.MaxAge == 0:
		return "grant.permanent: cap needs grant.max_age"
	}
	return ""
}

func (c callRules) fault() string {
	switch {
	case c.PerGrant < 0:
		return "calls.per_grant cannot be negative"
	case c.ConsumedAt != consumedAtAttempt && c.ConsumedAt != consumedAtConnected:
		return "calls.consumed_at is attempt or connected"
	}
	return limitFault(c.Connected)
}

func (r requestRules) fault() string {
	if r.PerCycle < 0 {
		return "requests.per_cycle cannot be negative"
	}
	return limitFault(r.Limits)
}

func limitFault(limits []limit) string {
	for _, l := range limits {
		if l.Max <= 0 || l.Period <= 0 {
			return "a limit needs a positive max and period"
		}
	}
	return ""
}
