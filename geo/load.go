package geo

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

//go:embed rules/geography.json
var geography []byte

// document is the shape of rules/geography.json.
type document struct {
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Notes       []string            `json:"notes"`
	Business    []datedRegion       `json:"bic_blocked_business_countries"`
	Destination []datedRegion       `json:"bic_blocked_destination_countries"`
	Sanctioned  []datedRegion       `json:"sanctioned"`
	Territories []territory         `json:"territories"`
	CountsAs    []substitution      `json:"counts_as"`
	NANP        map[string][]string `json:"nanp"`
	Zones       map[string][]string `json:"zones"`
}

type datedRegion struct {
	Region string `json:"region"`
	From   string `json:"valid_from"`
	To     string `json:"valid_to"`
	Source string `json:"source"`
}

type territory struct {
	Prefix    string `json:"prefix"`
	Region    string `json:"region"`
	Confirmed bool   `json:"confirmed"`
	Source    string `json:"source"`
}

type substitution struct {
	Region string `json:"region"`
	As     string `json:"as"`
	Source string `json:"source"`
}

// Load returns the rules that ship with this binary. It fails with [ErrRules]
// when the data names an unknown region form, overlaps or lacks a source, or an
// override does. Overrides are the company's own: no two may name the same
// subscriber.
func Load(overrides ...Override) (*Rules, error) {
	r, err := parseRules(geography)
	if err != nil {
		return nil, err
	}
	if err := r.addOverrides(overrides); err != nil {
		return nil, err
	}
	return r, nil
}

func parseRules(raw []byte) (*Rules, error) {
	var doc document
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRules, err)
	}
	if _, err := time.Parse(time.DateOnly, doc.Version); err != nil || doc.Name == "" {
		return nil, fmt.Errorf("%w: name and a dated version are needed", ErrRules)
	}
	r := &Rules{version: doc.Name + "@" + doc.Version}
	var err error
	if r.business, err = lists(listBusiness, doc.Business); err != nil {
		return nil, err
	}
	if r.destination, err = lists(listDestination, doc.Destination); err != nil {
		return nil, err
	}
	if r.sanction, err = lists(listSanctioned, doc.Sanctioned); err != nil {
		return nil, err
	}
	if err := r.addPrefixes(doc.Territories); err != nil {
		return nil, err
	}
	if err := r.addAreas(doc.NANP); err != nil {
		return nil, err
	}
	if err := r.addSubstitutions(doc.CountsAs); err != nil {
		return nil, err
	}
	if err := r.addZones(doc.Zones); err != nil {
		return nil, err
	}
	return r, nil
}

func lists(name string, lines []datedRegion) (map[string][]entry, error) {
	if len(lines) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrRules, name)
	}
	out := make(map[string][]entry, len(lines))
	for _, line := range lines {
		from, err := day(line.From)
		if err != nil {
			return nil, fmt.Errorf("%w: %s/%s valid_from: %w", ErrRules, name, line.Region, err)
		}
		to, err := day(line.To)
		if err != nil {
			return nil, fmt.Errorf("%w: %s/%s valid_to: %w", ErrRules, name, line.Region, err)
		}
		if !isRegion(line.Region) || line.Source == "" || !to.IsZero() && !from.Before(to) {
			return nil, fmt.Errorf("%w: %s/%s needs a region, a source and an order of dates", ErrRules, name, line.Region)
		}
		for _, other := range out[line.Region] {
			if (to.IsZero() || other.from.Before(to)) && (other.to.IsZero() || from.Before(other.to)) {
				return nil, fmt.Errorf("%w: %s/%s overlaps itself", ErrRules, name, line.Region)
			}
		}
		out[line.Region] = append(out[line.Region], entry{from: from, to: to, source: line.Source})
	}
	return out, nil
}

func (r *Rules) addPrefixes(lines []territory) error {
	r.prefixes = make(map[string]string, len(lines))
	for _, line := range lines {
		digits, plus := strings.CutPrefix(line.Prefix, "+")
		if !plus || digits == "" || strings.Trim(digits, "0123456789") != "" || !isRegion(line.Region) || line.Source == "" {
			return fmt.Errorf("%w: territory %q needs a prefix, a region and a source", ErrRules, line.Prefix)
		}
		if _, twice := r.prefixes[line.Prefix]; twice {
			return fmt.Errorf("%w: territory %q stands twice", ErrRules, line.Prefix)
		}
		r.prefixes[line.Prefix] = line.Region
		r.longest = max(r.longest, len(line.Prefix))
	}
	return nil
}

func (r *Rules) addAreas(nanp map[string][]string) error {
	r.areas = make(map[string]string)
	for region, areas := range nanp {
		for _, area := range areas {
			if len(area) != 3 || strings.Trim(area, "0123456789") != "" || !isRegion(region) {
				return fmt.Errorf("%w: nanp/%s: %q is no area code", ErrRules, region, area)
			}
			if other, twice := r.areas[area]; twice {
				return fmt.Errorf("%w: area code %s belongs to %s and %s", ErrRules, area, other, region)
			}
			r.areas[area] = region
		}
	}
	return nil
}

func (r *Rules) addSubstitutions(lines []substitution) error {
	r.countsAs = make(map[string]string, len(lines))
	for _, line := range lines {
		if !isRegion(line.Region) || !isRegion(line.As) || line.Region == line.As || line.Source == "" {
			return fmt.Errorf("%w: counts_as/%s needs two regions and a source", ErrRules, line.Region)
		}
		r.countsAs[line.Region] = line.As
	}
	return nil
}

func (r *Rules) addZones(zones map[string][]string) error {
	r.zones = zones
	for region, names := range zones {
		if !isRegion(region) || len(names) == 0 {
			return fmt.Errorf("%w: zones/%s needs a region and its zones", ErrRules, region)
		}
		for _, name := range names {
			if _, err := Zone(name); err != nil {
				return fmt.Errorf("%w: zones/%s: %w: %s", ErrRules, region, err, name)
			}
		}
	}
	return nil
}

// day reads a date as midnight UTC; an empty one is open.
func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, s)
}

// isRegion accepts the forms of ISO 3166-1 alpha-2 and ISO 3166-2.
func isRegion(s string) bool { return regionForm.MatchString(s) }

var regionForm = regexp.MustCompile(`^[A-Z]{2}(-[A-Z0-9]{1,3})?$`)

// countryOf is the ISO 3166-1 part of a region.
func countryOf(region string) string {
	country, _, _ := strings.Cut(region, "-")
	return country
}
