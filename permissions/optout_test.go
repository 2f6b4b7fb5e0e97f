package permissions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOptOutWords(t *testing.T) {
	o, err := loadOptOutWords(optOutFile)
	require.NoError(t, err)
	for _, yes := range []string{
		"STOP", "stop", " Stop! ", "«stop»", "ＳＴＯＰ", "Stop.", "STOPALL", "unsubscribe", "Cancel", "END", "quit", "OptOut", "opt-out", "OPT OUT",
		"remove", "revoke", "arret", "ARRÊT", "arre\u0302t", "sto\u200bp",
		"stop calls", "Stop calling me", "please STOP CALLS now!!", "no calls please", "No more calls.", "Do not call", "do not call me again",
		"Don't call me", "don’t call", "dont call me", "I said: don't call", "I'm serious, stop  calling\nme", "Hi. Stop calling.",
	} {
		require.True(t, o.match(yes), yes)
	}
	for _, no := range []string{
		"", " ", "!", "hello", "don't stop calling me", "Don’t stop calling", "please do not stop calls", "never stop calling me",
		"can't stop", "the bus stop is near", "please cancel my order", "end of story", "nonstop calls", "stop callsign", "I will call you",
		"stopped", "where is the stop", "remove the item", "you did not call me", "call me, stop by later",
	} {
		require.False(t, o.match(no), no)
	}
}

func TestOptOutWordsAreChecked(t *testing.T) {
	for _, raw := range []string{
		`{`, `{}`, `{"words":["STOP"]}`, `{"words":["!"],"phrases":["no calls"]}`, `{"words":["STOP"],"phrases":["..."]}`,
		`{"words":["STOP"],"phrases":["no calls"],"negations":[""]}`,
	} {
		_, err := loadOptOutWords([]byte(raw))
		require.ErrorIs(t, err, ErrPack, raw)
	}
}

func FuzzOptOut(f *testing.F) {
	o, err := loadOptOutWords(optOutFile)
	require.NoError(f, err)
	for _, s := range []string{"STOP", "don't stop calling me", "İPTAL", "ß", "\xff\xfe", "stop\u0307"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := o.match(s)
		require.Equal(t, got, o.match("  "+s+" \n"), "spaces around a message say nothing")
		require.Equal(t, got, o.match(s+"!"), "nor does an exclamation mark")
		if strings.TrimSpace(s) == "" {
			require.False(t, got)
		}
	})
}
