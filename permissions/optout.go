package permissions

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

//go:embed words/optout.json
var optOutFile []byte

// optOutWords recognises a message that withdraws consent. Short words count
// only as the whole message; phrases about calls count anywhere in it, unless a
// negation stands right before ("don't stop calling me"). Immutable.
type optOutWords struct {
	version   string
	words     map[string]bool
	phrases   [][]string
	negations [][]string
}

func loadOptOutWords(raw []byte) (*optOutWords, error) {
	var doc struct {
		Name, Version, Source     string
		Words, Phrases, Negations []string
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: opt-out words: %w", ErrPack, err)
	}
	o := &optOutWords{version: doc.Name + "@" + doc.Version, words: make(map[string]bool, len(doc.Words))}
	for _, w := range doc.Words {
		o.words[strings.Join(tokens(w), " ")] = true
	}
	for _, p := range doc.Phrases {
		o.phrases = append(o.phrases, tokens(p))
	}
	for _, n := range doc.Negations {
		o.negations = append(o.negations, tokens(n))
	}
	empty := func(ts []string) bool { return len(ts) == 0 }
	if len(o.words) == 0 || o.words[""] || len(o.phrases) == 0 || slices.ContainsFunc(o.phrases, empty) || slices.ContainsFunc(o.negations, empty) {
		return nil, fmt.Errorf("%w: opt-out words: empty list or empty entry", ErrPack)
	}
	return o, nil
}

// match says whether text withdraws consent to be called.
func (o *optOutWords) match(text string) bool {
	said := tokens(text)
	if o.words[strings.Join(said, " ")] {
		return true
	}
	for i := range said {
		for _, phrase := range o.phrases {
			if hasPrefix(said[i:], phrase) && !o.negated(said[:i]) {
				return true
			}
		}
	}
	return false
}

// negated says whether the words before a phrase turn it around.
func (o *optOutWords) negated(before []string) bool {
	for _, n := range o.negations {
		if len(n) <= len(before) && slices.Equal(before[len(before)-len(n):], n) {
			return true
		}
	}
	return false
}

func hasPrefix(said, phrase []string) bool {
	return len(said) >= len(phrase) && slices.Equal(said[:len(phrase)], phrase)
}

// tokens splits text into words for comparison: compatibility forms, case and
// Latin accents are folded, apostrophes vanish (don't is dont), and whatever else
// is no letter, mark or digit separates words.
func tokens(text string) []string {
	folded := cases.Fold().String(norm.NFKD.String(text))
	var b strings.Builder
	for _, r := range norm.NFKD.String(folded) {
		switch {
		case firstDiacritic <= r && r <= lastDiacritic, strings.ContainsRune("'’‘ʼ`´", r), unicode.Is(unicode.Cf, r):
			// Dropped: "arrêt" is "arret", and the dot that folding leaves on "İ".
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Fields(b.String())
}

// The Unicode block Combining Diacritical Marks.
const (
	firstDiacritic = '\u0300'
	lastDiacritic  = '\u036F'
)
