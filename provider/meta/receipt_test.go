package meta_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func TestDecodeReceipts(t *testing.T) {
	const wamid = "wamid.HBgL/x=="
	table := map[string]permissions.Event{
		"sent":                 {Delivery: "sent"},
		"delivered":            {Delivery: "delivered"},
		"read":                 {Delivery: "read"},
		"failed_undeliverable": {Delivery: "failed", Code: 131026},
		"failed_payment":       {Delivery: "failed", Code: 131044},
		"delivered_bsuid":      {Delivery: "delivered", Aliases: []permissions.User{userBSUID}},
		"delivered_bsuid_only": {
			Delivery: "delivered", Pair: permissions.Pair{User: userBSUID}, Aliases: []permissions.User{"US.ENT.2"},
		},
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "receipts", "*.json"))
	require.NoError(t, err)
	require.Len(t, table, len(paths), "every sample has its line")
	for name, want := range table {
		t.Run(name, func(t *testing.T) {
			want.ID, want.Ref = "meta/message/"+want.Delivery+"/"+wamid, wamid
			want.Kind, want.At, want.Account, want.Auth = permissions.Delivered, sent(), "acme", permissions.AuthHMAC
			want.Pair.Business = business
			if want.Pair.User == "" {
				want.Pair.User = user
			}
			expected := provider.Delivery{Facts: []permissions.Event{want}}
			if name == "failed_payment" {
				expected.Notices = []permissions.Notice{{
					ID: "meta/unable/131044/" + wamid, Kind: permissions.Unable, Business: business, Account: "acme",
					At: sent(), Auth: permissions.AuthHMAC, Code: 131044, Type: "payment issue",
				}}
			}
			require.Equal(t, expected, decode(t, fixture(t, "receipts/"+name+".json")))
		})
	}
}

func TestDecodeReceiptVariants(t *testing.T) {
	const sample = "receipts/delivered.json"
	require.Equal(t, "read", decode(t, edit(t, sample, `"delivered"`, `"played"`)).Facts[0].Delivery)
	require.Equal(t, arrival(), decode(t, edit(t, sample, `"1767168000"`, `"soon"`)).Facts[0].At)
	require.Equal(t, provider.Delivery{},
		decode(t, edit(t, sample, `"recipient_id"`, `"recipient_type": "group", "recipient_id"`)), "a group is no user")
	for _, tc := range []struct{ old, replacement, unknown string }{
		{`"delivered"`, `"teleported"`, "status:teleported@0.0.statuses.0"},
		{`"delivered"`, `""`, "malformed:status@0.0.statuses.0"},
		{`"14085551234"`, `"abc"`, "malformed:status.recipient_id@0.0.statuses.0"},
		{`"id": "wamid.HBgL/x=="`, `"id": ""`, "malformed:status.id@0.0.statuses.0"},
	} {
		require.Equal(t, provider.Delivery{Unknown: []string{tc.unknown}}, decode(t, edit(t, sample, tc.old, tc.replacement)))
	}
}
