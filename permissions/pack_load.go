package permissions

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
)

//go:embed rules/*.json
var packFiles embed.FS

// PackSummary is one version of a rule pack, for whoever shows the rules.
type PackSummary struct {
	Name      string          `json:"name"`
	Version   string          `json:"version"`
	ValidFrom time.Time       `json:"validFrom"`
	ValidTo   time.Time       `json:"validTo,omitzero"` // when the next version of the name begins
	Base      string          `json:"base,omitempty"`   // name@version that it began from
	Shipped   bool            `json:"shipped"`          // in this binary, not the company's own
	Document  json.RawMessage `json:"document"`         // the whole pack, what its base says included, indented JSON
}

// Packs lists every version of the rule packs of this binary and of docs, a
// company's own as [Config.Packs] takes them, by name and date. Errors wrap
// [ErrPack] and name the pack and the key.
func Packs(docs ...json.RawMessage) ([]PackSummary, error) {
	ps, err := loadPacks(packFiles, docs...)
	if err != nil {
		return nil, err
	}
	var out []PackSummary
	for _, name := range slices.Sorted(maps.Keys(ps)) {
		for i, p := range ps[name] {
			s := PackSummary{Name: p.Name, Version: p.Version, ValidFrom: p.from, Base: p.Base, Shipped: p.shipped}
			if i+1 < len(ps[name]) {
				s.ValidTo = ps[name][i+1].from
			}
			if s.Document, err = json.MarshalIndent(p, "", "  "); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrPack, p.cite(), err)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// PackVersions lists the rule packs of this binary and of docs, a company's own,
// as name@version, sorted. Errors are those of [Packs].
func PackVersions(docs ...json.RawMessage) ([]string, error) {
	ps, err := loadPacks(packFiles, docs...)
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

// PackNames lists the names of the rule packs that a business can use: those of
// this binary and those of docs, a company's own as [Config.Packs] takes them.
// Errors wrap [ErrPack] and name the pack and the key.
func PackNames(docs ...json.RawMessage) ([]string, error) {
	ps, err := loadPacks(packFiles, docs...)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(ps)), nil
}

// loadPacks reads the shipped packs and then the company's own.
func loadPacks(files fs.FS, docs ...json.RawMessage) (packs, error) {
	names, err := fs.Glob(files, "rules/*.json")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	shipped := make([]json.RawMessage, len(names))
	for i, name := range names {
		if shipped[i], err = fs.ReadFile(files, name); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPack, err)
		}
	}
	ps := make(packs)
	if err := ps.add(true, shipped); err != nil {
		return nil, err
	}
	if len(ps[DefaultPack]) == 0 {
		return nil, fmt.Errorf("%w: %s is missing", ErrPack, DefaultPack)
	}
	if err := ps.add(false, docs); err != nil {
		return nil, err
	}
	return ps, nil
}

// add reads documents of one origin. A document waits until the versions that
// its base could mean are there; the names are those of the origin alone.
func (ps packs) add(shipped bool, docs []json.RawMessage) error {
	waiting := make([]*document, 0, len(docs))
	for i, raw := range docs {
		d, err := readPackDocument(raw)
		if err != nil {
			return fmt.Errorf("%w: document %d: %w", ErrPack, i+1, err)
		}
		if len(ps[d.name]) > 0 {
			return fmt.Errorf("%w: %s: name: a shipped pack has it; a company's own needs another", ErrPack, d.cite())
		}
		waiting = append(waiting, d)
	}
	slices.SortStableFunc(waiting, func(a, b *document) int { return cmp.Or(cmp.Compare(a.name, b.name), a.from.Compare(b.from)) })
	if err := distinct(waiting); err != nil {
		return err
	}
	for len(waiting) > 0 {
		var later []*document
		for i, d := range waiting {
			if d.waitsFor(slices.Concat(waiting[:i], waiting[i+1:])) {
				later = append(later, d)
				continue
			}
			p, err := ps.build(d)
			if err != nil {
				return err
			}
			p.shipped = shipped
			ps[p.Name] = append(ps[p.Name], p)
			slices.SortFunc(ps[p.Name], func(a, b *pack) int { return a.from.Compare(b.from) })
		}
		if len(later) == len(waiting) {
			return fmt.Errorf("%w: %s: base: the packs begin from each other", ErrPack, waiting[0].cite())
		}
		waiting = later
	}
	return nil
}

// distinct refuses what would make a citation or a date ambiguous. Docs are in the
// order of name and date.
func distinct(docs []*document) error {
	cited := make(map[string]bool, len(docs))
	for i, d := range docs {
		if cited[d.cite()] {
			return fmt.Errorf("%w: %s: version: another document has the same", ErrPack, d.cite())
		}
		cited[d.cite()] = true
		if i > 0 && docs[i-1].name == d.name && docs[i-1].from.Equal(d.from) {
			return fmt.Errorf("%w: %s: valid_from: %s begins on the same day", ErrPack, d.cite(), docs[i-1].cite())
		}
	}
	return nil
}
