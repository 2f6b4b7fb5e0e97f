package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDepth is the deepest nesting of objects and arrays that a webhook may have.
// Providers need less than 20; what is deeper was made to hurt a parser.
const MaxDepth = 64

// ValidJSON checks that raw is one JSON text (RFC 8259), nested at most maxDepth
// deep, in which no object has two members of the same name: parsers differ on
// which of them counts, so such a text means nothing certain. The time taken
// grows linearly with raw. Errors wrap ErrMalformed and never quote raw.
func ValidJSON(raw []byte, maxDepth int) error {
	if !json.Valid(raw) {
		return fmt.Errorf("%w: syntax", ErrMalformed)
	}
	w := walker{raw: raw, max: maxDepth}
	for w.at < len(w.raw) {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// walker goes through a text that is known to be valid JSON.
type walker struct {
	raw  []byte
	at   int
	max  int
	open []level
	name bool // the next string is a member name
}

// level is one object or array that is still open.
type level struct {
	object bool
	names  map[string]struct{}
}

func (w *walker) step() error {
	c := w.raw[w.at]
	w.at++
	switch c {
	case '{', '[':
		if len(w.open) >= w.max {
			return fmt.Errorf("%w: nested deeper than %d", ErrMalformed, w.max)
		}
		w.open = append(w.open, level{object: c == '{'})
		w.name = c == '{'
	case '}', ']':
		w.open = w.open[:len(w.open)-1]
		w.name = false
	case ',':
		w.name = w.open[len(w.open)-1].object
	case '"':
		return w.text()
	}
	return nil
}

// text consumes a string whose opening quote was read, and remembers it when it
// names a member.
func (w *walker) text() error {
	start := w.at
	for w.raw[w.at] != '"' {
		if w.raw[w.at] == '\\' {
			w.at++
		}
		w.at++
	}
	body := w.raw[start:w.at]
	w.at++
	if !w.name {
		return nil
	}
	w.name = false
	return w.open[len(w.open)-1].add(body)
}

func (l *level) add(body []byte) error {
	key := string(body)
	if bytes.IndexByte(body, '\\') >= 0 {
		if err := json.Unmarshal([]byte(`"`+key+`"`), &key); err != nil {
			return fmt.Errorf("%w: member name", ErrMalformed)
		}
	}
	if l.names == nil {
		l.names = make(map[string]struct{}, 8)
	}
	if _, twice := l.names[key]; twice {
		return fmt.Errorf("%w: the same member twice", ErrMalformed)
	}
	l.names[key] = struct{}{}
	return nil
}

// Unmarshal reads raw into v as far as its types allow: a member of an
// unexpected type stays zero and loses none of its siblings. The caller checks
// the members that it needs.
func Unmarshal(raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); mistyped {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
