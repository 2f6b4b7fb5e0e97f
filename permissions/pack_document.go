package permissions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"time"
)

// maxNesting bounds how deep a document may be; no rule is deeper than five.
const maxNesting = 16

// The names of packs and versions appear in citations as name@version.
var citable = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)

var (
	errNotObject  = errors.New("a rule pack is a JSON object")
	errNesting    = errors.New("nested too deep")
	errKeyTwice   = errors.New("stands twice")
	errTrailing   = errors.New("something follows the document")
	errNotName    = errors.New("is needed: letters, digits and . _ + -, at most 64")
	errNotText    = errors.New("is no text")
	errNotDay     = errors.New("is needed: a day such as 2026-12-01")
	errNoBase     = errors.New("no such pack")
	errNoVersion  = errors.New("no version of its own begins before")
	errUnknownKey = errors.New("is no key of a rule pack")
)

// document is a rule pack as it is written: what its base says is not in it.
type document struct {
	tree    map[string]any
	name    string
	version string
	base    string // "" for none
	from    time.Time
}

func (d *document) cite() string { return d.name + "@" + d.version }

// readPackDocument reads what tells one document from another. Errors name the key.
func readPackDocument(raw []byte) (*document, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	value, err := readTree(dec, "", maxNesting)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	d := &document{tree: tree}
	day := ""
	for key, into := range map[string]*string{"name": &d.name, "version": &d.version, "base": &d.base, "valid_from": &day} {
		if *into, ok = tree[key].(string); !ok && tree[key] != nil {
			return nil, fmt.Errorf("%s: %w", key, errNotText)
		}
	}
	if !citable.MatchString(d.name) {
		return nil, fmt.Errorf("name: %w", errNotName)
	}
	if !citable.MatchString(d.version) {
		return nil, fmt.Errorf("%s: version: %w", d.name, errNotName)
	}
	if d.from, err = time.Parse(time.DateOnly, day); err != nil {
		return nil, fmt.Errorf("%s: valid_from: %w", d.cite(), errNotDay)
	}
	return d, nil
}

// readTree reads a value of JSON; an object that names a key twice is refused,
// because the reader of the file cannot know which of the two holds.
func readTree(dec *json.Decoder, at string, depth int) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if depth == 0 {
		return nil, fmt.Errorf("%s: %w", at, errNesting)
	}
	list := []any{}
	object := make(map[string]any)
	for dec.More() {
		if delim == '[' {
			v, err := readTree(dec, at, depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			continue
		}
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		key, _ := tok.(string)
		path := joined(at, key)
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("%s: %w", path, errKeyTwice)
		}
		if object[key], err = readTree(dec, path, depth-1); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if delim == '[' {
		return list, nil
	}
	return object, nil
}

func joined(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// waitsFor says whether the version that the document begins from can be among
// others that are not built yet.
func (d *document) waitsFor(others []*document) bool {
	for _, o := range others {
		if o.name == d.base && (o.name != d.name || o.from.Before(d.from)) {
			return true
		}
	}
	return false
}

// begins is the version that the document begins from, nil for none.
func (ps packs) begins(d *document) (*pack, error) {
	switch versions := ps[d.base]; {
	case d.base == "":
		return nil, nil //nolint:nilnil // a document that is whole
	case d.base == d.name && (len(versions) == 0 || !versions[0].from.Before(d.from)):
		return nil, errNoVersion
	case len(versions) == 0:
		return nil, fmt.Errorf("%q: %w", d.base, errNoBase)
	}
	return ps.at(d.base, d.from), nil
}

// build makes the version: the base with the document's keys over it, every key
// known, of its type, in its range and with a source. A key that the document
// changes needs a source of the document's own.
func (ps packs) build(d *document) (*pack, error) {
	fault := func(err error) error { return fmt.Errorf("%w: %s: %w", ErrPack, d.cite(), err) }
	base, err := ps.begins(d)
	if err != nil {
		return nil, fault(fmt.Errorf("base: %w", err))
	}
	if err := d.unsourced(); err != nil {
		return nil, fault(err)
	}
	if err := nullFault(d.tree, ""); err != nil {
		return nil, fault(err)
	}
	tree := d.tree
	if base != nil {
		tree = merged(base.tree, d.tree)
		tree["base"] = base.cite()
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, fault(err)
	}
	p := &pack{from: d.from, tree: tree}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		return nil, fault(typeFault(err))
	}
	if err := p.fault(); err != nil {
		return nil, fault(err)
	}
	return p, nil
}

// typeFault names the key of a value that is none of its type.
func typeFault(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fmt.Errorf("%s: a %s is no %s", wrong.Field, wrong.Value, wrong.Type) //nolint:err113 // for the person who wrote the pack; wrapped in ErrPack
	}
	return err
}

// merged is base with the values of over in it: objects key by key, everything
// else, the null of hours included, as a whole.
func merged(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for key, v := range over {
		above, isObject := v.(map[string]any)
		below, wasObject := out[key].(map[string]any)
		if isObject && wasObject {
			v = merged(below, above)
		}
		out[key] = v
	}
	return out
}

// unsourced names the first key that the document sets without a source of its
// own, or that no rule pack has.
func (d *document) unsourced() error {
	sources, _ := d.tree["sources"].(map[string]any)
	for _, path := range leaves(d.tree, "") {
		switch root, _, _ := strings.Cut(path, "."); root {
		case "name", "version", "valid_from", "base", "notes", "sources":
			continue
		}
		key, ok := ruleKey(path)
		if !ok {
			return fmt.Errorf("%s: %w", path, errUnknownKey)
		}
		if s, _ := sources[key].(string); strings.TrimSpace(s) == "" {
			return sourceMissing(key)
		}
	}
	for key := range sources {
		if rule, ok := ruleKey(key); !ok || rule != key {
			return fmt.Errorf("sources.%s: %w", key, errUnknownKey)
		}
	}
	return nil
}
