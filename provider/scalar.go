package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Errors of reading a Scalar.
var (
	ErrAbsent = errors.New("provider: value is absent")
	ErrScalar = errors.New("provider: value is not of the expected form")
)

// Scalar is a JSON string, number or boolean as text, because providers write
// the same member now in quotes and now without. Null and absent are empty; an
// object or array is kept as its JSON, which no method below accepts.
type Scalar string

// UnmarshalJSON implements json.Unmarshaler. It accepts every JSON value.
func (s *Scalar) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case string(raw) == "null":
		*s = ""
	case len(raw) > 0 && raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = Scalar(text)
	default:
		*s = Scalar(raw)
	}
	return nil
}

// Is tells whether the value is word, ignoring case.
func (s Scalar) Is(word string) bool { return strings.EqualFold(s.trim(), word) }

// Lower is the value in lower case without surrounding space.
func (s Scalar) Lower() string { return strings.ToLower(s.trim()) }

// Bool reads true or false; absent is false. Errors are ErrScalar.
func (s Scalar) Bool() (bool, error) {
	switch s.Lower() {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, ErrScalar
}

// Int reads a whole number; the fraction of another number is dropped. Errors
// are ErrAbsent or ErrScalar.
func (s Scalar) Int() (int64, error) {
	text := s.trim()
	if text == "" {
		return 0, ErrAbsent
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return 0, ErrScalar
	}
	return int64(f), nil
}

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// layouts are the ISO 8601 forms seen; the last has no zone and means UTC.
const (
	layoutBasicZone = "2006-01-02T15:04:05.999999999Z0700"
	layoutNoZone    = "2006-01-02T15:04:05.999999999"
)

// Time reads seconds since 1970 (as Meta writes times), milliseconds since 1970, or
// ISO 8601 with or without fraction (as 8x8 does; without zone it is UTC), in UTC.
// A number counts as milliseconds when as seconds it would lie after the year
// 9999, so that no time between 1978 and 9999 can be taken for another. Errors are
// ErrAbsent or ErrScalar.
func (s Scalar) Time() (time.Time, error) {
	text := s.trim()
	if text == "" {
		return time.Time{}, ErrAbsent
	}
	for _, layout := range []string{time.RFC3339Nano, layoutBasicZone, layoutNoZone} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	n, err := s.Int()
	switch {
	case err != nil || n <= 0 || n > lastSecond*1000:
		return time.Time{}, ErrScalar
	case n > lastSecond:
		return time.UnixMilli(n).UTC(), nil
	}
	return time.Unix(n, 0).UTC(), nil
}

func (s Scalar) trim() string { return strings.TrimSpace(string(s)) }
