package geo

import (
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
)

func zoneList(r *Rules, n E164) []string {
	var out []string
	for _, loc := range r.Zones(n) {
		out = append(out, loc.String())
	}
	return out
}

func TestZonesOfNumbers(t *testing.T) {
	r := load(t)
	eastern := []string{
		"America/Detroit", "America/Indiana/Indianapolis", "America/Indiana/Marengo", "America/Indiana/Petersburg",
		"America/Indiana/Vevay", "America/Indiana/Vincennes", "America/Indiana/Winamac", "America/Kentucky/Louisville",
		"America/Kentucky/Monticello", "America/New_York",
	}
	for n, want := range map[E164][]string{
		"+6591234567":    {"Asia/Singapore"},
		"+12125550100":   eastern,
		"+18082345678":   {"Pacific/Honolulu"},
		"+14805550100":   {"America/Phoenix"},
		"+13065550100":   {"America/Regina", "America/Swift_Current"},
		"+15065550100":   {"America/Glace_Bay", "America/Goose_Bay", "America/Halifax", "America/Moncton"},
		"+17095550100":   {"America/Blanc-Sablon", "America/Glace_Bay", "America/Goose_Bay", "America/Halifax", "America/Moncton", "America/St_Johns"},
		"+74012123456":   {"Europe/Kaliningrad"}, // libphonenumber says Europe/Bucharest
		"+17872345678":   {"America/Puerto_Rico"},
		"+18762345678":   {"America/Jamaica"},
		"+16042345678":   {"America/Vancouver"},
		"+12042345678":   {"America/Rankin_Inlet", "America/Resolute", "America/Winnipeg"}, // parted in 2026
		"+441212345678":  {"Europe/London"},
		"+34928123456":   {"Atlantic/Canary"},
		"+34912345678":   {"Africa/Ceuta", "Europe/Madrid"},
		"+34612345678":   {"Africa/Ceuta", "Atlantic/Canary", "Europe/Madrid"}, // a mobile
		"+351912345678":  {"Atlantic/Azores", "Atlantic/Madeira", "Europe/Lisbon"},
		"+74951234567":   {"Europe/Kirov", "Europe/Moscow", "Europe/Volgograd"},
		"+212522123456":  {"Africa/Casablanca"},
		"+50522123456":   {"America/Managua"},
		"+5511987654321": {"America/Araguaina", "America/Bahia", "America/Belem", "America/Fortaleza", "America/Maceio", "America/Recife", "America/Santarem", "America/Sao_Paulo"},
		"+551187654321":  nil, // compared with the nine digits below
		"+5568999123456": {"America/Eirunepe", "America/Rio_Branco"},
		"+380651234567":  {"Europe/Simferopol"},
		"+380621234567":  {"Europe/Kyiv", "Europe/Moscow"},
		"+77012345678":   {"Asia/Almaty", "Asia/Aqtau", "Asia/Aqtobe", "Asia/Atyrau", "Asia/Oral", "Asia/Qostanay", "Asia/Qyzylorda"},
		"+76012345678":   {"Asia/Almaty", "Asia/Aqtau", "Asia/Aqtobe", "Asia/Atyrau", "Asia/Oral", "Asia/Qostanay", "Asia/Qyzylorda"},
		"+38344123456":   {"Europe/Belgrade"},
		"+2471234":       {"Atlantic/St_Helena"},
		"+970591234567":  {"Asia/Gaza", "Asia/Hebron"},
		"+628123456789":  {"Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar", "Asia/Pontianak"}, // mobiles travel
		// Networks, no countries: nobody knows.
		"+80012345678": nil, "+870773123456": nil, "+881612345678": nil, "+883510012345": nil,
	} {
		if n != "+551187654321" {
			require.Equal(t, want, zoneList(r, n), "%s", n)
		}
	}
	for _, pair := range [][2]E164{{"+551187654321", "+5511987654321"}, {"+5216641234567", "+526641234567"}} {
		require.NotEmpty(t, r.Zones(pair[0]))
		require.Subset(t, zoneList(r, pair[0]), zoneList(r, pair[1]))
	}
	require.Equal(t, []string{"America/Tijuana"}, zoneList(r, "+5216641234567"))
	require.Len(t, r.Zones("+79161234567"), 26, "a Russian mobile is anywhere in Russia")
	both := len(r.RegionZones("US")) + len(r.RegionZones("CA"))
	for _, tollFree := range []E164{"+18005550100", "+18882345678", "+15002345678", "+16002345678", "+16222345678"} {
		require.Len(t, r.Zones(tollFree), both, "%s", tollFree)
	}
	require.Equal(t, "Antarctica/Macquarie", zoneList(r, "+61412345678")[0])
	require.Contains(t, zoneList(r, "+61412345678"), "Australia/Perth", "a mobile of Australia")
}

func TestRegionZones(t *testing.T) {
	r := load(t)
	for region, want := range map[string]string{
		"SG": "Asia/Singapore", "GB": "Europe/London", "DE": "Europe/Berlin Europe/Busingen", "IN": "Asia/Kolkata",
		"NP": "Asia/Kathmandu", "MX-CMX": "", "CN": "Asia/Shanghai Asia/Urumqi", "CL": "America/Coyhaique America/Punta_Arenas America/Santiago Pacific/Easter",
		"EC": "America/Guayaquil Pacific/Galapagos", "NZ": "Pacific/Auckland Pacific/Chatham", "CD": "Africa/Kinshasa Africa/Lubumbashi",
		"ID": "Asia/Jakarta Asia/Jayapura Asia/Makassar Asia/Pontianak", "KI": "Pacific/Kanton Pacific/Kiritimati Pacific/Tarawa",
		"PF": "Pacific/Gambier Pacific/Marquesas Pacific/Tahiti", "XK": "Europe/Belgrade", "UA-43": "Europe/Simferopol",
		"US-CA": "", "": "-", "ZZ": "-", "QQ-1": "-",
	} {
		var got []string
		for _, loc := range r.RegionZones(region) {
			got = append(got, loc.String())
		}
		switch want {
		case "": // a subdivision has its country's
			require.NotEmpty(t, got)
			require.Equal(t, r.RegionZones(region[:2]), r.RegionZones(region))
		case "-":
			require.Empty(t, got, region)
		default:
			require.Equal(t, strings.Fields(want), got, region)
		}
	}
	for region, count := range map[string]int{"US": 29, "CA": 23, "RU": 26, "BR": 16, "AU": 12, "AR": 12, "MX": 12, "KZ": 7, "MN": 2} {
		require.Len(t, r.RegionZones(region), count, region)
	}
}

// TestEveryCountryHasAZone holds ISO's list of countries and libphonenumber's list
// of regions against the zones.
func TestEveryCountryHasAZone(t *testing.T) {
	r := load(t)
	a, err := database()
	require.NoError(t, err)
	tab, err := a.read(namesFile)
	require.NoError(t, err)
	countries := 0
	for line := range strings.Lines(string(tab)) {
		code, _, ok := strings.Cut(line, "\t")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		countries++
		if code == "BV" || code == "HM" {
			require.Empty(t, r.RegionZones(code), "nobody lives there")
			continue
		}
		require.NotEmpty(t, r.RegionZones(code), code)
	}
	require.Equal(t, 249, countries)
	regions := phonenumbers.GetSupportedRegions()
	require.Greater(t, len(regions), 240)
	for region := range regions {
		require.NotEmpty(t, r.RegionZones(region), region)
		example := phonenumbers.GetExampleNumber(region)
		n := E164(phonenumbers.Format(example, phonenumbers.E164))
		require.NotEmpty(t, r.Zones(n), "%s", region)
		require.NotEmpty(t, r.Zones(n+"0"), "%s, a digit too many", region)
	}
}

// TestZonesBelongToTheRegion: whatever libphonenumber says of a prefix, the zones
// are the region's own, for its names at times are another country's with other DST.
func TestZonesBelongToTheRegion(t *testing.T) {
	r := load(t)
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			n := E164(phonenumbers.Format(example, phonenumbers.E164))
			own := r.RegionZones(r.Region(n))
			for _, loc := range r.Zones(n) {
				require.True(t, slices.Contains(own, loc), "%s in %s", loc, region)
			}
		}
	}
}

// TestAreaCodes compares our table of the North American plan with libphonenumber's
// patterns, area code by area code.
func TestAreaCodes(t *testing.T) {
	r := load(t)
	known := 0
	for area := 200; area < 1000; area++ {
		digits := "1" + string([]byte{byte('0' + area/100), byte('0' + area/10%10), byte('0' + area%10)}) + "2345678"
		number, err := phonenumbers.Parse("+"+digits, "")
		if err != nil {
			continue
		}
		if region := phonenumbers.GetRegionCodeForNumber(number); region != "" {
			known++
			require.Equal(t, region, r.Region(E164("+"+digits)), digits[1:4])
		}
	}
	require.Greater(t, known, 300)
}

func BenchmarkZones(b *testing.B) {
	r := load(b)
	for _, n := range []E164{"+6591234567", "+12125550100", "+79161234567", "+18005550100"} {
		b.Run(string(n[:4]), func(b *testing.B) {
			for b.Loop() {
				r.Zones(n)
			}
		})
	}
}
