package eightx8_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/eightx8"
)

// The numbers of the account events on the 8x8 pages.
const (
	violationNumber geo.E164 = "+16505552771"
	qualityNumber   geo.E164 = "+15550783881"
)

// sample is what a sample of the 8x8 pages says to an account.
type sample struct {
	business geo.E164 // of the account; the tests' own when empty
	channel  string
	facts    []permissions.Event
	notices  []permissions.Notice
}

// samples is the whole table: every sample of the pages has its line.
func samples() map[string]sample {
	return map[string]sample{
		"inbound_call_permission_reply": {facts: []permissions.Event{granted()}},
		"inbound_text": {channel: textChannel, facts: []permissions.Event{{
			ID: "8x8/9e09ac86-bd74-5465-851d-1eb5a5fdbb9a", Kind: permissions.Messaged, Text: "Test message",
			At: time.Date(2016, 1, 1, 14, 34, 56, 17_000_000, time.UTC), Ref: "777a57f4-bd74-eb11-851d-00155d9fer55",
		}}},
		"inbound_flow_reply": {},
		"account_update_violation": {business: violationNumber, notices: []permissions.Notice{{
			Kind: permissions.Violation, Event: "ACCOUNT_VIOLATION", Type: "USER_INITIATED_CALLS_LOW_PICKUP_RATE",
			Remediation: "Please identify and address the cause of user-initiated calls not being picked up and make sure " +
				"the business is properly resourced to handle expected call volumes.",
		}}},
		"account_update_restriction": {business: violationNumber, notices: []permissions.Notice{{
			Kind: permissions.Restriction, Event: "ACCOUNT_RESTRICTION", Type: permissions.RestrictedUserInitiated,
			Until: time.Date(2022, 1, 10, 20, 54, 17, 0, time.UTC),
		}}},
		"account_update_direct_send_warning": {notices: []permissions.Notice{{
			Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_WARN",
		}}},
		"account_update_direct_send_unban": {notices: []permissions.Notice{{
			Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN",
		}}},
		"account_update_direct_send_strike": {notices: []permissions.Notice{
			{Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_STRIKE_1"},
			{
				Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES",
				Until: time.Date(2026, 1, 26, 13, 50, 20, 0, time.UTC),
			},
		}},
		"account_update_verification_approved": {notices: []permissions.Notice{{
			Kind: permissions.AccountNews, Event: "BUSINESS_VERIFICATION_STATUS_UPDATE", Type: "APPROVED",
		}}},
		"account_update_verification_failed": {notices: []permissions.Notice{{
			Kind: permissions.AccountNews, Event: "BUSINESS_VERIFICATION_STATUS_UPDATE", Type: "FAILED",
			Remediation: "LEGAL_NAME_NOT_FOUND_IN_DOCUMENTS, BUSINESS_NOT_ELIGIBLE",
		}}},
		"quality_onboarding":              quality("ONBOARDING", "TIER_10K"),
		"quality_throughput_upgrade":      quality("THROUGHPUT_UPGRADE", "TIER_UNLIMITED"),
		"quality_throughput_upgrade_2026": quality("THROUGHPUT_UPGRADE", "TIER_UNLIMITED"),
		"quality_upgrade":                 quality("UPGRADE", "TIER_10K"),
		"template_status_approved":        about(permissions.TemplateStatus, "APPROVED", "", ""),
		"template_status_flagged":         about(permissions.TemplateStatus, "FLAGGED", "", "to be disabled on DATE"),
		"template_status_paused":          about(permissions.TemplateStatus, "PAUSED", "FIRST_PAUSE", "Pause description"),
		"template_status_rejected":        about(permissions.TemplateStatus, "REJECTED", "INCORRECT_CATEGORY", ""),
		"template_quality":                about(permissions.TemplateQuality, "GREEN", "UNKNOWN", ""),
		"template_category":               about(permissions.TemplateCategory, "MARKETING", "UTILITY", ""),
		"template_correct_category":       about(permissions.TemplateWarned, "MARKETING", "UTILITY", ""),
	}
}

func quality(event, tier string) sample {
	return sample{business: qualityNumber, notices: []permissions.Notice{{Kind: permissions.Quality, Event: event, Tier: tier}}}
}

func about(kind permissions.NoticeKind, status, why, advice string) sample {
	return sample{notices: []permissions.Notice{{
		Kind: kind, Template: "TEMPLATE_NAME/TEMPLATE_LANGUAGE", Status: status, Type: why, Remediation: advice,
	}}}
}

func TestDecodeSamples(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	require.NoError(t, err)
	require.Len(t, samples(), len(paths), "every sample has its line")
	require.Len(t, paths, 21)
	ids := make(map[string]string)
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			if s.business != "" {
				cfg.Business = s.business
			}
			if s.channel != "" {
				cfg.Channel = s.channel
			}
			a, err := eightx8.New(cfg)
			require.NoError(t, err)
			got, err := a.Decode(fixture(t, name+".json"), permissions.AuthBearer)
			require.NoError(t, err)
			for i := range s.facts {
				s.facts[i].Pair = permissions.Pair{Business: cfg.Business, User: user}
				s.facts[i].Account, s.facts[i].Auth = "acme", permissions.AuthBearer
			}
			for i := range s.notices {
				s.notices[i].Account, s.notices[i].Auth, s.notices[i].Business = "acme", permissions.AuthBearer, cfg.Business
				s.notices[i].At, s.notices[i].ID = told(s.notices[i].Kind)
				if i < len(got.Notices) {
					require.Regexp(t, "^"+s.notices[i].ID+`/[0-9a-f]{16}(#2)?$`, got.Notices[i].ID)
					require.Equal(t, i > 0, strings.HasSuffix(got.Notices[i].ID, "#2"))
					require.Empty(t, ids[got.Notices[i].ID], "the pages' events share an eventId, and each is news")
					ids[got.Notices[i].ID], got.Notices[i].ID = name, s.notices[i].ID
				}
			}
			require.Equal(t, provider.Delivery{Facts: s.facts, Notices: s.notices}, got)
		})
	}
}

// told is the time and the id of the samples' account events: those of account_update
// share one, and the others another.
func told(kind permissions.NoticeKind) (at time.Time, id string) {
	at, id = time.Date(2026, 1, 19, 13, 50, 20, 0, time.UTC), "8x8/9ac6f2cb-abb7-43e6-b533-b3d7017846fd"
	switch kind {
	case permissions.Violation, permissions.Restriction, permissions.AccountNews:
	default:
		at, id = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), "8x8/0f88f5c4-fae7-4dcf-8ff2-b2990133edea"
	}
	return at, id
}

// What names another number, or another business account where the configuration
// has one, is another account's.
func TestDecodeEventsOfOthers(t *testing.T) {
	for _, name := range []string{"account_update_violation.json", "account_update_restriction.json", "quality_upgrade.json"} {
		got, err := account(t).Decode(fixture(t, name), permissions.AuthBearer)
		require.ErrorIs(t, err, provider.ErrWrongAccount, name)
		require.Zero(t, got)
	}
	cfg := config()
	cfg.BusinessAccountID = "950523421983857"
	a, err := eightx8.New(cfg)
	require.NoError(t, err)
	_, err = a.Decode(fixture(t, "account_update_direct_send_warning.json"), permissions.AuthBearer)
	require.NoError(t, err)
	_, err = a.Decode(fixture(t, "template_status_paused.json"), permissions.AuthBearer)
	require.ErrorIs(t, err, provider.ErrWrongAccount)
	_, err = a.Decode(fixture(t, "users/whatsapp_preference.json"), permissions.AuthBearer)
	require.NoError(t, err)
	_, err = a.Decode(edit(t, "users/whatsapp_preference.json", `"6531234567"`, `"6531234568"`), permissions.AuthBearer)
	require.ErrorIs(t, err, provider.ErrWrongAccount)
}

func TestDecodeUnreadableEvents(t *testing.T) {
	const paused = "template_status_paused.json"
	for _, tc := range []struct{ sample, old, replacement, unknown string }{
		{paused, `"PAUSED"`, `{}`, "malformed:template_status_update.event"},
		{paused, `"TEMPLATE_LANGUAGE"`, `""`, "malformed:template_status_update.template"},
		{paused, `"template_status_update"`, `"template_sound_update"`, "event:template_sound_update"},
		{paused, `"eventDetails": {`, `"eventDetails": "x", "x": {`, "malformed:eventDetails"},
		{paused, `"WhatsApp"`, `"Viber"`, "provider:viber"},
		{"account_update_direct_send_strike.json", `"ACCOUNT_RESTRICTION"`, `""`, "malformed:account_update.event"},
		{"users/whatsapp_preference.json", `"rawEvent": {`, `"rawEvent": 5, "x": {`, "malformed:eventDetails.rawEvent"},
		{"users/whatsapp_contact.json", `"whatsapp_contact"`, `"whatsapp_group"`, "event:group"},
		{"users/whatsapp_preference.json", `"stop"`, `"perhaps"`, "preference:perhaps@user_preferences.0"},
	} {
		require.Equal(t, provider.Delivery{Unknown: []string{tc.unknown}},
			decode(t, edit(t, tc.sample, tc.old, tc.replacement)), tc.replacement)
	}
	got := decode(t, edit(t, "account_update_direct_send_strike.json", `"2026-01-26T13:50:20.00Z"`, `"soon"`))
	require.Equal(t, []string{"malformed:restriction.expiration"}, got.Unknown)
	require.Len(t, got.Notices, 2)
	got = decode(t, edit(t, paused, `"eventId": "0f88f5c4-fae7-4dcf-8ff2-b2990133edea",`, ``))
	require.Regexp(t, `^8x8/sha256:[0-9a-f]{64}$`, got.Notices[0].ID)
	got = decode(t, edit(t, paused, `"2025-01-01T00:00:00.00Z"`, `"soon"`))
	require.Equal(t, arrival(), got.Notices[0].At)
}

func TestDecodeRelayedUserEvents(t *testing.T) {
	const newBSUID = "US.24817305912873645029"
	at := time.Date(2026, 1, 19, 13, 50, 20, 0, time.UTC)
	fact := func(kind permissions.EventKind, change func(*permissions.Event)) permissions.Event {
		e := permissions.Event{
			Kind: kind, Pair: permissions.Pair{Business: business, User: user}, At: at, Account: "acme", Auth: permissions.AuthBearer,
		}
		change(&e)
		return e
	}
	moved := fact(permissions.IDChanged, func(e *permissions.Event) {
		e.Previous, e.Current, e.Aliases = userBSUID, newBSUID, []permissions.User{newBSUID}
	})
	marketing := func(e *permissions.Event) { e.Category = "marketing" }
	table := map[string]permissions.Event{
		"whatsapp_user_id_update": moved, "user_id_update_value_alone": moved,
		"user_id_update_whole_delivery": moved, "user_id_update_as_text": moved,
		"whatsapp_contact": fact(permissions.IDChanged, func(e *permissions.Event) {
			e.Current, e.Aliases = userBSUID, []permissions.User{userBSUID, "US.ENT.1"}
		}),
		"whatsapp_preference":         fact(permissions.MessagesStopped, marketing),
		"whatsapp_preferences_resume": fact(permissions.MessagesResumed, marketing),
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "users", "*.json"))
	require.NoError(t, err)
	require.Len(t, table, len(paths), "every sample has its line")
	for name, want := range table {
		got := decode(t, fixture(t, "users/"+name+".json"))
		require.Len(t, got.Facts, 1, name)
		require.Regexp(t, `^8x8/(user_id_update|user_preferences|contact)/sha256:[0-9a-f]{64}$`, got.Facts[0].ID)
		got.Facts[0].ID = ""
		require.Equal(t, provider.Delivery{Facts: []permissions.Event{want}}, got, name)
	}
}

func TestDecodeReceipts(t *testing.T) {
	const umid = "777a57f4-bd74-eb11-851d-00155d9f27ac"
	table := map[string]permissions.Event{
		"queued":                    {},
		"sent":                      {Delivery: "sent"},
		"delivered":                 {Delivery: "delivered"},
		"read":                      {Delivery: "read"},
		"undelivered":               {Delivery: "failed", Code: 131026},
		"rejected_limit":            {Delivery: "failed", Code: 138009},
		"undelivered_provider_code": {Delivery: "failed", Code: 131009},
		"undelivered_payment":       {Delivery: "failed", Code: 131044},
		"undelivered_own_code":      {Delivery: "failed", Code: 15},
		"delivered_bsuid":           {Delivery: "delivered", Aliases: []permissions.User{userBSUID}},
		"delivered_bsuid_only":      {Delivery: "delivered", Pair: permissions.Pair{User: userBSUID}},
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "receipts", "*.json"))
	require.NoError(t, err)
	require.Len(t, table, len(paths), "every sample has its line")
	at := time.Date(2026, 1, 22, 22, 51, 55, 0, time.UTC)
	for name, want := range table {
		t.Run(name, func(t *testing.T) {
			expected := provider.Delivery{}
			if want.Delivery != "" {
				want.ID, want.Ref = "8x8/message/"+want.Delivery+"/"+umid, umid
				want.Kind, want.At, want.Account, want.Auth = permissions.Delivered, at, "acme", permissions.AuthBearer
				want.Pair.Business = business
				if want.Pair.User == "" {
					want.Pair.User = user
				}
				expected.Facts = []permissions.Event{want}
			}
			if want.Code == 131044 {
				expected.Notices = []permissions.Notice{{
					ID: "8x8/unable/131044/" + umid, Kind: permissions.Unable, Business: business, Account: "acme",
					At: at, Auth: permissions.AuthBearer, Code: 131044, Type: "payment issue",
				}}
			}
			require.Equal(t, expected, decode(t, fixture(t, "receipts/"+name+".json")))
		})
	}
	for _, tc := range []struct{ old, replacement, unknown string }{
		{`"delivered"`, `"teleported"`, "status:teleported"},
		{`"channel": "whatsapp"`, `"channel": "sms"`, "channel:sms"},
		{`"umid": "777a57f4-bd74-eb11-851d-00155d9f27ac",`, ``, "malformed:umid"},
		{`"user": {`, `"guest": {`, "malformed:user"},
	} {
		require.Equal(t, provider.Delivery{Unknown: []string{tc.unknown}}, decode(t, edit(t, "receipts/delivered.json", tc.old, tc.replacement)))
	}
}
