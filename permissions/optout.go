package permissions

import (
	"slices"
	"strings"
)

// Words recognises messages that withdraw consent, and those that ask for
// messages again. Immutable and safe for concurrent use.
//
// A keyword such as STOP counts only as the whole message, with courtesies around
// it or repeated; a phrase about calls counts anywhere, unless words before or
// behind it turn it around ("don't stop calling me", "don't call it"). The words
// themselves are documents: see [LoadWords].
type Words struct {
	version    string
	whole      map[string][]*entry
	resume     map[string][]*entry
	phrases    *branch
	courtesies map[string]bool
	stops      map[string]bool // words that a request to stop is made of
	calls      map[string]bool // words about calls
}

// entry is a listed keyword or phrase.
type entry struct {
	id       string // language/its-words: names the entry in the audit
	language string
	channels Channels
	exact    string    // its words with their accents; "" when these say nothing
	negated  []*branch // what stands before it, if it turns it around; last word first
	unless   []*branch // what stands behind it, if it turns it around
}

// branch is a node of a tree of phrases, by their words.
type branch struct {
	next    map[string]*branch
	ends    bool     // a phrase ends here
	entries []*entry // that the phrase is, in the tree of entries
}

// meaning is what a message says about consent. The zero value is nothing.
type meaning struct {
	channels Channels // what it ends, "" for nothing
	resume   bool     // it asks for messages again; calls are not concerned
	review   bool     // it may have been meant to end something: a person should read it
	word     string   // ids of the entries that it was read from, joined by "+"; never its text
}

// The bounds within which a message is compared as a whole. What is longer is no
// keyword with courtesies around it.
const (
	maxWhole    = 24 // words
	maxCourtesy = 4  // words of one courtesy
	maxRepeated = 3  // words of a keyword that is said again and again
)

// Version names the documents that the words are from, such as
// "optout@2026-11-22", joined by "+"; the audit cites it.
func (w *Words) Version() string { return w.version }

// read says what a message means. It takes time linear in the text.
func (w *Words) read(text string) meaning {
	said := tokenize(text)
	if len(said) == 0 {
		return meaning{}
	}
	if m, ok := w.readWhole(said); ok {
		return m
	}
	m := w.readPhrases(said)
	if m.channels == "" && !m.review {
		m.review = w.suspicious(said)
	}
	return m
}

// readWhole compares the whole message with the keywords.
func (w *Words) readWhole(said []token) (meaning, bool) {
	once := unrepeated(said)
	if len(once) > maxWhole {
		return meaning{}, false
	}
	for _, e := range w.resume[join(once)] {
		if e.spelled(once) {
			return meaning{resume: true, word: e.id}, true
		}
	}
	if m, ok := w.keyword(once); ok {
		return m, true
	}
	kept := unrepeated(w.withoutCourtesies(once))
	if len(kept) == 0 || len(kept) == len(once) {
		return meaning{}, false
	}
	return w.keyword(kept)
}

// keyword looks words up among those that end something.
func (w *Words) keyword(said []token) (m meaning, found bool) {
	m.take(w.whole[join(said)], said)
	if m.channels != "" {
		m.review = false
	}
	return m, m.channels != "" || m.review
}

// take widens the meaning by the entries that words are. One that counts with its
// accents only, and was typed without any, is for a person to judge.
func (m *meaning) take(entries []*entry, said []token) {
	for _, e := range entries {
		switch {
		case e.spelled(said):
			m.add(e)
		case plain(said):
			m.review = true
		}
	}
}

// readPhrases looks for phrases anywhere. The longest at a place is meant there,
// and the widest of all that are meant counts.
func (w *Words) readPhrases(said []token) meaning {
	var m meaning
	for i := 0; i < len(said) && m.channels != ChannelsAll; i++ {
		entries, to := w.phrases.longest(said, i)
		switch {
		case entries == nil:
		case slices.ContainsFunc(entries, func(e *entry) bool { return e.turned(said, i, to) }):
			m.review = true
		default:
			m.take(entries, said[i:to])
		}
	}
	if m.channels != "" {
		m.review = false
	}
	return m
}

// longest finds the longest phrase that begins at a word and lies within one
// sentence; entries is nil when there is none. A comma may be in it, but not right
// behind its first word: "No, calls are fine" is not "no calls".
func (b *branch) longest(said []token, from int) (entries []*entry, to int) {
	for n := from; n < len(said); n++ {
		if g := said[n].gap; n > from && (g == gapSentence || g == gapClause && n == from+1) {
			break
		}
		if b = b.next[said[n].bare]; b == nil {
			break
		}
		if b.ends {
			entries, to = b.entries, n+1
		}
	}
	return entries, to
}

// suspicious says whether a message that no rule knows may all the same ask to
// be left alone: it speaks of stopping and of calls, or has a keyword as one of
// its sentences.
func (w *Words) suspicious(said []token) bool {
	stop, call := false, false
	for _, t := range said {
		stop = stop || w.stops[t.bare]
		call = call || w.calls[t.bare]
	}
	if stop && call {
		return true
	}
	for from := 0; from < len(said); {
		to := from + 1
		for to < len(said) && said[to].gap == gapNone {
			to++
		}
		if to-from <= maxWhole {
			if _, found := w.keyword(said[from:to]); found {
				return true
			}
		}
		from = to
	}
	return false
}

// withoutCourtesies cuts courtesies off both ends.
func (w *Words) withoutCourtesies(said []token) []token {
	for cut := true; cut; {
		cut = false
		for n := min(maxCourtesy, len(said)); n > 0 && !cut; n-- {
			switch {
			case w.courtesies[join(said[:n])]:
				said, cut = said[n:], true
			case w.courtesies[join(said[len(said)-n:])]:
				said, cut = said[:len(said)-n], true
			}
		}
	}
	return said
}

// add widens the meaning by an entry.
func (m *meaning) add(e *entry) {
	switch {
	case m.channels == e.channels || m.channels == ChannelsAll:
		return
	case m.channels == "" || e.channels == ChannelsAll:
		m.channels, m.word = e.channels, e.id
	default:
		m.channels, m.word = ChannelsAll, m.word+"+"+e.id
	}
}

// spelled says whether words that are the entry's apart from accents are so with them.
func (e *entry) spelled(said []token) bool {
	if e.exact == "" {
		return true
	}
	words := make([]string, len(said))
	for i, t := range said {
		words[i] = t.exact
	}
	return strings.Join(words, " ") == e.exact
}

// turned says whether the words around a phrase turn it around.
func (e *entry) turned(said []token, from, to int) bool {
	before := func(b *branch) bool {
		for n := from; n > 0 && said[n].gap == gapNone; n-- {
			if b = b.next[said[n-1].bare]; b == nil || b.ends {
				break
			}
		}
		return b != nil && b.ends
	}
	behind := func(b *branch) bool {
		for n := to; n < len(said) && said[n].gap < gapClause; n++ {
			if b = b.next[said[n].bare]; b == nil || b.ends {
				break
			}
		}
		return b != nil && b.ends
	}
	return slices.ContainsFunc(e.negated, before) || slices.ContainsFunc(e.unless, behind)
}

// unrepeated is a message without the repetition that it consists of ("stop stop
// stop"), and with the letters joined that stand alone ("S T O P").
func unrepeated(said []token) []token {
	for n := 1; n <= min(maxRepeated, len(said)/2); n++ {
		if len(said)%n == 0 && periodic(said, n) {
			return said[:n]
		}
	}
	if len(said) > maxWhole || slices.ContainsFunc(said, func(t token) bool { return len(t.bare) != 1 }) {
		return said
	}
	word := strings.ReplaceAll(join(said), " ", "")
	return []token{{bare: word, exact: word}}
}

func periodic(said []token, n int) bool {
	for i := n; i < len(said); i++ {
		if said[i].bare != said[i-n].bare {
			return false
		}
	}
	return true
}

// plain says whether words were typed without any accent.
func plain(said []token) bool {
	return !slices.ContainsFunc(said, func(t token) bool { return t.bare != t.exact })
}

func join(said []token) string {
	words := make([]string, len(said))
	for i, t := range said {
		words[i] = t.bare
	}
	return strings.Join(words, " ")
}
