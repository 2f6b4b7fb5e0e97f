package provider_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

func TestParseUser(t *testing.T) {
	long := "US." + strings.Repeat("a", 128)
	for text, want := range map[string]permissions.User{
		"14085551234":                 "+14085551234",
		"+14085551234":                "+14085551234",
		"6591234567\n":                "+6591234567",
		"US.13491208655302741918":     "US.13491208655302741918",
		"US.ENT.11815799212886844830": "US.ENT.11815799212886844830",
		long:                          permissions.User(long),
	} {
		user, ok := provider.ParseUser(text)
		require.True(t, ok, text)
		require.Equal(t, want, user)
	}
	for _, text := range []string{
		"", "+", "1234", "++14085551234", "+0123456789", "1234567890123456", "1408-555-1234", "1408555123a",
		"US.", "us.123456", "USA.123456", "US.12 34", "US.1\n2", long + "a", "US.FOO.123", "١٤٠٨٥٥٥١٢٣٤",
	} {
		_, ok := provider.ParseUser(text)
		require.False(t, ok, text)
	}
}

func TestAliasesAreOtherBSUIDsOnly(t *testing.T) {
	require.Equal(t, []permissions.User{"US.123", "US.ENT.9"},
		provider.Aliases("+14085551234", "14085551234", "US.123", "", "US.123", "6591234567", "US.ENT.9", "junk"))
	require.Empty(t, provider.Aliases("US.123", "US.123", ""))
}

func TestUnknownNames(t *testing.T) {
	for word, want := range map[string]string{
		"reaction":              "type:reaction",
		"nfm_reply":             "type:nfm_reply",
		"138021":                "type:138021",
		"":                      "type:unreadable",
		"14085551234":           "type:unreadable",
		"a\r\nlevel=ERROR":      "type:alevelERROR",
		strings.Repeat("x", 65): "type:unreadable",
	} {
		require.Equal(t, want, provider.Unknown("type", word))
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"(#138006) No approved call permission":             "(#138006) No approved call permission",
		"Recipient 14085551234 is not on the list":          "Recipient … is not on the list",
		"to +1 (408) 555-1234, please":                      "to …, please",
		"user US.13491208655302741918 unknown":              "user … unknown",
		"call wacid.HBgLMTIxOTU1NTA3MTQVAgASGCAzAA== ended": "call … ended",
		"a\r\nb\x1b[31mc":                                   "a  b [31mc",
	} {
		require.Equal(t, want, provider.Redact(text))
	}
	require.LessOrEqual(t, len(provider.Redact(strings.Repeat("é", 1000))), 304)
}
