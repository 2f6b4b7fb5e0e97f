package provider

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Members are the members of a JSON object by name, in whichever spelling: case
// and underscores do not count, because 8x8 writes in camel case what Meta writes
// in snake case, and both mix them. A nil Members is an object without members.
type Members map[string]json.RawMessage

// ReadMembers splits a JSON object; false when raw is none. Of two members that
// are spelt differently and have the same name, the first by spelling counts.
func ReadMembers(raw []byte) (Members, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	var spelt map[string]json.RawMessage
	if json.Unmarshal(raw, &spelt) != nil {
		return nil, false
	}
	names := make([]string, 0, len(spelt))
	for name := range spelt {
		names = append(names, name)
	}
	slices.Sort(names)
	m := make(Members, len(spelt))
	for _, name := range names {
		value := bytes.TrimSpace(spelt[name])
		key := memberKey(name)
		if _, there := m[key]; !there && string(value) != "null" {
			m[key] = value
		}
	}
	return m, true
}

func memberKey(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// Raw is the first of the named members that is there and not null.
func (m Members) Raw(names ...string) json.RawMessage {
	for _, name := range names {
		if raw, ok := m[memberKey(name)]; ok {
			return raw
		}
	}
	return nil
}

// Has tells whether one of the named members is there and not null.
func (m Members) Has(names ...string) bool { return m.Raw(names...) != nil }

// Scalar is the first of the named members that is a string, number or boolean
// and not empty.
func (m Members) Scalar(names ...string) Scalar {
	for _, name := range names {
		raw := m.Raw(name)
		if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
			continue
		}
		var s Scalar
		if json.Unmarshal(raw, &s) == nil && s.trim() != "" {
			return s
		}
	}
	return ""
}

// Object is the first of the named members when it is an object, else nil.
func (m Members) Object(names ...string) Members {
	inner, _ := ReadMembers(m.Raw(names...))
	return inner
}

// List is the first of the named members as a list: absent is empty, an object is
// a list of one; false for anything else.
func (m Members) List(names ...string) ([]json.RawMessage, bool) {
	raw := m.Raw(names...)
	switch {
	case raw == nil:
		return nil, true
	case raw[0] == '{':
		return []json.RawMessage{raw}, true
	}
	var elements []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, false
	}
	return elements, true
}

// With are the members together with those of the named object inside, which
// come first.
func (m Members) With(name string) Members {
	inner := m.Object(name)
	all := make(Members, len(m)+len(inner))
	maps.Copy(all, m)
	maps.Copy(all, inner)
	return all
}
