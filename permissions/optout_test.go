package permissions

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func loadTestWords(tb testing.TB, extra ...json.RawMessage) *Words {
	tb.Helper()
	w, err := LoadWords(extra...)
	require.NoError(tb, err)
	return w
}

// What is done with a message is: the channels that it ends, "resume", "review",
// or nothing.
func (m meaning) String() string {
	switch {
	case m.resume:
		return "resume"
	case m.review:
		return "review"
	}
	return cmp.Or(string(m.channels), "none")
}

//go:embed testdata/optout.txt
var sentenceFile string

// sentences are the messages of testdata/optout.txt with what each means.
func sentences(tb testing.TB) (list []struct{ want, text string }) {
	tb.Helper()
	for line := range strings.Lines(sentenceFile) {
		want, quoted, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || want == "#" {
			continue
		}
		text, err := strconv.Unquote(strings.TrimSpace(quoted))
		require.NoError(tb, err, line)
		list = append(list, struct{ want, text string }{want, text})
	}
	require.Greater(tb, len(list), 250)
	return list
}

func TestOptOutSentences(t *testing.T) {
	w := loadTestWords(t)
	for _, s := range sentences(t) {
		m := w.read(s.text)
		require.Equal(t, s.want, m.String(), "%q is %+v", s.text, m)
		require.Equal(t, m.channels != "" || m.resume, m.word != "", "%q: what counts names its entry", s.text)
	}
}

// What a message is read from is named by the entry, not by what was typed.
func TestOptOutNamesItsEntry(t *testing.T) {
	w := loadTestWords(t)
	for text, want := range map[string]string{
		"ＳＴＯＰ!":                                    "en/stop",
		"please STOP calling me, I beg you":        "en/stop-calling-me",
		"stop calling me. stop texting me":         "en/stop-calling-me+en/stop-texting-me",
		"no calls, and do not contact me any more": "en/do-not-contact-me",
		"İPTAL":   "tr/i\u0307ptal",
		"dừng":    "vi/dừng",
		"START":   "en/start",
		"hello":   "",
		"tüm alo": "",
	} {
		require.Equal(t, want, w.read(text).word, text)
	}
}

func TestWordsOfACompany(t *testing.T) {
	const doc = `{"name": "acme", "version": "2026-12-01", "source": "our agents", "languages": [{"language": "de", "source": "agents",
		"entries": [{"text": "Funkstille", "scope": "all", "match": "whole"}, {"text": "nicht mehr bimmeln", "scope": "calls", "match": "phrase"},
			{"text": "stop promotions", "scope": "all", "match": "whole"}],
		"negations": ["warum"], "courtesies": ["moin"]}]}`
	w := loadTestWords(t, json.RawMessage(doc))
	require.Equal(t, "optout@2026-11-22+acme@2026-12-01", w.Version())
	require.Equal(t, "optout@2026-11-22", loadTestWords(t).Version())
	for text, want := range map[string]string{
		"FUNKSTILLE": "all", "Moin, Funkstille!": "all", "bitte nicht mehr bimmeln": "calls", "warum nicht mehr bimmeln": "review",
		"stop promotions": "all", // the wider of two lists
		"STOP":            "all", "stop calls": "calls",
	} {
		require.Equal(t, want, w.read(text).String(), text)
	}
	require.Equal(t, "none", loadTestWords(t).read("Funkstille").String())
}

func TestOptOutWordsAreChecked(t *testing.T) {
	language := func(body string) string {
		return `{"name": "acme", "version": "2026-12-01", "source": "x", "languages": [{"language": "en", "source": "x", ` + body + `}]}`
	}
	for name, doc := range map[string]string{
		"no JSON":            `{`,
		"nothing":            `{}`,
		"no source":          `{"name": "acme", "version": "2026-12-01"}`,
		"no date":            `{"name": "acme", "version": "two", "source": "x", "languages": []}`,
		"no languages":       `{"name": "acme", "version": "2026-12-01", "source": "x", "languages": []}`,
		"the shipped name":   strings.Replace(language(`"entries": [{"text": "x", "scope": "all", "match": "whole"}]`), "acme", "optout", 1),
		"no entries":         language(`"entries": []`),
		"unknown key":        language(`"words": ["x"]`),
		"a list of strings":  language(`"entries": ["x"]`),
		"empty text":         language(`"entries": [{"text": "!?", "scope": "all", "match": "whole"}]`),
		"unknown scope":      language(`"entries": [{"text": "x", "scope": "sms", "match": "whole"}]`),
		"no scope":           language(`"entries": [{"text": "x", "match": "whole"}]`),
		"unknown match":      language(`"entries": [{"text": "x", "scope": "all", "match": "regexp"}]`),
		"two scopes":         language(`"entries": [{"text": "x", "scope": "all", "match": "whole"}, {"text": "X!", "scope": "calls", "match": "whole"}]`),
		"empty negation":     language(`"entries": [{"text": "x", "scope": "all", "match": "whole"}], "negations": [" "]`),
		"empty unless":       language(`"entries": [{"text": "x", "scope": "all", "match": "phrase", "unless": ["."]}]`),
		"empty courtesy":     language(`"entries": [{"text": "x", "scope": "all", "match": "whole"}], "courtesies": [""]`),
		"empty resume":       language(`"entries": [{"text": "x", "scope": "all", "match": "whole"}], "resume": [{"text": ""}]`),
		"language nameless":  `{"name": "acme", "version": "2026-12-01", "source": "x", "languages": [{"source": "x", "entries": []}]}`,
		"language unsourced": `{"name": "acme", "version": "2026-12-01", "source": "x", "languages": [{"language": "en", "entries": []}]}`,
	} {
		_, err := LoadWords(json.RawMessage(doc))
		require.ErrorIs(t, err, ErrPack, name)
	}
}

// The shipped list has the languages that it is documented with, each with a way
// to end everything and a phrase about calls, and nothing to restore calls.
func TestShippedWords(t *testing.T) {
	doc, err := parseWords(optOutFile)
	require.NoError(t, err)
	var languages []string
	for _, l := range doc.Languages {
		languages = append(languages, l.Language)
		found := map[string]int{}
		for _, e := range l.Entries {
			found[string(e.Scope)+" "+e.Match]++
		}
		require.Positive(t, found["all whole"], l.Language)
		require.Positive(t, found["calls phrase"], l.Language)
		require.Positive(t, found["messages phrase"], l.Language)
		require.NotEmpty(t, l.Source, l.Language)
		w := loadTestWords(t)
		for _, e := range l.Entries {
			m := w.read(e.Text)
			require.NotEmpty(t, m.channels, "%s: an entry said by itself counts", e.Text)
			require.False(t, m.resume, e.Text)
		}
		for _, e := range l.Resume {
			require.True(t, w.read(e.Text).resume, e.Text)
		}
	}
	require.Equal(t, []string{
		"en", "es", "pt", "fr", "de", "id", "ms", "tr", "ru", "ar", "vi", "hi", "hi-Latn", "it", "nl", "zh", "ja", "ko", "th",
	}, languages)
	for _, fcc := range []string{"stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"} {
		require.Equal(t, ChannelsAll, loadTestWords(t).read(fcc).channels, fcc)
	}
}

// longestRead is what a message of 64 KiB may take, with a wide margin for a
// machine that does other things: what grows with the square takes seconds.
const longestRead = 250 * time.Millisecond

func longMessages() map[string]string {
	fill := func(s string) string { return strings.Repeat(s, (64<<10)/len(s)+1)[:64<<10] }
	return map[string]string{
		"one letter":   fill("a"),
		"letters":      fill("s t o p "),
		"stops":        fill("stop "),
		"almost":       fill("stop callin "),
		"negated":      fill("don't stop calling me "),
		"courtesies":   fill("please thank you "),
		"clauses":      fill("stop. "),
		"quotes":       fill("> stop calls\n"),
		"accents":      "s" + fill("\u0301"),
		"ligatures":    fill("\uFDFA"),
		"signs":        fill("不要打"),
		"full width":   fill("ＳＴＯＰ　"),
		"invalid":      fill("\xff\xfe"),
		"invisible":    fill("\u200b"),
		"arabic":       fill("لا تتصل "),
		"all of these": fill("stop, 不要打 don't stop calling ﷺ s t o p \u0301\u200bﬃ "),
	}
}

func TestOptOutTakesLinearTime(t *testing.T) {
	w := loadTestWords(t)
	for name, text := range longMessages() {
		began := time.Now()
		w.read(text)
		require.Less(t, time.Since(began), longestRead, name)
	}
}

func BenchmarkOptOut(b *testing.B) {
	w := loadTestWords(b)
	for name, text := range longMessages() {
		b.Run("64KiB/"+name, func(b *testing.B) {
			for b.Loop() {
				w.read(text)
			}
		})
	}
	for name, text := range map[string]string{
		"stop": "STOP", "phrase": "please stop calling me now", "arabic": "لا تتصلوا بي مرة أخرى",
		"talk": "Hello, could you tell me when my parcel will arrive? The address is the old one, thank you.",
	} {
		b.Run("short/"+name, func(b *testing.B) {
			for b.Loop() {
				w.read(text)
			}
		})
	}
}

func FuzzOptOut(f *testing.F) {
	w := loadTestWords(f)
	for _, s := range sentences(f) {
		f.Add(s.text)
	}
	for _, s := range []string{"ß", "\xff\xfe", "stop\u0307", "s\u200dt\u200do\u200dp", "> ", ">\n>", "\u0301", "ς", "1\ufe0f\u20e3 stop"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		began := time.Now()
		got := w.read(s)
		if len(s) <= 64<<10 {
			require.Less(t, time.Since(began), longestRead)
		}
		require.Equal(t, got, w.read("  "+s+" \n"), "spaces around a message say nothing")
		require.Equal(t, got, w.read(s+" 🛑"), "nor does an emoji behind it")
		if !strings.Contains(s, ">") {
			require.Equal(t, got, w.read("«"+s+"»"), "nor do quotes around it")
		}
		require.False(t, got.resume && got.channels != "")
		require.False(t, got.review && got.word != "")
		if strings.TrimSpace(s) == "" {
			require.Equal(t, meaning{}, got)
		}
	})
}

func BenchmarkLoadWords(b *testing.B) {
	for b.Loop() {
		_, err := LoadWords()
		require.NoError(b, err)
	}
}
