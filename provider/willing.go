package provider

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/callctl/callctl/permissions"
)

//go:embed willing.txt
var willingWords string

// willing are the lines of willing.txt, folded.
//
//nolint:gochecknoglobals // a constant of the binary, in its readable form
var willing = sync.OnceValue(func() map[string]bool {
	words := make(map[string]bool, 64)
	for line := range strings.Lines(willingWords) {
		if line = foldTitle(line); line != "" && !strings.HasPrefix(line, "#") {
			words[line] = true
		}
	}
	return words
})

// Willing tells whether a button's title or payload asks to be called, such as
// "Allow calls" or "ALLOW_CALLS".
func Willing(texts ...Scalar) bool {
	for _, text := range texts {
		if len(text) <= maxLabel && willing()[foldTitle(string(text))] {
			return true
		}
	}
	return false
}

// foldTitle makes texts that read the same equal: case, punctuation, emoji and the
// kind and number of spaces do not count.
func foldTitle(s string) string {
	s = cases.Fold().String(norm.NFKC.String(s))
	fields := strings.FieldsFunc(s, func(r rune) bool {
		return r != '#' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	return strings.Join(fields, " ")
}

// Tapped records a tap on a button or list row: what it says is a message like
// any other, in which opt-out words count, and when it asks to be called the user
// is willing. It grants nothing: anybody can name a button "Allow calls".
func (r *Reader) Tapped(message permissions.Event, title, payload Scalar) {
	text := title
	if text == "" {
		text = payload
	}
	if text == "" {
		r.Malformed("message.text")
		return
	}
	r.Wrote(message, text)
	if Willing(title, payload) {
		message.ID = r.ID("willing", strings.TrimPrefix(message.ID, r.Provider+"/"))
		message.Kind, message.Text = permissions.Willing, string(text)
		r.Fact(message)
	}
}

// Words are what an object that nobody knows holds in a member for words, "" when in
// none: a user may have opted out in a kind of message that is newer than this reader.
func Words(said Members) Scalar {
	for range 3 {
		if text := said.Scalar("caption", "text", "body", "title"); text != "" {
			return text
		}
		if said = said.Object("message", "text", "body"); said == nil {
			break
		}
	}
	return ""
}

// Wrote records what the user wrote.
func (r *Reader) Wrote(message permissions.Event, text Scalar) {
	if text == "" {
		r.Malformed("message.text")
		return
	}
	message.Kind, message.Text = permissions.Messaged, string(text)
	r.Fact(message)
}
