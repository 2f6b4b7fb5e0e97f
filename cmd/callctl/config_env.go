package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

const envPrefix = "CALLCTL_"

// clientEnv are the variables of the command line, which are no keys.
func clientEnv() []string {
	return []string{"CALLCTL_URL", "CALLCTL_TOKEN", "CALLCTL_CONFIG", "CALLCTL_PEERS"}
}

// yamlKey is the key of a field in the file.
func yamlKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

// place is where a struct of the configuration stands: its path in the file and
// the beginning of its variables' names.
type place struct {
	path string // accounts[0].api
	env  string // CALLCTL_ACCOUNTS_ACME_API_
}

func (p place) key(key string) string {
	if p.path == "" {
		return key
	}
	return p.path + "." + key
}

// eachStruct calls f for v and every struct below it.
func eachStruct(v reflect.Value, at place, f func(v reflect.Value, at place)) {
	f(v, at)
	for i := range v.NumField() {
		field, key := v.Field(i), yamlKey(v.Type().Field(i))
		below := place{path: at.key(key), env: at.env + envWord(key) + "_"}
		switch {
		case field.Kind() == reflect.Struct:
			eachStruct(field, below, f)
		case isStructs(field.Type()):
			for n := range field.Len() {
				one := field.Index(n)
				eachStruct(one, place{
					path: fmt.Sprintf("%s[%d]", below.path, n),
					env:  below.env + envWord(one.FieldByName("Name").String()) + "_",
				}, f)
			}
		}
	}
}

func isStructs(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// isElementName says whether a field is the name by which the environment
// addresses an element of a list; that one only the file can set.
func isElementName(at place, f reflect.StructField) bool {
	return yamlKey(f) == "name" && strings.HasSuffix(at.path, "]")
}

// overlayEnv lets CALLCTL_SECTION_KEY override what the file says. An element of
// a list is addressed by its name: CALLCTL_ACCOUNTS_ACME_API_KEY. Lists of words
// are separated by commas.
func overlayEnv(cfg *Config, env []string, c *checker) {
	given := map[string]string{}
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, envPrefix) {
			given[name] = value
		}
	}
	if len(given) == 0 {
		return
	}
	eachStruct(reflect.ValueOf(cfg).Elem(), place{env: envPrefix}, func(v reflect.Value, at place) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name := at.env + envWord(yamlKey(field))
			value, ok := given[name]
			if !ok || field.Type.Kind() == reflect.Struct || isStructs(field.Type) || isElementName(at, field) {
				continue
			}
			c.used = append(c.used, name)
			if err := setFromEnv(v.Field(i), value); err != nil {
				c.addf(at.key(yamlKey(field)), "see docs/configuration.md", "%s: %s", name, err)
				continue
			}
			forgetTwin(v, field)
		}
	})
	for name := range given {
		if !slices.Contains(c.used, name) && !slices.Contains(clientEnv(), name) {
			c.unused = append(c.unused, name)
		}
	}
	slices.Sort(c.unused)
}

// forgetTwin drops the file's x_file when the environment gives x, and the other
// way round, so that the environment always wins.
func forgetTwin(v reflect.Value, field reflect.StructField) {
	secret := reflect.TypeFor[Secret]()
	if field.Type == secret {
		v.FieldByName(field.Name + "File").SetZero()
		return
	}
	name, isFile := strings.CutSuffix(field.Name, "File")
	if twin, ok := v.Type().FieldByName(name); isFile && ok && twin.Type == secret {
		v.FieldByName(name).SetZero()
	}
}

func setFromEnv(v reflect.Value, value string) error {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("not a duration: %w", err)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("neither true nor false: %w", err)
		}
		v.SetBool(b)
	case v.Kind() == reflect.String:
		v.SetString(value)
	case v.Kind() == reflect.Slice:
		words := reflect.MakeSlice(v.Type(), 0, 4)
		for word := range strings.SplitSeq(value, ",") {
			one := reflect.New(v.Type().Elem()).Elem()
			one.SetString(strings.TrimSpace(word))
			words = reflect.Append(words, one)
		}
		v.Set(words)
	}
	return nil
}

// envWord is a key or name as part of a variable: capitals, digits, underscores.
func envWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
}
