package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Bounds of a webhook body. Meta sends up to 3 MB.
const (
	maxWebhook = 3 << 20
	maxDepth   = 64
)

// readRaw reads a body of at most limit bytes, whatever length it announced.
func readRaw(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errTooLarge
	}
	return buf.Bytes(), err
}

// checkJSON walks the tokens of a body once and refuses what parsers disagree
// about: two values, a key named twice, nesting deeper than maxDepth.
func checkJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errNotJSON
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= maxDepth {
		return errTooDeep
	}
	var keys map[string]bool
	if open == '{' {
		keys = map[string]bool{}
	}
	for d.More() {
		if err := checkKey(d, keys); err != nil {
			return err
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// checkKey reads the key before an object's value; keys is nil in an array.
func checkKey(d *json.Decoder, keys map[string]bool) error {
	if keys == nil {
		return nil
	}
	t, err := d.Token()
	if err != nil {
		return errNotJSON
	}
	key, ok := t.(string)
	if !ok {
		return errNotJSON
	}
	if keys[key] {
		return errDuplicateKey
	}
	keys[key] = true
	return nil
}
