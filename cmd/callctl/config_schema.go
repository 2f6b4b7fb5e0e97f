package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/invopop/jsonschema"
)

// configSchema is the JSON Schema of the configuration, for editors: names,
// types, choices and what each key means. `config check` knows more.
func configSchema() ([]byte, error) {
	docs, err := readComments()
	if err != nil {
		return nil, err
	}
	r := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Anonymous:                  true,
		CommentMap:                 map[string]string{},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[time.Duration]():
				return &jsonschema.Schema{Type: "string", Examples: []any{"45s"}}
			case reflect.TypeFor[Secret]():
				return &jsonschema.Schema{Type: "string"}
			}
			return nil
		},
	}
	pkg := reflect.TypeFor[Config]().PkgPath()
	for name, text := range docs {
		r.CommentMap[pkg+"."+name] = text
	}
	s := r.Reflect(&Config{})
	s.Title = "callctl configuration"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(b, '\n'), nil
}
