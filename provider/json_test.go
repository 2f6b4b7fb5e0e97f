package provider_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/provider"
)

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestValidJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		raw   string
		valid bool
	}{
		"object":                       {`{"a":1,"b":{"a":1},"c":[{"a":2},{"a":3}]}`, true},
		"scalar":                       {` "x" `, true},
		"brackets inside strings":      {`{"a":"[[[{{{\"","b":"\\"}`, true},
		"at the depth":                 {nested(64), true},
		"names as values":              {`{"a":"a","b":"a"}`, true},
		"same name in other objects":   {`[{"a":1},{"a":1}]`, true},
		"empty":                        {``, false},
		"half":                         {`{"a":`, false},
		"two texts":                    {`{} {}`, false},
		"byte order mark":              {"\ufeff{}", false},
		"beyond the depth":             {nested(65), false},
		"objects beyond the depth":     {strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), false},
		"ten thousand deep":            {nested(10_000), false},
		"a million deep, unclosed":     {strings.Repeat("[", 1_000_000), false},
		"member twice":                 {`{"a":1,"a":2}`, false},
		"member twice, later":          {`{"a":{"x":1},"b":[1,2],"a":2}`, false},
		"member twice, inner":          {`{"z":[{"a":1,"b":"}","a":2}]}`, false},
		"member twice, one is escaped": {`{"a":1,"\u0061":2}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := provider.ValidJSON([]byte(tc.raw), provider.MaxDepth)
			if tc.valid {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, provider.ErrMalformed)
		})
	}
}

// What encoding/json writes from Go values never repeats a member, so it is valid
// whatever the strings hold; with any member written twice it is not.
func TestValidJSONOfAnyMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOfN(rapid.String(), rapid.String(), 1, 8).Draw(t, "members")
		raw, err := json.Marshal(members)
		require.NoError(t, err)
		if len(canonical(t, raw)) != len(members) {
			t.Skip("invalid UTF-8 made two names the same")
		}
		require.NoError(t, provider.ValidJSON(raw, provider.MaxDepth))
		for name := range members {
			again, err := json.Marshal(map[string]string{name: "again"})
			require.NoError(t, err)
			twice := string(raw[:len(raw)-1]) + "," + string(again[1:])
			require.ErrorIs(t, provider.ValidJSON([]byte(twice), provider.MaxDepth), provider.ErrMalformed)
		}
	})
}

func canonical(t *rapid.T, raw []byte) map[string]string {
	var members map[string]string
	require.NoError(t, json.Unmarshal(raw, &members))
	return members
}

// Work grows with the size and not with its square: a body of 3 MiB whose single
// object has a quarter of a million members is read in well under two seconds.
func TestValidJSONManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteByte('{')
	for i := range 250_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		raw, err := json.Marshal(i)
		require.NoError(t, err)
		b.WriteString(`"k` + string(raw) + `":1`)
	}
	b.WriteByte('}')
	start := time.Now()
	require.NoError(t, provider.ValidJSON([]byte(b.String()), provider.MaxDepth))
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestUnmarshalKeepsSiblings(t *testing.T) {
	var v struct {
		Context struct{ ID provider.Scalar }
		From    provider.Scalar
		N       int
	}
	require.NoError(t, provider.Unmarshal([]byte(`{"context":"wrong","n":[],"from":"a"}`), &v))
	require.Equal(t, provider.Scalar("a"), v.From)
	require.ErrorIs(t, provider.Unmarshal([]byte(`{`), &v), provider.ErrMalformed)
}

func FuzzValidJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\"",{"b":null}]}`))
	f.Add([]byte(`{"a":1,"\u0061":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if provider.ValidJSON(raw, provider.MaxDepth) != nil {
			return
		}
		require.True(t, json.Valid(raw))
		// Every member survives a round trip, so none hid another.
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.UseNumber()
		var v any
		require.NoError(t, dec.Decode(&v))
		require.LessOrEqual(t, depth(v), provider.MaxDepth)
	})
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depth(member))
		}
	case []any:
		for _, element := range v {
			deepest = max(deepest, depth(element))
		}
	default:
		return 0
	}
	return deepest + 1
}
