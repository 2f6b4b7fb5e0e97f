package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const redacted = "<redacted>"

// Secret is a value that is never printed: convert it with string(s) only where
// it is used.
type Secret string

// String implements fmt.Stringer: <redacted>, or nothing when unset.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalYAML keeps the value out of every printed configuration.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil } //nolint:unparam // the interface's result

// MarshalText keeps the value out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil } //nolint:unparam // the interface's result

var errEmptySecret = errors.New("the file is empty")

// readSecret reads a secret from a file; newlines at its end are not part of it.
func readSecret(dir, name string) (Secret, error) {
	b, err := os.ReadFile(resolvePath(dir, name))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", errEmptySecret
	}
	return Secret(s), nil
}

// resolvePath makes name absolute to dir, the folder of the configuration file.
func resolvePath(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// secretField is a Secret of a struct with the *_file key beside it.
type secretField struct {
	value reflect.Value // Secret
	file  reflect.Value // string
	path  string        // of the value's key; the file's is path + "_file"
}

// secretFields lists every secret of the configuration with its *_file twin.
func secretFields(cfg *Config) []secretField {
	var list []secretField
	eachStruct(reflect.ValueOf(cfg).Elem(), place{}, func(v reflect.Value, at place) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Type != reflect.TypeFor[Secret]() {
				continue
			}
			list = append(list, secretField{
				value: v.Field(i),
				file:  v.FieldByName(field.Name + "File"),
				path:  at.key(yamlKey(field)),
			})
		}
	})
	return list
}
