package eightx8_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

const reply = "inbound_call_permission_reply.json"

func decode(t *testing.T, raw []byte) provider.Delivery {
	t.Helper()
	delivery, err := account(t).Decode(raw, permissions.AuthBearer)
	require.NoError(t, err)
	return delivery
}

// edit replaces text in a sample; it must be there.
func edit(t *testing.T, name string, oldNew ...string) []byte {
	t.Helper()
	raw := string(fixture(t, name))
	for i := 0; i < len(oldNew); i += 2 {
		require.Contains(t, raw, oldNew[i])
		raw = strings.Replace(raw, oldNew[i], oldNew[i+1], 1)
	}
	return []byte(raw)
}

// granted is what the sample of the 8x8 page says.
func granted() permissions.Event {
	return permissions.Event{
		ID:      "8x8/2b1e044d-6fce-4a11-8962-b39900a755c1",
		Kind:    permissions.Granted,
		Pair:    permissions.Pair{Business: business, User: user},
		At:      time.Date(2026, 1, 22, 22, 51, 55, 0, time.UTC),
		Account: "acme",
		Auth:    permissions.AuthBearer,
		Expires: time.Date(2026, 1, 23, 6, 51, 55, 0, time.UTC),
	}
}

func TestDecodeReplyVariants(t *testing.T) {
	with := func(change func(*permissions.Event)) permissions.Event {
		fact := granted()
		change(&fact)
		return fact
	}
	const expiry = `"expirationTimestamp": "2026-01-23T06:51:55.00Z",`
	for name, tc := range map[string]struct {
		edits []string
		want  permissions.Event
	}{
		"permanent": {
			[]string{`"isPermanent": false`, `"isPermanent": true`, expiry, ``},
			with(func(e *permissions.Event) { e.Permanent, e.Expires = true, time.Time{} }),
		},
		"permanent that expires is temporary": {[]string{`"isPermanent": false`, `"isPermanent": true`}, granted()},
		"no expiry": {
			[]string{expiry, ``},
			with(func(e *permissions.Event) { e.Expires = time.Time{} }),
		},
		"expiry null": {
			[]string{`"2026-01-23T06:51:55.00Z"`, `null`},
			with(func(e *permissions.Event) { e.Expires = time.Time{} }),
		},
		"quoted boolean":       {[]string{`"isPermanent": false`, `"isPermanent": "false"`}, granted()},
		"seconds since 1970":   {[]string{`"2026-01-22T22:51:55.00Z"`, `1769122315`}, granted()},
		"another zone":         {[]string{`"2026-01-22T22:51:55.00Z"`, `"2026-01-23T06:51:55.00+08:00"`}, granted()},
		"channel in capitals":  {[]string{channel, strings.ToUpper(channel)}, granted()},
		"msisdn without plus":  {[]string{`"+12025550023"`, `"12025550023"`}, granted()},
		"msisdn as a number":   {[]string{`"+12025550023"`, `12025550023`}, granted()},
		"version 2, no msisdn": {[]string{`"msisdn": "+12025550023",`, ``}, granted()},
		"automatic":            {[]string{`"user_action"`, `"automatic"`}, with(func(e *permissions.Event) { e.Automatic = true })},
		"source unsaid":        {[]string{`"user_action"`, `""`}, with(func(e *permissions.Event) { e.Automatic = true })},
		"in Meta's spelling": {[]string{
			`"callPermissionReply"`, `"call_permission_reply"`, `"callPermissionReply"`, `"call_permission_reply"`,
			`"isPermanent"`, `"is_permanent"`, `"expirationTimestamp"`, `"expiration_timestamp"`, `"responseSource"`, `"response_source"`,
		}, granted()},
		"expiry in ms":         {[]string{`"2026-01-23T06:51:55.00Z"`, `1769151115000`}, granted()},
		"expiry in s":          {[]string{`"2026-01-23T06:51:55.00Z"`, `"1769151115"`}, granted()},
		"number of no country": {[]string{`"+12025550023"`, `"+99912345678"`}, with(func(e *permissions.Event) { e.Pair.User = "+99912345678" })},
		"number too short":     {[]string{`"+12025550023"`, `"+12"`}, granted()}, // channelUserId names the user
		"reply to a request": {
			[]string{`"type": "Interactive"`, `"replyToUmid": "777a57f4", "type": "interactive"`},
			with(func(e *permissions.Event) { e.Ref = "777a57f4" }),
		},
		"version 3": {
			[]string{`"namespace"`, `"version": 3, "namespace"`, `"channelUserId": "12025550023"`, `"channelUserId": "` + userBSUID + `", "username": "ann"`},
			with(func(e *permissions.Event) { e.Aliases = []permissions.User{userBSUID} }),
		},
		"version 3, no msisdn": {
			[]string{`"msisdn": "+12025550023",`, ``, `"channelUserId": "12025550023"`, `"channelUserId": "` + userBSUID + `"`},
			with(func(e *permissions.Event) { e.Pair.User = userBSUID }),
		},
		"two phone numbers": {
			[]string{`"channelUserId": "12025550023"`, `"channelUserId": "12025550099"`}, granted(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, provider.Delivery{Facts: []permissions.Event{tc.want}}, decode(t, edit(t, reply, tc.edits...)))
		})
	}
}

// An accept of which anything that bears on the grant cannot be read is no grant.
func TestDecodeNoGrantFromUnreadableAccept(t *testing.T) {
	for _, tc := range []struct{ old, replacement, unknown string }{
		{`"accept"`, `"yes"`, "response:yes"},
		{`"accept"`, `true`, "response:true"},
		{`"accept"`, `{"accept":1}`, "malformed:callPermissionReply.response"},
		{`"2026-01-23T06:51:55.00Z"`, `"never"`, "malformed:callPermissionReply.expiration_timestamp"},
		{`"2026-01-23T06:51:55.00Z"`, `1769151115000000`, "malformed:callPermissionReply.expiration_timestamp"},
		{`"2026-01-22T22:51:55.00Z"`, `"today"`, "malformed:message.timestamp"},
		{`"timestamp": "2026-01-22T22:51:55.00Z",`, ``, "malformed:message.timestamp"},
		{`"isPermanent": false`, `"isPermanent": "perhaps"`, "malformed:callPermissionReply.is_permanent"},
		{`"umid": "2b1e044d-6fce-4a11-8962-b39900a755c1",`, ``, "malformed:message.id"},
		{`"type": "callPermissionReply"`, `"type": "buttonReply"`, "malformed:message.text"},
		{`"type": "callPermissionReply"`, `"type": "shoppingCart"`, "interactive:shoppingCart"},
		{`"type": "Interactive"`, `"type": "Poll"`, "type:poll"},
		{`"type": "Interactive"`, `"type": "None"`, "type:none"},
		{`"channel": "whatsapp"`, `"channel": "viber"`, "channel:viber"},
		{`"channelId": "` + channel + `"`, `"channel_id": "x"`, "malformed:recipient.channelId"},
		{`"user": {`, `"guest": {`, "malformed:user"},
		{`"payload": {`, `"payloads": {`, "channel:unreadable"},
		{`"inbound_message_received"`, `"inbound_message_edited"`, "event:inbound_message_edited"},
		{`"callPermissionReply": {`, `"callPermission": {`, "malformed:callPermissionReply.response"},
	} {
		delivery := decode(t, edit(t, reply, tc.old, tc.replacement))
		require.Empty(t, delivery.Facts, tc.replacement)
		require.Equal(t, []string{tc.unknown}, delivery.Unknown, tc.replacement)
	}
}

// A reject counts whatever else about it is unreadable: it only narrows.
func TestDecodeRejectAlwaysCounts(t *testing.T) {
	for _, edits := range [][]string{
		{},
		{`"2026-01-23T06:51:55.00Z"`, `"never"`},
		{`"2026-01-22T22:51:55.00Z"`, `"today"`},
		{`"isPermanent": false`, `"isPermanent": {}`},
		{`"umid": "2b1e044d-6fce-4a11-8962-b39900a755c1",`, ``},
		{`"user_action"`, `[]`},
		{`"type": "callPermissionReply"`, `"type": "somethingElse"`},
	} {
		raw := edit(t, reply, append([]string{`"accept"`, `"Reject"`}, edits...)...)
		delivery := decode(t, raw)
		require.Len(t, delivery.Facts, 1)
		fact := delivery.Facts[0]
		require.Equal(t, permissions.Declined, fact.Kind)
		require.False(t, fact.Permanent)
		require.True(t, fact.Expires.IsZero())
		require.NotEmpty(t, fact.ID)
		require.False(t, fact.At.IsZero())
		require.Equal(t, fact, decode(t, raw).Facts[0], "the same bytes are the same fact")
	}
}

// A button may say what it likes: its title is a message, may show willingness, and
// is no grant.
func TestDecodeTapsAreMessages(t *testing.T) {
	const flow = `"type": "nfmReply",`
	tap := func(tapped string) []byte { return edit(t, "inbound_flow_reply.json", flow, tapped) }
	typed := func(kind, content string) []byte {
		return edit(t, "inbound_text.json", `"Text"`, kind, textChannel, channel, `"text": "Test message"`, content)
	}
	for _, tc := range []struct {
		raw     []byte
		text    string
		willing bool
	}{
		{tap(`"type": "button_reply", "button_reply": {"id": "1", "title": "Allow calls"},`), "Allow calls", true},
		{tap(`"type": "buttonReply", "buttonReply": {"id": "1", "title": "Allow calls"},`), "Allow calls", true},
		{tap(`"type": "button_reply", "button_reply": {"id": "1", "title": "Not now"},`), "Not now", false},
		{tap(`"type": "button_reply", "button_reply": {"id": "allow_calls"},`), "allow_calls", true},
		{tap(`"type": "list_reply", "list_reply": {"id": "1", "title": "Stop calls", "description": "d"},`), "Stop calls", false},
		{tap(`"type": "listReply", "listReply": {"id": "1", "title": "Stop calls"},`), "Stop calls", false},
		{typed(`"Buttons"`, `"text": "Allow calls"`), "Allow calls", true},
		{typed(`"Buttons"`, `"text": "Yes", "payload": "ALLOW_CALLS"`), "Yes", true},
		{typed(`"Text"`, `"text": "Allow calls"`), "Allow calls", false},
		{typed(`"Image"`, `"url": "https://example.com/i", "text": "stop calls"`), "stop calls", false},
		{typed(`"Image"`, `"image": {"caption": "stop calls"}`), "stop calls", false},
		{typed(`"File"`, `"file": {"text": "stop calls"}`), "stop calls", false},
	} {
		got := decode(t, tc.raw)
		require.Empty(t, got.Unknown)
		require.Equal(t, permissions.Messaged, got.Facts[0].Kind)
		require.Equal(t, tc.text, got.Facts[0].Text)
		require.Len(t, got.Facts, map[bool]int{true: 2, false: 1}[tc.willing], tc.text)
		if tc.willing {
			require.Equal(t, permissions.Willing, got.Facts[1].Kind)
			require.Equal(t, "8x8/willing/"+strings.TrimPrefix(got.Facts[0].ID, "8x8/"), got.Facts[1].ID)
		}
	}
	require.Equal(t, []string{"malformed:message.text"}, decode(t, typed(`"Text"`, `"text": ""`)).Unknown)
	require.Equal(t, provider.Delivery{}, decode(t, typed(`"Location"`, `"location": {"name": "stop calls"}`)))
	for unknown, raw := range map[string][]byte{
		"type:poll":                  typed(`"Poll"`, `"text": "stop calls"`),
		"type:edit":                  typed(`"Edit"`, `"edit": {"message": {"text": "stop calls"}}`),
		"interactive:carousel_reply": tap(`"type": "carousel_reply", "carouselReply": {"title": "stop calls"},`),
		"interactive:unreadable":     typed(`"Interactive"`, `"text": "stop calls"`),
	} {
		odd := decode(t, raw)
		require.Equal(t, []string{unknown}, odd.Unknown)
		require.Len(t, odd.Facts, 1)
		require.Equal(t, permissions.Messaged, odd.Facts[0].Kind)
		require.Equal(t, "stop calls", odd.Facts[0].Text, "an opt-out counts in a kind of message that nobody knows")
	}
	require.Equal(t, "stop calls", decode(t, typed(`"Audio"`, `"audio": {"caption": "stop calls"}`)).Facts[0].Text)
}

func TestDecodeEventsByName(t *testing.T) {
	voice := `{"namespace":"VOICE","eventType":"SESSION_SUMMARY","version":5,"payload":{"sessionId":"s"}}`
	require.Equal(t, []string{"event:SESSION_SUMMARY"}, decode(t, []byte(voice)).Unknown)

	_, err := account(t).Decode(edit(t, "receipts/delivered.json", "SubAccount-1", "SubAccount-2"), permissions.AuthBearer)
	require.ErrorIs(t, err, provider.ErrWrongAccount)
}

func TestDecodeOtherAccounts(t *testing.T) {
	for _, edits := range [][]string{
		{`"SubAccount-1"`, `"SubAccount-2"`},
		{`"SubAccount-1"`, `"SubAccount-1 "`},
		{channel, textChannel},
		{channel, channel[:35]},
	} {
		delivery, err := account(t).Decode(edit(t, reply, edits...), permissions.AuthBearer)
		require.ErrorIs(t, err, provider.ErrWrongAccount, edits[1])
		require.Zero(t, delivery)
	}
}

func TestDecodeRefusesWhatIsNoJSON(t *testing.T) {
	good := string(fixture(t, reply))
	for name, raw := range map[string]string{
		"empty": "", "text": "hello", "half": good[:len(good)/2], "two": good + good,
		"member twice": strings.Replace(good, `"umid"`, `"umid": "x", "umid"`, 1),
		"deep":         strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		_, err := account(t).Decode([]byte(raw), permissions.AuthBearer)
		require.ErrorIs(t, err, provider.ErrMalformed, name)
	}
	for _, raw := range []string{`[]`, `5`, `null`} {
		require.Equal(t, []string{"malformed:body"}, decode(t, []byte(raw)).Unknown)
	}
	require.Equal(t, []string{"event:unreadable"}, decode(t, []byte(`{}`)).Unknown)
}

// Whatever arrives, Decode keeps its promises: an error of a known kind and
// nothing else, or a fact that the ledger can hold, or a name.
func FuzzDecode(f *testing.F) {
	for _, folder := range []string{"*.json", "users/*.json", "receipts/*.json"} {
		paths, err := filepath.Glob(filepath.Join("testdata", folder))
		require.NoError(f, err)
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(raw)
		}
	}
	a := account(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := bytes.Clone(raw)
		delivery, err := a.Decode(raw, permissions.AuthBearer)
		require.Equal(t, kept, raw)
		if err != nil {
			require.Zero(t, delivery)
			return
		}
		for _, name := range delivery.Unknown {
			require.Regexp(t, `^[a-z]+:[A-Za-z0-9_.-]+(@[a-z_]+\.[0-9]+)?$`, name)
		}
		for _, n := range delivery.Notices {
			require.NotEmpty(t, strings.TrimPrefix(n.ID, "8x8/"))
			require.NotEmpty(t, n.Kind)
			require.EqualValues(t, business, n.Business)
			require.False(t, n.At.IsZero())
			require.True(t, n.Kind != permissions.Restriction || n.Type != "")
		}
		for _, fact := range delivery.Facts {
			require.NotEmpty(t, strings.TrimPrefix(fact.ID, "8x8/"))
			again, ok := provider.ParseUser(string(fact.Pair.User))
			require.True(t, ok)
			require.Equal(t, fact.Pair.User, again)
			require.False(t, fact.At.IsZero())
			require.Contains(t, []permissions.EventKind{
				permissions.Granted, permissions.Declined, permissions.Messaged, permissions.Willing, permissions.Delivered,
				permissions.IDChanged, permissions.MessagesStopped, permissions.MessagesResumed,
			}, fact.Kind)
			require.False(t, fact.Permanent && (!fact.Expires.IsZero() || fact.Kind != permissions.Granted))
			require.True(t, fact.Kind != permissions.Granted || accepts(raw), "no grant without an accept")
		}
	})
}

// accepts tells whether a JSON text holds an object whose response is accept, by
// other means than the decoder's.
func accepts(raw []byte) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	var look func(v any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				word, _ := inner.(string)
				if strings.EqualFold(key, "response") && strings.EqualFold(strings.TrimSpace(word), "accept") || look(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, look)
		}
		return false
	}
	return look(v)
}
