package geo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParseSaysWhy: each way of not being a number has its own reason and its own
// sentence, and none repeats the text.
func TestParseSaysWhy(t *testing.T) {
	for in, want := range map[string]*NumberError{
		"": ErrNumberEmpty, "+": ErrNumberEmpty,
		"++6591234567": ErrNumberCharacters, "+65 9123 4567": ErrNumberCharacters, "tel:+6591234567": ErrNumberCharacters,
		"+1800FLOWERS": ErrNumberCharacters, "6591234567x": ErrNumberCharacters, "+65912345６７": ErrNumberCharacters,
		"US.13491208655302741918": ErrNumberCharacters, "(65)91234567": ErrNumberCharacters, "+6591234567;ext=1": ErrNumberCharacters,
		"6591234567+": ErrNumberCharacters, "6591\x004567": ErrNumberCharacters,
		"+65912345": ErrNumberShort, "+6": ErrNumberShort, "+65": ErrNumberShort, "+1415": ErrNumberShort,
		"+14155550": ErrNumberShort, "+7495123456": ErrNumberShort, "+5491": ErrNumberShort,
		"+65912345678901": ErrNumberLong, "+1415555010012": ErrNumberLong, "+65912345678901234": ErrNumberLong,
		"+4915112345678901234567890": ErrNumberLong,
		"00000000000":                ErrNumberCountry, "+99912345678": ErrNumberCountry, "+21012345678": ErrNumberCountry,
		"0091234567": ErrNumberCountry,
	} {
		n, err := Parse(in)
		require.Empty(t, n)
		require.ErrorIs(t, err, ErrNumber, in)
		require.Equal(t, want, err, in)
		var typed *NumberError
		require.ErrorAs(t, err, &typed)
		require.NotEmpty(t, typed.Reason())
		if len(in) > 2 {
			require.NotContains(t, err.Error(), in)
		}
	}
	reasons := map[string]bool{}
	for _, err := range []*NumberError{ErrNumberEmpty, ErrNumberCharacters, ErrNumberShort, ErrNumberLong, ErrNumberCountry, ErrNumberPlan} {
		require.False(t, reasons[err.Reason()], err.Reason())
		reasons[err.Reason()] = true
		require.ErrorIs(t, err, ErrNumber)
		require.Regexp(t, "^number_[a-z_]+$", err.Reason())
	}
}
