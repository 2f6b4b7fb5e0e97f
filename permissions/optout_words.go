package permissions

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"
)

//go:embed words/optout.json
var optOutFile []byte

// wordsDocument is the form of words/optout.json and of a company's own words.
type wordsDocument struct {
	Name      string          `json:"name"`
	Version   string          `json:"version"` // a date
	Source    string          `json:"source"`
	Languages []wordsLanguage `json:"languages"`
}

// wordsLanguage are the words of one language. Which language a message is in is
// never asked: the words of all languages count.
type wordsLanguage struct {
	Language   string      `json:"language"` // BCP 47
	Source     string      `json:"source"`
	Entries    []wordEntry `json:"entries"`
	Resume     []wordEntry `json:"resume"`     // keywords that ask for messages again
	Courtesies []string    `json:"courtesies"` // may stand around a keyword
	Negations  []string    `json:"negations"`  // right before a phrase, they turn it around
	Unless     []string    `json:"unless"`     // right behind a phrase, they turn it around
	StopWords  []string    `json:"stop_words"` // with one of CallWords, and no rule that matches, a person should read the message
	CallWords  []string    `json:"call_words"`
}

// wordEntry is one keyword or phrase.
type wordEntry struct {
	Text     string   `json:"text"`
	Scope    Channels `json:"scope"` // calls, messages or all
	Match    string   `json:"match"` // whole or phrase
	Exact    bool     `json:"exact"` // its accents tell it from another word
	Unless   []string `json:"unless"`
	NotAfter []string `json:"not_after"`
}

// The ways in which an entry is found.
const (
	matchWhole  = "whole"  // it is the message
	matchPhrase = "phrase" // it is somewhere in the message
)

var (
	errWordsIdentity = errors.New("name, version and source are needed")
	errWordsEmpty    = errors.New("no entry")
	errWordsTwice    = errors.New("two documents have one name")
	errNoWord        = errors.New("no letter in it")
	errWordScope     = errors.New("scope is calls, messages or all")
	errWordMatch     = errors.New("match is whole or phrase")
	errWordConflict  = errors.New("listed before with another scope")
)

// LoadWords reads the opt-out words of this binary and a company's own documents,
// which add to them and take nothing away. A document has the form
//
//	{"name": "acme", "version": "2026-12-01", "source": "our call centre's list",
//	 "languages": [{"language": "de", "source": "agents",
//	   "entries": [{"text": "Funkstille", "scope": "all", "match": "whole"}]}]}
//
// Errors wrap [ErrPack] and name the document, the language and the entry.
func LoadWords(extra ...json.RawMessage) (*Words, error) {
	if len(extra) == 0 {
		return shippedWords()
	}
	return readWords(extra)
}

// shippedWords are the words of this binary alone, read once: they are immutable.
var shippedWords = sync.OnceValues(func() (*Words, error) { return readWords(nil) }) //nolint:gochecknoglobals // a constant that takes 10 ms to read

func readWords(extra []json.RawMessage) (*Words, error) {
	w := &Words{
		whole: map[string][]*entry{}, resume: map[string][]*entry{}, phrases: &branch{},
		courtesies: map[string]bool{}, stops: map[string]bool{}, calls: map[string]bool{},
	}
	seen := map[string]bool{}
	for _, raw := range append([]json.RawMessage{optOutFile}, extra...) {
		doc, err := parseWords(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: opt-out words: %w", ErrPack, err)
		}
		if seen[doc.Name] {
			return nil, fmt.Errorf("%w: opt-out words: %s: %w", ErrPack, doc.Name, errWordsTwice)
		}
		seen[doc.Name] = true
		if w.version != "" {
			w.version += "+"
		}
		w.version += doc.Name + "@" + doc.Version
		for i := range doc.Languages {
			if err := w.addLanguage(&doc.Languages[i]); err != nil {
				return nil, fmt.Errorf("%w: opt-out words: %s: %w", ErrPack, doc.Name, err)
			}
		}
	}
	return w, nil
}

func parseWords(raw json.RawMessage) (*wordsDocument, error) {
	var doc wordsDocument
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Name == "" || doc.Version == "" || doc.Source == "" {
		return nil, errWordsIdentity
	}
	if _, err := time.Parse(time.DateOnly, doc.Version); err != nil {
		return nil, fmt.Errorf("version: %w", err)
	}
	entries := 0
	for _, l := range doc.Languages {
		if l.Language == "" || l.Source == "" {
			return nil, fmt.Errorf("language %q: %w", l.Language, errWordsIdentity)
		}
		entries += len(l.Entries)
	}
	if entries == 0 {
		return nil, errWordsEmpty
	}
	return &doc, nil
}

func (w *Words) addLanguage(l *wordsLanguage) error {
	fail := func(text string, err error) error { return fmt.Errorf("%s: %q: %w", l.Language, text, err) }
	negations, err := branches(l.Negations, slices.Reverse)
	if err != nil {
		return fmt.Errorf("%s: negations: %w", l.Language, err)
	}
	unless, err := branches(l.Unless, nil)
	if err != nil {
		return fmt.Errorf("%s: unless: %w", l.Language, err)
	}
	for i := range l.Entries {
		if err := w.addEntry(l.Language, &l.Entries[i], negations, unless); err != nil {
			return fail(l.Entries[i].Text, err)
		}
	}
	for i := range l.Resume {
		e, said, err := newEntry(l.Language, &l.Resume[i])
		if err != nil {
			return fail(l.Resume[i].Text, err)
		}
		w.resume[join(said)] = append(w.resume[join(said)], e)
	}
	for _, list := range []struct {
		words []string
		into  map[string]bool
	}{{l.Courtesies, w.courtesies}, {l.StopWords, w.stops}, {l.CallWords, w.calls}} {
		for _, text := range list.words {
			said := tokenize(text)
			if len(said) == 0 {
				return fail(text, errNoWord)
			}
			list.into[join(said)] = true
		}
	}
	return nil
}

func (w *Words) addEntry(language string, doc *wordEntry, negations, unless *branch) error {
	e, said, err := newEntry(language, doc)
	if err != nil {
		return err
	}
	e.channels = doc.Scope
	switch doc.Scope {
	case ChannelsCalls, ChannelsMessages, ChannelsAll:
	default:
		return errWordScope
	}
	switch doc.Match {
	case matchWhole:
		key := join(said)
		return listEntry(e, w.whole[key], func(list []*entry) { w.whole[key] = list })
	case matchPhrase:
		own, err := branches(doc.Unless, nil)
		if err != nil {
			return err
		}
		after, err := branches(doc.NotAfter, slices.Reverse)
		if err != nil {
			return err
		}
		e.negated, e.unless = []*branch{negations, after}, []*branch{unless, own}
		at := w.phrases.grow(said)
		return listEntry(e, at.entries, func(list []*entry) { at.entries = list })
	}
	return errWordMatch
}

func newEntry(language string, doc *wordEntry) (*entry, []token, error) {
	said := tokenize(doc.Text)
	if len(said) == 0 {
		return nil, nil, errNoWord
	}
	words := make([]string, len(said))
	for i, t := range said {
		words[i] = t.exact
	}
	e := &entry{language: language, id: language + "/" + norm.NFC.String(strings.Join(words, "-"))}
	if doc.Exact {
		e.exact = strings.Join(words, " ")
	}
	return e, said, nil
}

// listEntry adds an entry to those of the same words. One that a language has
// already is left out, and refused when it says something else.
func listEntry(e *entry, list []*entry, store func([]*entry)) error {
	for _, other := range list {
		if other.language == e.language && other.exact == e.exact {
			if other.channels != e.channels {
				return errWordConflict
			}
			return nil
		}
	}
	store(append(list, e))
	return nil
}

// grow finds or makes the branch of a phrase.
func (b *branch) grow(said []token) *branch {
	for _, t := range said {
		next := b.next[t.bare]
		if next == nil {
			next = &branch{}
			if b.next == nil {
				b.next = map[string]*branch{}
			}
			b.next[t.bare] = next
		}
		b = next
	}
	b.ends = true
	return b
}

// branches is the tree of phrases, their words in the order that arrange gives them.
func branches(texts []string, arrange func([]token)) (*branch, error) {
	root := &branch{}
	for _, text := range texts {
		said := tokenize(text)
		if len(said) == 0 {
			return nil, fmt.Errorf("%q: %w", text, errNoWord)
		}
		if arrange != nil {
			arrange(said)
		}
		root.grow(said)
	}
	return root, nil
}
