package meta_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
	"github.com/callctl/callctl/provider/meta"
)

// sent is when Meta sent the account events of testdata/news, by their entries.
func sent() time.Time { return time.Date(2025, 12, 31, 8, 0, 0, 0, time.UTC) }

// news is what each sample of testdata/news says.
func news() map[string][]permissions.Notice {
	const template = "cpr_order/pt_BR"
	week, told := sent().Add(7*24*time.Hour), sent().Add(100*time.Second)
	restricted := permissions.RestrictedBusinessInitiated
	return map[string][]permissions.Notice{
		"violation":   {{Kind: permissions.Violation, Event: "ACCOUNT_VIOLATION", Type: "LOW_BUSINESS_INITIATED_CALLING_QUALITY"}},
		"restriction": {{Kind: permissions.Restriction, Event: "ACCOUNT_RESTRICTION", Type: restricted, Until: week}},
		"restrictions_several": {
			{Kind: permissions.Violation, Event: "ACCOUNT_RESTRICTION", Type: "LOW_USER_INITIATED_CALLING_QUALITY", Remediation: "Answer more calls."},
			{Kind: permissions.Restriction, Event: "ACCOUNT_RESTRICTION", Type: permissions.RestrictedUserInitiated, Until: week},
			{Kind: permissions.Restriction, Event: "ACCOUNT_RESTRICTION", Type: permissions.CallButtonHidden},
			{Kind: permissions.Restriction, Event: "ACCOUNT_RESTRICTION", Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: week},
			{Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES", Until: week},
		},
		"restriction_without_list": {{Kind: permissions.AccountNews, Event: "ACCOUNT_RESTRICTION", Type: "DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN"}},
		"verification":             {{Kind: permissions.AccountNews, Event: "BUSINESS_VERIFICATION_STATUS_UPDATE", Type: "FAILED", Remediation: "BUSINESS_NOT_ELIGIBLE"}},
		"ban":                      {{Kind: permissions.AccountNews, Event: "DISABLED_UPDATE", Type: "DISABLE"}},
		"review":                   {{Kind: permissions.AccountNews, Event: "ACCOUNT_REVIEW_UPDATE", Type: "APPROVED"}},
		"quality_flagged":          {{Kind: permissions.Quality, Event: "FLAGGED", Tier: "TIER_10K"}},
		"quality_downgrade":        {{Kind: permissions.Quality, Event: "DOWNGRADE", Tier: "TIER_1K"}},
		"quality_portfolio":        {{Kind: permissions.Quality, Event: "UPGRADE", Tier: "TIER_2K"}},
		"capability":               {{Kind: permissions.Quality, Event: "BUSINESS_CAPABILITY_UPDATE", Tier: "TIER_2K"}},
		"template_paused":          {{Kind: permissions.TemplateStatus, Template: template, Status: "PAUSED", Type: "FIRST_PAUSE", Remediation: "Paused for three hours."}},
		"template_rejected":        {{Kind: permissions.TemplateStatus, Template: template, Status: "REJECTED", Type: "INVALID_FORMAT", Remediation: "Remove the emoji."}},
		"template_disabled":        {{Kind: permissions.TemplateStatus, Template: template, Status: "DISABLED", Remediation: "to be disabled on 2026-01-07"}},
		"template_quality":         {{Kind: permissions.TemplateQuality, Template: template, Status: "RED", Type: "GREEN"}},
		"template_category":        {{Kind: permissions.TemplateCategory, Template: template, Status: "MARKETING", Type: "UTILITY"}},
		"template_category_impending": {{
			Kind: permissions.TemplateWarned, Template: template, Status: "MARKETING", Type: "UTILITY", Until: sent().Add(24 * time.Hour),
		}},
		"template_correct_category": {{Kind: permissions.TemplateWarned, Template: template, Status: "MARKETING", Type: "UTILITY"}},
		"settings":                  {{Kind: permissions.Settings, Calling: "DISABLED", At: told}},
		"settings_restricted": {
			{Kind: permissions.Settings, Calling: "ENABLED", At: told},
			{Kind: permissions.RestrictionsRead, At: told, Restrictions: []permissions.NumberRestriction{
				{Type: restricted, Reason: "Low quality", Since: told, Until: week},
			}},
		},
		"settings_unrestricted": {
			{Kind: permissions.Settings, Calling: "ENABLED", At: told},
			{Kind: permissions.RestrictionsRead, At: told, Restrictions: []permissions.NumberRestriction{}},
		},
	}
}

func TestDecodeNews(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "news", "*.json"))
	require.NoError(t, err)
	require.Len(t, news(), len(paths), "every sample has its line")
	ids := make(map[string]string)
	for name, want := range news() {
		t.Run(name, func(t *testing.T) {
			raw := fixture(t, "news/"+name+".json")
			got := decode(t, raw)
			require.Equal(t, got, decode(t, raw), "the same bytes are the same notices")
			require.Empty(t, got.Facts)
			require.Empty(t, got.Unknown)
			require.Len(t, got.Notices, len(want))
			for i, n := range got.Notices {
				require.Regexp(t, `^meta/notice/sha256:[0-9a-f]{64}(#[2-9])?$`, n.ID)
				require.Empty(t, ids[n.ID], "an id of its own")
				ids[n.ID] = name
				for j := range n.Restrictions {
					require.Equal(t, n.ID, n.Restrictions[j].Notice)
					n.Restrictions[j].Notice = ""
				}
				n.ID = ""
				want[i].Account, want[i].Auth, want[i].Business = "acme", permissions.AuthHMAC, business
				if want[i].At.IsZero() {
					want[i].At = sent()
				}
				require.Equal(t, want[i], n)
			}
		})
	}
}

// An expiry that cannot be read does not lift the restriction, and a part of the
// list that cannot be read lifts none of the others.
func TestDecodeUnreadableNews(t *testing.T) {
	for _, tc := range []struct {
		sample, old, replacement string
		unknown                  []string
		kinds                    []permissions.NoticeKind
	}{
		{"restriction", `1767772800`, `"soon"`, []string{"malformed:restriction.expiration@0.0"}, []permissions.NoticeKind{permissions.Restriction}},
		{"restriction", `"RESTRICTED_BUSINESS_INITIATED_CALLING"`, `"++"`, nil, []permissions.NoticeKind{permissions.Restriction}},
		{"restriction", `"restriction_type"`, `"kind"`, []string{"malformed:restriction.type@0.0"}, nil},
		{"restriction", `"restriction_info": [`, `"restriction_info": 7, "x": [`, []string{"malformed:account_update.restriction_info@0.0"}, nil},
		{"restriction", `"ACCOUNT_RESTRICTION"`, `null`, []string{"malformed:account_update.event@0.0"}, nil},
		{"restriction", `"ACCOUNT_RESTRICTION"`, `"SOMETHING_NEW"`, nil, []permissions.NoticeKind{permissions.Restriction}},
		{"violation", `"LOW_BUSINESS_INITIATED_CALLING_QUALITY"`, `"SOMETHING_NEW"`, nil, []permissions.NoticeKind{permissions.Violation}},
		{"quality_flagged", `"FLAGGED"`, `"SOMETHING_NEW"`, nil, []permissions.NoticeKind{permissions.Quality}},
		{"quality_flagged", `"FLAGGED"`, `{}`, []string{"malformed:phone_number_quality_update.event@0.0"}, nil},
		{"template_paused", `"PAUSED"`, `""`, []string{"malformed:template_status_update.event@0.0"}, nil},
		{"template_paused", `"PAUSED"`, `"SOMETHING_NEW"`, nil, []permissions.NoticeKind{permissions.TemplateStatus}},
		{"template_paused", `"cpr_order"`, `"a/b"`, []string{"malformed:template_status_update.template@0.0"}, nil},
		{"template_quality", `"RED"`, `null`, []string{"malformed:template_quality_update.new_quality_score@0.0"}, nil},
		{"template_category", `"MARKETING"`, `null`, []string{"malformed:template_category_update.new_category@0.0"}, nil},
		{
			"settings_restricted", `"type": "RESTRICTED_BUSINESS_INITIATED_CALLING"`, `"type": []`,
			[]string{"malformed:restriction.type@0.0"},
			[]permissions.NoticeKind{permissions.Settings},
		},
		{
			"settings_restricted", `"expiration": 1767772800`, `"expiration": "soon"`,
			[]string{"malformed:restriction.expiration@0.0"},
			[]permissions.NoticeKind{permissions.Settings, permissions.Restriction},
		},
		{
			"settings_restricted", `"restrictions_list": [`, `"restrictions_list": "none", "x": [`,
			[]string{"malformed:restrictions@0.0"},
			[]permissions.NoticeKind{permissions.Settings},
		},
	} {
		got := decode(t, edit(t, "news/"+tc.sample+".json", tc.old, tc.replacement))
		require.Equal(t, tc.unknown, got.Unknown, tc.replacement)
		var kinds []permissions.NoticeKind
		for _, n := range got.Notices {
			kinds = append(kinds, n.Kind)
			if n.Kind == permissions.Restriction && len(tc.unknown) > 0 {
				require.True(t, n.Until.IsZero(), "it holds until something lifts it")
			}
		}
		require.Equal(t, tc.kinds, kinds, tc.replacement)
	}
}

// An account event is ours, nobody's, or another number's or business account's.
func TestDecodeNewsOfOthers(t *testing.T) {
	cfg := config()
	cfg.BusinessAccountID = "102290129340398"
	bound, err := meta.New(cfg)
	require.NoError(t, err)
	foreign := [][]byte{
		edit(t, "news/restriction.json", business, "+15551441907"),
		edit(t, "news/quality_flagged.json", business[1:], "15551441907"),
		edit(t, "news/settings.json", numberID, "1"),
	}
	for _, raw := range foreign {
		for _, a := range []*meta.Account{account(t), bound} {
			delivery, err := a.Decode(raw, permissions.AuthHMAC)
			require.ErrorIs(t, err, provider.ErrWrongAccount)
			require.Zero(t, delivery)
		}
	}
	for _, sample := range []string{"news/template_paused.json", "messages/text.json"} {
		raw := edit(t, sample, cfg.BusinessAccountID, "102290129340399")
		_, err = account(t).Decode(raw, permissions.AuthHMAC)
		require.NoError(t, err, "without a business account in the configuration any is ours")
		_, err = bound.Decode(raw, permissions.AuthHMAC)
		require.ErrorIs(t, err, provider.ErrWrongAccount)
		_, err = bound.Decode(fixture(t, sample), permissions.AuthHMAC)
		require.NoError(t, err)
	}
	_, err = bound.Decode(fixture(t, "news/restriction.json"), permissions.AuthHMAC)
	require.NoError(t, err, "Meta writes 0 for the business account in account events")

	both := strings.Replace(string(foreign[0]), `"changes": [`,
		`"changes": [`+change("messages", numberID, text(1))+",", 1)
	delivery := decode(t, []byte(both))
	require.Equal(t, []string{"foreign:account_update@0.1"}, delivery.Unknown)
	require.Len(t, delivery.Facts, 1)
	require.Empty(t, delivery.Notices)

	cfg.BusinessAccountID = "abc"
	_, err = meta.New(cfg)
	require.ErrorIs(t, err, provider.ErrConfig)
}

// Without a time in the entry, an account event counts from its arrival.
func TestDecodeNewsWithoutTime(t *testing.T) {
	got := decode(t, edit(t, "news/violation.json", `"time": 1767168000,`, ``))
	require.Equal(t, arrival(), got.Notices[0].At)
	again := decode(t, edit(t, "news/violation.json", `1767168000`, `1767168001`))
	require.NotEqual(t, got.Notices[0].ID, again.Notices[0].ID, "the same said again is said twice")
}
