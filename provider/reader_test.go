package provider_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func reader() *provider.Reader {
	return &provider.Reader{
		Provider: "meta", Account: "acme", Business: "+16505552771", Auth: permissions.AuthHMAC,
		Now: func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) },
	}
}

func TestReaderKnowsItsNumber(t *testing.T) {
	r := reader()
	for _, number := range []provider.Scalar{"", " ", "16505552771", "+16505552771", "+1 650-555-2771", "1 (650) 555.2771"} {
		require.True(t, r.Ours(number), number)
	}
	for business, displayed := range map[geo.E164]provider.Scalar{
		"+525512345678": "+52 1 55 1234 5678", "+5491123456789": "54 11 2345-6789", "+5531987654321": "+55 31 8765-4321",
	} {
		mine := reader()
		mine.Business = business
		require.True(t, mine.Ours(displayed), "the platform keeps a form that the plan gave up")
	}
	for _, number := range []provider.Scalar{"6505552771", "16505552772", "++16505552771", "abc", "{}", "0"} {
		require.False(t, r.Ours(number), number)
	}
}

// The same news in either provider's spelling is the same notices.
func TestNewsInBothSpellings(t *testing.T) {
	for _, tc := range []struct{ event, snake, camel string }{
		{
			"account_update",
			`{"phone_number":"1","event":"ACCOUNT_RESTRICTION","violation_info":{"violation_type":"V","remediation":"r"},
			"restriction_info":[{"restriction_type":"A","expiration":1641848057},{"restriction_type":"B"}]}`,
			`{"phoneNumber":"1","event":"ACCOUNT_RESTRICTION","violationInfo":{"violationType":"V","remediation":"r"},
			"restrictionInfo":[{"restrictionType":"A","expiration":"2022-01-10T20:54:17.00Z"},{"restrictionType":"B"}]}`,
		},
		{
			"phone_number_quality_update", `{"event":"UPGRADE","current_limit":"TIER_10K","old_limit":"TIER_1K"}`,
			`{"displayPhoneNumber":"1","meta":{"event":"UPGRADE","currentLimit":"TIER_10K","oldLimit":"TIER_1K"}}`,
		},
		{
			"template_category_update",
			`{"message_template_name":"n","message_template_language":"en_US","previous_category":"UTILITY","new_category":"MARKETING"}`,
			`{"templateName":"n","templateLanguage":"en-US","meta":{"previousCategory":"UTILITY","newCategory":"MARKETING"}}`,
		},
	} {
		var all [][]permissions.Notice
		for _, raw := range []string{tc.snake, tc.camel} {
			r := reader()
			said, ok := provider.ReadMembers([]byte(raw))
			require.True(t, ok)
			require.True(t, r.News(tc.event, permissions.Notice{ID: "meta/1", At: r.Now()}, said))
			require.Empty(t, r.Unknown)
			require.NotEmpty(t, r.Notices)
			all = append(all, r.Notices)
		}
		require.Equal(t, all[0], all[1], tc.event)
	}
	require.False(t, reader().News("flows", permissions.Notice{}, nil))
}

// Two of our numbers hear of the same thing in the same words: what the one was told
// must not be taken for a repetition of what the other was.
func TestIDsAreOfOneNumber(t *testing.T) {
	const (
		users  = `{"user_preferences":[{"wa_id":"14085551234","category":"marketing_messages","value":"stop","timestamp":1767168000}]}`
		people = `{"contacts":[{"wa_id":"14085551234","user_id":"US.1"}]}`
	)
	ids := func(business geo.E164) (ids []string) {
		r := reader()
		r.Business = business
		said, _ := provider.ReadMembers([]byte(users))
		r.Preferences(said)
		said, _ = provider.ReadMembers([]byte(people))
		r.Contacts(permissions.Event{}, said)
		for _, e := range r.Facts {
			ids = append(ids, e.ID)
		}
		return append(ids, r.IDOr("", []byte("{}")))
	}
	mine, other := ids("+16505552771"), ids("+16505552772")
	require.Len(t, mine, 3)
	require.Equal(t, mine, ids("+16505552771"))
	for i := range mine {
		require.NotEqual(t, mine[i], other[i])
	}
	require.Equal(t, "meta/wamid.1", reader().IDOr("wamid.1", nil))
}

// A tier is said in words or, in older webhooks, in numbers.
func TestTiers(t *testing.T) {
	for said, want := range map[string]string{
		`"TIER_2K"`: "TIER_2K", `"tier_unlimited"`: "TIER_UNLIMITED", `250`: "TIER_250", `"2000"`: "TIER_2K", `100000`: "TIER_100K",
		`-1`: "TIER_UNLIMITED", `1000000000`: "TIER_UNLIMITED", `null`: "", `[]`: "",
	} {
		r := reader()
		m, _ := provider.ReadMembers([]byte(`{"max_daily_conversations_per_business":` + said + `}`))
		require.True(t, r.News("business_capability_update", permissions.Notice{ID: "meta/1"}, m))
		require.Equal(t, want, r.Notices[0].Tier, said)
	}
}

// The settings are the whole truth: no list of restrictions means none.
func TestSettings(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	base := permissions.Notice{ID: "meta/settings/1", At: at}
	for name, tc := range map[string]struct {
		raw     string
		calling string
		list    []permissions.NumberRestriction
	}{
		"none":      {`{"calling":{"status":"ENABLED"}}`, "ENABLED", []permissions.NumberRestriction{}},
		"in it":     {`{"calling":{"status":"ENABLED","restrictions":{"restrictions_list":[{"type":"A"}]}}}`, "ENABLED", []permissions.NumberRestriction{{Type: "A", Since: at, Notice: "meta/settings/1#2"}}},
		"beside it": {`{"calling":{"status":"disabled"},"restrictions":{"restrictions_list":[{"type":"A","reason":"r"}]}}`, "DISABLED", []permissions.NumberRestriction{{Type: "A", Reason: "r", Since: at, Notice: "meta/settings/1#2"}}},
		"a list":    {`{"calling":{},"restrictions":[{"type":"A"}]}`, "", []permissions.NumberRestriction{{Type: "A", Since: at, Notice: "meta/settings/1#2"}}},
	} {
		r := reader()
		require.True(t, r.Settings(base, json.RawMessage(tc.raw)), name)
		require.Empty(t, r.Unknown)
		require.Len(t, r.Notices, 2, name)
		require.Equal(t, permissions.Settings, r.Notices[0].Kind)
		require.Equal(t, tc.calling, r.Notices[0].Calling)
		require.Equal(t, permissions.RestrictionsRead, r.Notices[1].Kind)
		require.Equal(t, tc.list, r.Notices[1].Restrictions)
		require.NotEqual(t, r.Notices[0].ID, r.Notices[1].ID)
	}
	odd := reader()
	require.True(t, odd.Settings(base, json.RawMessage(`{"calling":{"restrictions":{"items":[{"type":"A"}]}}}`)))
	require.Equal(t, []string{"malformed:restrictions"}, odd.Unknown, "a list of another name lifts nothing")
	require.Len(t, odd.Notices, 1)
	for _, raw := range []string{`[]`, `{}`, `{"calling":null}`, `{"success":true}`} {
		require.False(t, reader().Settings(base, json.RawMessage(raw)), raw)
	}
}
