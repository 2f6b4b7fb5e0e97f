package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Whatever a reply says: it grants only when it says accept and everything that
// bears on the grant can be read; it declines whenever it says reject; and nothing
// of it is dropped without a name.
func TestReplyGrantsOnlyByAccept(t *testing.T) {
	grants, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, values ...string) provider.Scalar {
			return provider.Scalar(rapid.SampledFrom(values).Draw(t, label))
		}
		said := provider.Reply{
			Name:      "reply",
			ID:        pick("id", "wamid.1", "wamid.1", ""),
			At:        pick("at", "1767168000", "2026-01-22T22:51:55.00Z", "1767168000000", "", "soon", "-1"),
			Response:  pick("response", "accept", "accept", " Accept", "reject", "REJECT", "", "revoke", "true", "allow", `["accept"]`, `{"accept":true}`),
			Permanent: pick("permanent", "true", "false", "", "maybe", "1", "{}"),
			Expires:   pick("expires", "1768550400", "1768550400000", "2026-01-16T08:00:00.00Z", "", "never", "0", "[]"),
			Source:    pick("source", "user_action", "automatic", "", "business", "[]"),
		}
		r := reader()
		r.Reply(permissions.Event{ID: "meta/wamid.1", Pair: permissions.Pair{User: "+14085551234"}, At: r.Now()}, said)

		word := strings.ToLower(strings.TrimSpace(string(said.Response)))
		one := func(s provider.Scalar, of ...string) bool { return slices.Contains(of, string(s)) }
		readable := said.ID != "" && one(said.At, "1767168000", "2026-01-22T22:51:55.00Z", "1767168000000") &&
			one(said.Permanent, "true", "false", "") &&
			one(said.Expires, "1768550400", "1768550400000", "2026-01-16T08:00:00.00Z", "")
		switch {
		case word == "reject":
			require.Len(t, r.Facts, 1)
			require.Equal(t, permissions.Declined, r.Facts[0].Kind)
			require.True(t, r.Facts[0].Expires.IsZero())
		case word == "accept" && readable:
			grants++
			require.Len(t, r.Facts, 1)
			fact := r.Facts[0]
			require.Equal(t, permissions.Granted, fact.Kind)
			require.Equal(t, said.Permanent == "true" && said.Expires == "", fact.Permanent)
			require.Equal(t, said.Expires == "", fact.Expires.IsZero())
			require.Equal(t, said.Source != "user_action", fact.Automatic)
			if said.Expires != "" {
				require.Equal(t, int64(1768550400), fact.Expires.Unix())
			}
		default:
			refused++
			require.Empty(t, r.Facts)
			require.NotEmpty(t, r.Unknown)
		}
		for _, name := range r.Unknown {
			require.Regexp(t, `^[a-z]+:[A-Za-z0-9_.-]+$`, name)
		}
	})
	require.Positive(t, grants)
	require.Positive(t, refused)
}
