package eightx8_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
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

func TestDecodePermissionReplySample(t *testing.T) {
	require.Equal(t, provider.Delivery{Facts: []permissions.Event{granted()}}, decode(t, fixture(t, reply)))
}

func TestDecodeTextSample(t *testing.T) {
	cfg := config()
	cfg.Channel = textChannel
	a, err := eightx8.New(cfg)
	require.NoError(t, err)
	delivery, err := a.Decode(fixture(t, "inbound_text.json"), permissions.AuthBearer)
	require.NoError(t, err)
	require.Equal(t, provider.Delivery{Facts: []permissions.Event{{
		ID:      "8x8/9e09ac86-bd74-5465-851d-1eb5a5fdbb9a",
		Kind:    permissions.Messaged,
		Pair:    permissions.Pair{Business: business, User: user},
		At:      time.Date(2016, 1, 1, 14, 34, 56, 17_000_000, time.UTC),
		Account: "acme",
		Auth:    permissions.AuthBearer,
		Text:    "Test message",
		Ref:     "777a57f4-bd74-eb11-851d-00155d9fer55",
	}}}, delivery)
}

// Every other sample of the pages is known by its name and is no error.
func TestDecodeSamples(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*_*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 21)
	for _, path := range paths {
		name := filepath.Base(path)
		if name == reply || name == "inbound_text.json" {
			continue
		}
		delivery := decode(t, fixture(t, name))
		require.Empty(t, delivery.Facts, name)
		require.Empty(t, delivery.Calls, name)
		want := "event:template_status_update"
		switch kind, _, _ := strings.Cut(name, "_"); {
		case kind == "account":
			want = "event:account_update"
		case kind == "quality":
			want = "event:phone_number_quality_update"
		case name == "inbound_flow_reply.json":
			want = "interactive:nfmReply"
		case name == "template_category.json":
			want = "event:template_category_update"
		case name == "template_correct_category.json":
			want = "event:template_correct_category_detection"
		case name == "template_quality.json":
			want = "event:template_quality_update"
		}
		require.Equal(t, []string{want}, delivery.Unknown, name)
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
		{`"accept"`, `"yes"`, "malformed:callPermissionReply.response"},
		{`"accept"`, `true`, "malformed:callPermissionReply.response"},
		{`"2026-01-23T06:51:55.00Z"`, `"never"`, "malformed:callPermissionReply.expirationTimestamp"},
		{`"2026-01-23T06:51:55.00Z"`, `1769151115000`, "malformed:callPermissionReply.expirationTimestamp"},
		{`"2026-01-22T22:51:55.00Z"`, `"today"`, "malformed:timestamp"},
		{`"timestamp": "2026-01-22T22:51:55.00Z",`, ``, "malformed:timestamp"},
		{`"isPermanent": false`, `"isPermanent": "perhaps"`, "malformed:callPermissionReply.isPermanent"},
		{`"umid": "2b1e044d-6fce-4a11-8962-b39900a755c1",`, ``, "malformed:umid"},
		{`"type": "callPermissionReply"`, `"type": "buttonReply"`, "malformed:content"},
		{`"type": "callPermissionReply"`, `"type": "shoppingCart"`, "interactive:shoppingCart"},
		{`"type": "Interactive"`, `"type": "Location"`, "type:Location"},
		{`"type": "Interactive"`, `"type": "None"`, "type:None"},
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

// A button may say what it likes: its title is a message and no grant.
func TestDecodeTapsAreMessages(t *testing.T) {
	const sample = `"type": "nfmReply",`
	for _, tc := range []struct{ tapped, text string }{
		{`"type": "button_reply", "button_reply": {"id": "1", "title": "Allow calls"},`, "Allow calls"},
		{`"type": "buttonReply", "buttonReply": {"id": "1", "title": "Allow calls"},`, "Allow calls"},
		{`"type": "button_reply", "button_reply": {"id": "allow"},`, "allow"},
		{`"type": "list_reply", "list_reply": {"id": "1", "title": "Stop calls", "description": "d"},`, "Stop calls"},
		{`"type": "listReply", "listReply": {"id": "1", "title": "Stop calls"},`, "Stop calls"},
	} {
		delivery := decode(t, edit(t, "inbound_flow_reply.json", sample, tc.tapped))
		require.Len(t, delivery.Facts, 1, tc.tapped)
		require.Equal(t, permissions.Messaged, delivery.Facts[0].Kind)
		require.Equal(t, tc.text, delivery.Facts[0].Text)
	}
	template := edit(t, "inbound_text.json", `"Text"`, `"Buttons"`, textChannel, channel, `"Test message"`, `"Allow calls"`)
	require.Equal(t, permissions.Messaged, decode(t, template).Facts[0].Kind)
	empty := edit(t, "inbound_text.json", textChannel, channel, `"Test message"`, `""`)
	require.Equal(t, []string{"malformed:content"}, decode(t, empty).Unknown)
}

func TestDecodeDeliveryReport(t *testing.T) {
	report := `{"version":9,"namespace":"ChatApps","eventType":"outbound_message_status_changed","payload":{"umid":"u",
		"subAccountId":"SubAccount-1","channel":"whatsapp","user":{"msisdn":"+12025550023"},
		"status":{"state":"delivered","timestamp":"2026-01-22T22:51:55.00Z"}}}`
	require.Equal(t, provider.Delivery{Unknown: []string{"event:outbound_message_status_changed"}}, decode(t, []byte(report)))
	voice := `{"namespace":"VOICE","eventType":"SESSION_SUMMARY","version":5,"payload":{"sessionId":"s"}}`
	require.Equal(t, []string{"event:SESSION_SUMMARY"}, decode(t, []byte(voice)).Unknown)

	_, err := account(t).Decode([]byte(strings.Replace(report, "SubAccount-1", "SubAccount-2", 1)), permissions.AuthBearer)
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
	paths, err := filepath.Glob(filepath.Join("testdata", "*_*.json"))
	require.NoError(f, err)
	for _, path := range paths {
		f.Add(fixture(f, filepath.Base(path)))
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
		require.Equal(t, 1, len(delivery.Facts)+len(delivery.Unknown))
		for _, name := range delivery.Unknown {
			require.Regexp(t, `^[a-z]+:[A-Za-z0-9_.-]+$`, name)
		}
		for _, fact := range delivery.Facts {
			require.NotEmpty(t, strings.TrimPrefix(fact.ID, "8x8/"))
			again, ok := provider.ParseUser(string(fact.Pair.User))
			require.True(t, ok)
			require.Equal(t, fact.Pair.User, again)
			require.False(t, fact.At.IsZero())
			require.Contains(t, []permissions.EventKind{permissions.Granted, permissions.Declined, permissions.Messaged}, fact.Kind)
			require.False(t, fact.Permanent && (!fact.Expires.IsZero() || fact.Kind != permissions.Granted))
		}
	})
}
