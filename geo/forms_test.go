package geo

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForms(t *testing.T) {
	for _, tc := range []struct{ a, b E164 }{
		{"+525512345678", "+5215512345678"},
		{"+526641234567", "+5216641234567"},
		{"+541158749895", "+5491158749895"},
		{"+542644472542", "+5492644472542"},
		{"+542944123456", "+5492944123456"},
		{"+551187654321", "+5511987654321"},
		{"+553196883193", "+5531996883193"},
		{"+556196883193", "+5561996883193"},
		{"+559281723241", "+5592981723241"},
		{"+551178123456", "+5511978123456"},
		{"+22501234567", "+2250101234567"},
		{"+22545123456", "+2250545123456"},
		{"+22507123456", "+2250707123456"},
		{"+22978123456", "+2290178123456"},
	} {
		require.Equal(t, []E164{tc.a, tc.b}, Forms(tc.a))
		require.Equal(t, []E164{tc.b, tc.a}, Forms(tc.b))
	}
	for _, alone := range []E164{
		"+6591234567", "+14155550100",
		"+551134567890",  // a fixed line of Brazil
		"+5511934567890", // nine digits that eight would make a fixed line
		"+525012345",     // too short for Mexico
		"+5491158749",    // too short for Argentina
		"+5549988",       // too short for Brazil
		"+34911234567", "+5731212345678",
		"+2250145123456", // an Ivorian number of after 2021: the eight digits alone are another operator's
		"+2252720123456", // a fixed line
		"+2299778123456", // no 01 before it
	} {
		require.Equal(t, []E164{alone}, Forms(alone))
	}
}

// TestParseKeepsTheFormsOfWhatsApp: what a provider sends as an id is a number, and
// stays as it is.
func TestParseKeepsTheFormsOfWhatsApp(t *testing.T) {
	for in, want := range map[string]E164{
		"5215512345678":    "+5215512345678",
		"+525512345678":    "+525512345678",
		"5491158749895":    "+5491158749895",
		"+541158749895":    "+541158749895",
		"54264154472542":   "+5492644472542", // area code, 15, subscriber: how a mobile is dialled at home
		"+54111558749895":  "+5491158749895",
		"5511987654321":    "+5511987654321",
		"551187654321":     "+551187654321",
		"+55011987654321":  "+5511987654321", // a trunk prefix that does not belong there
		"22545123456":      "+22545123456",
		"22520123456":      "", // a fixed line, eight digits
		"22978123456":      "+22978123456",
		"+5210512345678":   "",
		"+5211512345678":   "",
		"+52044551234567":  "",
		"+52155123456789":  "",
		"+549115874989567": "",
	} {
		got, err := Parse(in)
		if want == "" {
			require.ErrorIs(t, err, ErrNumber, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	r := load(t)
	require.Equal(t, "MX", r.Region("+5215512345678"))
	require.Equal(t, "AR", r.Region("+541158749895"))
	require.Equal(t, "BR", r.Region("+551187654321"))
	require.Equal(t, "CI", r.Region("+22545123456"))
	require.Equal(t, "BJ", r.Region("+22978123456"))
}

func FuzzForms(f *testing.F) {
	for _, s := range []string{"+525512345678", "+5215512345678", "+541158749895", "+54264154472542", "+5511987654321", "+551187654321", "+6591234567", "+549", "22545123456", "+2250145123456", "+22978123456"} {
		f.Add(s)
	}
	r := load(f)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		forms := Forms(n)
		require.Equal(t, n, forms[0])
		require.LessOrEqual(t, len(forms), 2)
		for _, form := range forms {
			again, err := Parse(string(form))
			require.NoError(t, err, "%s of %s", form, n)
			require.Equal(t, form, again)
			require.True(t, slices.Contains(Forms(form), n), "%s is a form of %s but not the other way round", form, n)
			require.ElementsMatch(t, forms, Forms(form))
			require.Equal(t, r.Region(n), r.Region(form))
		}
	})
}
