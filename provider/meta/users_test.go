package meta_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
)

const (
	oldNumber = "+14085550000"
	newBSUID  = "US.24817305912873645029"
)

func TestDecodeUserChanges(t *testing.T) {
	moved := permissions.Event{ID: "meta/wamid.S", Kind: permissions.IDChanged, Previous: userBSUID, Current: newBSUID}
	table := map[string][]permissions.Event{
		"user_id_update": {{
			Kind: permissions.IDChanged, Previous: userBSUID, Current: newBSUID,
			Pair: permissions.Pair{User: user}, Aliases: []permissions.User{newBSUID, "US.ENT.2"},
		}},
		"user_id_update_without_number": {{
			Kind: permissions.IDChanged, Previous: userBSUID, Current: newBSUID, Pair: permissions.Pair{User: newBSUID},
		}},
		"changed_number": {{
			ID: "meta/wamid.S", Kind: permissions.IDChanged, Previous: oldNumber, Current: user, Pair: permissions.Pair{User: user},
		}},
		"changed_number_and_id": {
			{
				ID: "meta/wamid.S", Kind: permissions.IDChanged, Previous: oldNumber, Current: user,
				Pair: permissions.Pair{User: user}, Aliases: []permissions.User{newBSUID, "US.ENT.2"},
			},
			{
				ID: "meta/wamid.S#2", Kind: permissions.IDChanged, Previous: userBSUID, Current: newBSUID,
				Pair: permissions.Pair{User: user}, Aliases: []permissions.User{newBSUID, "US.ENT.2"},
			},
		},
		"changed_user_id":         {moved},
		"changed_user_id_in_body": {moved},
		"preference_stop": {{
			Kind: permissions.MessagesStopped, Category: "marketing", Pair: permissions.Pair{User: user},
			Aliases: []permissions.User{userBSUID},
		}},
		"preference_resume":     {{Kind: permissions.MessagesResumed, Category: "marketing", Pair: permissions.Pair{User: user}}},
		"preference_as_message": {{ID: "meta/wamid.S", Kind: permissions.MessagesStopped, Category: "marketing", Pair: permissions.Pair{User: user}}},
		"identity_changed":      nil,
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "users", "*.json"))
	require.NoError(t, err)
	require.Len(t, table, len(paths), "every sample has its line")
	for name, want := range table {
		t.Run(name, func(t *testing.T) {
			got := decode(t, fixture(t, "users/"+name+".json"))
			require.Empty(t, got.Unknown)
			require.Empty(t, got.Notices)
			require.Len(t, got.Facts, len(want))
			for i, fact := range got.Facts {
				want[i].At, want[i].Account, want[i].Auth, want[i].Pair.Business = sent(), "acme", permissions.AuthHMAC, business
				if want[i].Pair.User == "" {
					want[i].Pair.User = newBSUID
				}
				if want[i].ID == "" {
					require.Regexp(t, `^meta/user_(id_update|preferences)/sha256:[0-9a-f]{64}$`, fact.ID)
					fact.ID = ""
				}
				require.Equal(t, want[i], fact)
			}
		})
	}
}

func TestDecodeUnreadableUserChanges(t *testing.T) {
	for _, tc := range []struct{ sample, old, replacement, unknown string }{
		{"user_id_update", `"previous": "US.13491208655302741918"`, `"previous": "?"`, "malformed:user_id.previous@0.0.user_id_update.0"},
		{"user_id_update", `"current": "US.24817305912873645029"`, `"current": null`, "malformed:user_id.current@0.0.user_id_update.0"},
		{"user_id_update", `"user_id_update": [`, `"user_id_update": 7, "x": [`, "malformed:user_id_update@0.0"},
		{"changed_user_id", `"previous_user_id": "US.13491208655302741918",`, ``, "malformed:user_id.previous@0.0.messages.0"},
		{"changed_user_id", `"user_changed_user_id"`, `"user_changed_name"`, "system:user_changed_name@0.0.messages.0"},
		{"changed_user_id", `"system": {`, `"systems": {`, "malformed:message.system@0.0.messages.0"},
		{"changed_number", `"wa_id": "14085551234",`, ``, "malformed:user_id.current@0.0.messages.0"},
		{"preference_stop", `"value": "stop"`, `"value": "perhaps"`, "preference:perhaps@0.0.user_preferences.0"},
		{"preference_stop", `"marketing_messages"`, `"calls"`, "preference:calls@0.0.user_preferences.0"},
		{"preference_resume", `"wa_id": "14085551234"`, `"wa_id": "abc"`, "malformed:user_preferences.user@0.0.user_preferences.0"},
		{"preference_resume", `"timestamp": "1767168000"`, `"timestamp": "now"`, "malformed:user_preferences.timestamp@0.0.user_preferences.0"},
	} {
		got := decode(t, edit(t, "users/"+tc.sample+".json", tc.old, tc.replacement))
		require.Empty(t, got.Facts, tc.replacement)
		require.Equal(t, []string{tc.unknown}, got.Unknown)
	}
	require.Zero(t, decode(t, edit(t, "users/user_id_update.json", newBSUID, userBSUID)), "the same id is no change")
	// A stop is never lost to a user without a number.
	only := decode(t, edit(t, "users/preference_as_message.json", `"from": "14085551234"`, `"from": "", "from_user_id": "`+userBSUID+`"`))
	require.Empty(t, only.Unknown)
	require.Equal(t, permissions.MessagesStopped, only.Facts[0].Kind)
	require.EqualValues(t, userBSUID, only.Facts[0].Pair.User)
	// A stop is never lost to an unreadable time.
	got := decode(t, edit(t, "users/preference_stop.json", `"timestamp": 1767168000`, `"timestamp": "now"`))
	require.Equal(t, arrival(), got.Facts[0].At)
}
