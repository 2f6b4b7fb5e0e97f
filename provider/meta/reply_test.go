package meta_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func decode(t *testing.T, raw []byte) provider.Delivery {
	t.Helper()
	delivery, err := account(t).Decode(raw, permissions.AuthHMAC)
	require.NoError(t, err)
	return delivery
}

// The six scenarios of Meta's page on call permission replies.
func TestDecodePermissionReplies(t *testing.T) {
	at := time.Date(2025, 12, 31, 8, 0, 0, 0, time.UTC)
	expires := time.Date(2026, 1, 16, 8, 0, 0, 0, time.UTC)
	for name, want := range map[string]permissions.Event{
		"1_temporary_accept":           {Kind: permissions.Granted, Expires: expires, Ref: "wamid.REQ"},
		"2_permanent_accept":           {Kind: permissions.Granted, Permanent: true, Ref: "wamid.REQ"},
		"3_always_allow_in_profile":    {Kind: permissions.Granted, Permanent: true},
		"4_decline":                    {Kind: permissions.Declined, Ref: "wamid.REQ"},
		"5_automatic_after_users_call": {Kind: permissions.Granted, Expires: expires, Automatic: true, Ref: wacid},
		"6_automatic_revocation":       {Kind: permissions.Declined, Automatic: true},
	} {
		t.Run(name, func(t *testing.T) {
			want.ID, want.At, want.Auth, want.Account = "meta/wamid.REPLY", at, permissions.AuthHMAC, "acme"
			want.Pair = permissions.Pair{Business: business, User: user}
			delivery := decode(t, fixture(t, "replies/"+name+".json"))
			require.Equal(t, provider.Delivery{Facts: []permissions.Event{want}}, delivery)
		})
	}
}

// edit replaces text in a fixture; it must be there.
func edit(t *testing.T, name, old, replacement string) []byte {
	t.Helper()
	raw := string(fixture(t, name))
	require.Contains(t, raw, old)
	return []byte(strings.Replace(raw, old, replacement, 1))
}

// An accept of which anything that bears on the grant cannot be read is no grant.
func TestDecodeNoGrantFromUnreadableAccept(t *testing.T) {
	const accept = "replies/1_temporary_accept.json"
	for _, tc := range []struct{ old, replacement, unknown string }{
		{`"accept"`, `"accepted"`, "response:accepted"},
		{`"accept"`, `"revoke"`, "response:revoke"},
		{`"accept"`, `true`, "response:true"},
		{`"accept"`, `["accept"]`, "malformed:call_permission_reply.response"},
		{`"1767168000"`, `"yesterday"`, "malformed:message.timestamp"},
		{`"1767168000"`, `1767168000000000`, "malformed:message.timestamp"},
		{`"timestamp": "1767168000",`, ``, "malformed:message.timestamp"},
		{`"1768550400"`, `"never"`, "malformed:call_permission_reply.expiration_timestamp"},
		{`"1768550400"`, `{}`, "malformed:call_permission_reply.expiration_timestamp"},
		{`"1768550400"`, `1768550400000000`, "malformed:call_permission_reply.expiration_timestamp"},
		{`"1768550400"`, `-1`, "malformed:call_permission_reply.expiration_timestamp"},
		{`"is_permanent": false`, `"is_permanent": "maybe"`, "malformed:call_permission_reply.is_permanent"},
		{`"is_permanent": false`, `"is_permanent": 1`, "malformed:call_permission_reply.is_permanent"},
		{`"id": "wamid.REPLY",`, ``, "malformed:message.id"},
		{`"from": "14085551234"`, `"from": "12"`, ""},
		{`"type": "call_permission_reply"`, `"type": "something_else"`, "interactive:something_else"},
		{`"type": "interactive"`, `"type": "poll"`, "type:poll"},
		{`"type": "interactive"`, `"type": null`, "malformed:message.type"},
		{`"call_permission_reply": {`, `"call_permission_answer": {`, "malformed:call_permission_reply.response"},
	} {
		delivery := decode(t, edit(t, accept, tc.old, tc.replacement))
		if tc.unknown == "" { // the contact names the person
			require.Len(t, delivery.Facts, 1)
			require.EqualValues(t, user, delivery.Facts[0].Pair.User)
			continue
		}
		require.Empty(t, delivery.Facts, tc.replacement)
		require.Equal(t, []string{tc.unknown + "@0.0.messages.0"}, delivery.Unknown)
	}
}

func TestDecodeAcceptVariants(t *testing.T) {
	const accept = "replies/1_temporary_accept.json"
	grant := func(old, replacement string) permissions.Event {
		delivery := decode(t, edit(t, accept, old, replacement))
		require.Len(t, delivery.Facts, 1)
		require.Equal(t, permissions.Granted, delivery.Facts[0].Kind)
		return delivery.Facts[0]
	}
	require.True(t, grant(`"expiration_timestamp": "1768550400",`, ``).Expires.IsZero(), "the ledger has a default")
	require.False(t, grant(`"expiration_timestamp": "1768550400",`, ``).Permanent)
	require.False(t, grant(`"expiration_timestamp": "1768550400",`, `"expiration_timestamp": null,`).Permanent)
	require.False(t, grant(`"is_permanent": false,`, ``).Permanent)
	require.False(t, grant(`"is_permanent": false`, `"is_permanent": true`).Permanent, "it has an expiry")
	require.Equal(t, int64(1768550400), grant(`"is_permanent": false`, `"is_permanent": true`).Expires.Unix())
	require.Equal(t, permissions.Granted, grant(`"accept"`, `"ACCEPT"`).Kind)
	require.Empty(t, grant(`"context": {`, `"no_context": {`).Ref)
	for _, written := range []string{`1768550400`, `"1768550400"`, `1768550400000`, `"2026-01-16T08:00:00.00Z"`} {
		require.Equal(t, int64(1768550400), grant(`"1768550400"`, written).Expires.Unix(), written)
	}
	// Only who says so acted by hand: a grant that might be automatic overcomes no opt-out.
	require.False(t, grant(`"accept"`, `"accept"`).Automatic)
	require.True(t, grant(`"user_action"`, `""`).Automatic)
	odd := decode(t, edit(t, accept, `"user_action"`, `"business_action"`))
	require.True(t, odd.Facts[0].Automatic)
	require.Equal(t, []string{"source:business_action@0.0.messages.0"}, odd.Unknown)
	// A number of no country is a user like any other: what they say must count.
	require.EqualValues(t, "+99912345678", grant(`"from": "14085551234"`, `"from": "99912345678"`).Pair.User)
}

// A reject counts whatever else about it is unreadable: it only narrows.
func TestDecodeRejectAlwaysCounts(t *testing.T) {
	const reject = "replies/4_decline.json"
	for _, tc := range []struct{ old, replacement string }{
		{`"1767168000"`, `"yesterday"`},
		{`"timestamp": "1767168000",`, ``},
		{`"id": "wamid.REPLY",`, ``},
		{`"response_source": "user_action"`, `"is_permanent": {}, "expiration_timestamp": []`},
		{`"context": {`, `"context_": {`},
		{`"reject"`, `" Reject "`},
		{`"from": "14085551234"`, `"from": ""`},
		{`"from": "14085551234"`, `"from": 14085551234`},
		{`"from": "14085551234"`, `"from": "15551441906"`},
	} {
		raw := edit(t, reject, tc.old, tc.replacement)
		delivery := decode(t, raw)
		require.Len(t, delivery.Facts, 1, tc.replacement)
		fact := delivery.Facts[0]
		require.Equal(t, permissions.Declined, fact.Kind)
		require.EqualValues(t, user, fact.Pair.User)
		require.False(t, fact.At.IsZero())
		require.NotEmpty(t, fact.ID)
		require.Equal(t, fact, decode(t, raw).Facts[0], "the same bytes are the same fact")
		if strings.Contains(tc.old, "timestamp") || tc.old == `"1767168000"` {
			require.Equal(t, arrival(), fact.At)
		}
	}
}

func TestDecodeMessages(t *testing.T) {
	at := time.Date(2025, 12, 31, 8, 0, 0, 0, time.UTC)
	for name, want := range map[string]permissions.Event{
		"text":                   {Text: "Please stop calls 🙏 / now"},
		"button":                 {Text: "Allow calls", Ref: "wamid.T"},
		"button_reply":           {Text: "Allow calls", Ref: "wamid.T"},
		"list_reply":             {Text: "Stop calling me"},
		"image_caption":          {Text: "stop calls"},
		"document_caption":       {Text: "stop calls"},
		"order_text":             {Text: "stop calls"},
		"edit":                   {Text: "stop calls"},
		"edit_caption":           {Text: "stop calls"},
		"bsuid_without_number":   {Text: "hello", Pair: permissions.Pair{User: userBSUID}, Aliases: []permissions.User{parentBSUID}},
		"bsuid_with_number":      {Text: "hello", Aliases: []permissions.User{userBSUID, parentBSUID}},
		"number_in_contact_only": {Text: "hello", Aliases: []permissions.User{userBSUID}},
	} {
		t.Run(name, func(t *testing.T) {
			want.ID, want.Kind, want.At, want.Account = "meta/wamid.M", permissions.Messaged, at, "acme"
			want.Auth, want.Pair.Business = permissions.AuthHMAC, business
			if want.Pair.User == "" {
				want.Pair.User = user
			}
			facts := []permissions.Event{want}
			if want.Text == "Allow calls" { // words that ask to be called, on a button
				want.ID, want.Kind = "meta/willing/wamid.M", permissions.Willing
				facts = append(facts, want)
			}
			require.Equal(t, provider.Delivery{Facts: facts}, decode(t, fixture(t, "messages/"+name+".json")))
		})
	}
}

// What the user wrote counts in a message that does not say what it is.
func TestDecodeMessageWithoutType(t *testing.T) {
	got := decode(t, edit(t, "messages/text.json", `"type": "text"`, `"type": null`))
	require.Equal(t, []string{"malformed:message.type@0.0.messages.0"}, got.Unknown)
	require.Len(t, got.Facts, 1)
	require.Equal(t, permissions.Messaged, got.Facts[0].Kind)
	require.Equal(t, "Please stop calls 🙏 / now", got.Facts[0].Text)
}

// An opt-out counts in kinds of message that nobody knows yet, and a reject in one
// whose kind cannot be read; they are named all the same, and neither grants.
func TestDecodeWordsOfUnknownKinds(t *testing.T) {
	const said = `"type": "text",
        "text": {
         "body": "Please stop calls \ud83d\ude4f / now"
        }`
	for message, unknown := range map[string]string{
		`"type":"poll","poll":{"title":"stop calls"}`:                                                          "type:poll",
		`"type":"gif","gif":{"id":"1","caption":"stop calls"}`:                                                 "type:gif",
		`"type":"reply","reply":{"message":{"text":{"body":"stop calls"}}}`:                                    "type:reply",
		`"type":"interactive","interactive":{"type":"carousel_reply","carousel_reply":{"title":"stop calls"}}`: "interactive:carousel_reply",
		`"type":"audio","audio":{"caption":"stop calls"}`:                                                      "",
	} {
		got := decode(t, edit(t, "messages/text.json", said, message))
		require.Len(t, got.Facts, 1, message)
		require.Equal(t, permissions.Messaged, got.Facts[0].Kind)
		require.Equal(t, "stop calls", got.Facts[0].Text)
		if unknown != "" {
			require.Equal(t, []string{unknown + "@0.0.messages.0"}, got.Unknown)
		}
	}
	got := decode(t, edit(t, "replies/4_decline.json", `"type": "call_permission_reply"`, `"type": null`))
	require.Equal(t, []string{"interactive:unreadable@0.0.messages.0"}, got.Unknown)
	require.Equal(t, permissions.Declined, got.Facts[0].Kind)
}

// What is known to say nothing about calls is neither a fact nor unknown.
func TestDecodeSilentMessages(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "messages", "silent", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		require.Equal(t, provider.Delivery{}, decode(t, read(t, path)), path)
	}
}

// Words on a button ask to be called or not; typed, they are words.
func TestDecodeWilling(t *testing.T) {
	for _, tc := range []struct {
		old, replacement string
		willing          bool
	}{
		{`"Allow calls"`, `"Not now"`, false}, // with the payload ALLOW, which does not say what
		{`"payload": "ALLOW",`, ``, true},
		{`"payload": "ALLOW"`, `"payload": "NO"`, true},
		{`"text": "Allow calls"`, `"text": "📞 ALLOW  CALLS!"`, true},
		{`"text": "Allow calls"`, `"text": "Don't allow calls"`, false},
		{`"payload": "ALLOW",
         "text": "Allow calls"`, `"payload": "ALLOW_CALLS", "text": "Yes"`, true},
	} {
		got := decode(t, edit(t, "messages/button.json", tc.old, tc.replacement))
		require.Equal(t, permissions.Messaged, got.Facts[0].Kind)
		require.Equal(t, tc.willing, len(got.Facts) == 2 && got.Facts[1].Kind == permissions.Willing, tc.replacement)
	}
	typed := decode(t, edit(t, "messages/text.json", `Please stop calls`, `Allow calls`))
	require.Len(t, typed.Facts, 1)
}

// A contact that is another person lends neither number nor alias.
func TestDecodeForeignContact(t *testing.T) {
	delivery := decode(t, edit(t, "messages/number_in_contact_only.json",
		`"user_id": "US.13491208655302741918"`, `"user_id": "US.999999"`))
	require.EqualValues(t, userBSUID, delivery.Facts[0].Pair.User)
	require.Empty(t, delivery.Facts[0].Aliases)

	delivery = decode(t, edit(t, "messages/bsuid_with_number.json", `"wa_id": "14085551234"`, `"wa_id": "14085550000"`))
	require.EqualValues(t, user, delivery.Facts[0].Pair.User)
	require.Equal(t, []permissions.User{userBSUID}, delivery.Facts[0].Aliases, "and not the parent of somebody else")
}

func TestEventsHoldTheirTextOnce(t *testing.T) {
	delivery := decode(t, fixture(t, "messages/text.json"))
	raw, err := json.Marshal(delivery.Facts[0])
	require.NoError(t, err)
	require.NotContains(t, string(raw), "14085551234", "the pair is not part of the payload")
}
