package geo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOverridesPlaceNumbers(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	r, err := Load(
		Override{Number: "+380626412345", Region: "UA", Source: "customer file 7, seen in Kramatorsk"},
		Override{Number: "+380501234567", Region: "UA-43", Source: "customer file 8, lives in Simferopol"},
		Override{Number: "+14155550100", Region: "SG", Source: "moved to Singapore"},
		Override{Number: "+6591234567", Region: "US-CA", Source: "moved to California"},
		Override{Number: "+5511987654321", Region: "PT", Source: "moved to Lisbon"},
	)
	require.NoError(t, err)

	plain := load(t)
	require.True(t, plain.User("+380626412345", now).Blocked)
	v := r.User("+380626412345", now)
	require.Equal(t, Verdict{Rule: "sanctioned", Region: "UA", Source: "customer file 7, seen in Kramatorsk", RegionSource: "customer file 7, seen in Kramatorsk"}, v)
	require.True(t, r.User("+380626412346", now).Blocked, "the neighbour is not moved")
	require.False(t, r.Business("+380626412345", now).Blocked)
	require.Equal(t, []string{"Europe/Kyiv", "Europe/Simferopol"}, zoneList(r, "+380626412345"))

	v = r.User("+380501234567", now)
	require.True(t, v.Blocked)
	require.Equal(t, "sanctioned/UA-43", v.Rule)
	require.Equal(t, "customer file 8, lives in Simferopol", v.RegionSource)
	require.Contains(t, v.Source, "Meta", "the source of the entry")
	require.True(t, r.Business("+380501234567", now).Blocked)

	// The place of a user, but not the country code of a business number.
	require.False(t, r.Destination("+14155550100", now).Blocked)
	require.True(t, plain.Destination("+14155550100", now).Blocked)
	require.Equal(t, "bic_blocked_business_countries/US", r.Business("+14155550100", now).Rule)
	require.Empty(t, r.Business("+14155550100", now).RegionSource)
	require.Equal(t, "bic_blocked_destination_countries/US", r.Destination("+6591234567", now).Rule)
	require.Equal(t, "US-CA", r.Destination("+6591234567", now).Region)
	require.False(t, r.Business("+6591234567", now).Blocked)
	require.Len(t, r.Zones("+6591234567"), 29)

	// Every form of the number.
	require.Equal(t, "PT", r.Region("+551187654321"))
	require.Equal(t, []string{"Atlantic/Azores", "Atlantic/Madeira", "Europe/Lisbon"}, zoneList(r, "+551187654321"))
}

func TestOverridesAreChecked(t *testing.T) {
	good := Override{Number: "+5511987654321", Region: "BR", Source: "x"}
	for name, bad := range map[string]Override{
		"no number":      {Region: "SG", Source: "x"},
		"no plus":        {Number: "6591234567", Region: "SG", Source: "x"},
		"letters":        {Number: "+65912345ab", Region: "SG", Source: "x"},
		"not canonical":  {Number: "+4402071838750", Region: "GB", Source: "x"},
		"no region":      {Number: "+6591234567", Source: "x"},
		"a name":         {Number: "+6591234567", Region: "Singapore", Source: "x"},
		"no such region": {Number: "+6591234567", Region: "UK", Source: "x"},
		"no source":      {Number: "+6591234567", Region: "SG"},
		"twice":          good,
		"another form":   {Number: "+551187654321", Region: "BR", Source: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(good, bad)
			require.ErrorIs(t, err, ErrRules)
			require.ErrorContains(t, err, "override 2")
			if bad.Number != "" {
				require.NotContains(t, err.Error(), string(bad.Number))
			}
		})
	}
}

func TestDestinationCountries(t *testing.T) {
	r := load(t)
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for n, rule := range map[E164]string{
		"+14155550100": "US", "+14165550100": "CA", "+905321234567": "TR", "+201001234567": "EG", "+84912345678": "VN",
		"+2348012345678": "NG", "+17875550100": "US",
		"+6591234567": "", "+18765550100": "", "+80012345678": "", "+5352345678": "",
	} {
		v := r.Destination(n, at)
		require.Equal(t, rule != "", v.Blocked, "%s", n)
		require.Equal(t, r.DestinationRegion(r.Region(n), at), v)
		if rule != "" {
			require.Equal(t, "bic_blocked_destination_countries/"+rule, v.Rule)
			require.Contains(t, v.Source, "8x8")
		}
		require.False(t, r.Destination(n, at.AddDate(-2, 0, 0)).Blocked, "before the list")
	}
	require.True(t, r.DestinationRegion("TR", at).Blocked, "8x8's page still names it")
	require.False(t, r.Business("+905321234567", at).Blocked, "Meta's does not")
}
