package permissions

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// token is a word of a message, or one sign of a script that has no spaces.
type token struct {
	bare  string // compatibility forms, case and accents folded
	exact string // with its accents
	gap   gap    // what stands between the word before and it
}

// gap is how far a word is from the one before.
type gap int

const (
	gapNone     gap = iota // spaces, dashes, quotes, emoji
	gapLine                // another line
	gapClause              // a comma
	gapSentence            // a sentence ends
)

// tokenize splits a message into words for comparison. Full-width letters and
// ligatures, case (Unicode's full folding, with the Turkish dotted İ and the
// final sigma) and accents are folded, also Arabic vowel signs; apostrophes,
// tatweel and what cannot be seen vanish (don't is dont); whatever else is no
// letter, mark or digit separates words. Lines that quote another message ("> …")
// are left out unless there are no others.
func tokenize(text string) []token {
	folded := strings.Map(beforeFolding, unquoted(text))
	if !ascii(folded) {
		folded = norm.NFKD.String(cases.Fold().String(folded))
	}
	s := splitter{}
	for _, r := range folded {
		s.take(r)
	}
	s.flush()
	return s.tokens()
}

// splitter collects the letters of words.
type splitter struct {
	bare, exact []byte // of all words so far
	words       []extent
	fromBare    int  // where the word that is being read begins
	fromExact   int  // and where it does with its accents
	accented    bool // its two forms differ
	single      bool // the last letter was a sign of a script without spaces
	pending     gap  // before the word that comes next
	stop        gap  // what a mark before it ends, if a space follows
}

// extent is where a word lies in the splitter's buffers; toExact is 0 when its two
// forms are one.
type extent struct {
	bare, toBare, exact, toExact int
	gap                          gap
}

func (s *splitter) tokens() []token {
	bare, exact := string(s.bare), string(s.exact)
	out := make([]token, len(s.words))
	for i, w := range s.words {
		out[i] = token{bare: bare[w.bare:w.toBare], exact: bare[w.bare:w.toBare], gap: w.gap}
		if w.toExact > 0 {
			out[i].exact = exact[w.exact:w.toExact]
		}
	}
	return out
}

func (s *splitter) take(r rune) {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		s.letter(r)
	case 'A' <= r && r <= 'Z': // compatibility forms become capitals after the folding
		s.letter(r + 'a' - 'A')
	case r < unicode.MaxASCII:
		s.separate(r)
	case unicode.IsLetter(r):
		if !silent(r) {
			s.letter(lower(r))
		}
	case unicode.IsMark(r):
		s.mark(r)
	case unicode.IsDigit(r):
		s.letter(r)
	case !invisible(r):
		s.separate(r)
	}
}

func (s *splitter) mark(r rune) {
	switch {
	case r == nukta || invisible(r):
	case !accent(r):
		s.write(r, r)
	case len(s.bare) > s.fromBare: // an accent on nothing says nothing
		s.exact = utf8.AppendRune(s.exact, r)
		s.accented = true
	}
}

func (s *splitter) letter(r rune) {
	single := spaceless(r)
	if single || s.single {
		s.flush()
		if s.stop != gapNone { // such scripts put no space behind a full stop
			s.pending = gapSentence
		}
	}
	s.single = single
	s.write(plainLetter(r), r)
}

func (s *splitter) write(bare, exact rune) {
	s.bare = utf8.AppendRune(s.bare, bare)
	s.exact = utf8.AppendRune(s.exact, exact)
	s.accented = s.accented || bare != exact
}

func (s *splitter) separate(r rune) {
	s.flush()
	s.single = false
	switch {
	case r == '\n', r == '\r', r == '\u2028', r == '\u2029':
		s.pending = max(s.pending, gapLine, s.stop)
	case unicode.IsSpace(r):
		s.pending = max(s.pending, s.stop)
	default:
		s.stop = max(s.stop, ends(r))
	}
}

// flush ends the word that is being read, if there is one.
func (s *splitter) flush() {
	if len(s.bare) == s.fromBare {
		return
	}
	w := extent{bare: s.fromBare, toBare: len(s.bare), gap: s.pending}
	if s.accented {
		w.exact, w.toExact = s.fromExact, len(s.exact)
	} else {
		s.exact = s.exact[:s.fromExact]
	}
	s.words = append(s.words, w)
	s.fromBare, s.fromExact = len(s.bare), len(s.exact)
	s.accented, s.stop, s.pending = false, gapNone, gapNone
}

// unquoted is a message without the lines that WhatsApp shows as a quotation:
// they are somebody else's words. A message of such lines alone stays as it is.
func unquoted(text string) string {
	if !strings.Contains(text, ">") {
		return text
	}
	var own strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), ">") {
			own.WriteString(line)
		}
	}
	if strings.TrimSpace(own.String()) == "" {
		return text
	}
	return own.String()
}

// beforeFolding drops apostrophes and what people type for them: normalisation
// makes a space and a mark of an acute accent that stands alone. The two ligatures
// that stand for whole sentences are no words to compare.
func beforeFolding(r rune) rune {
	switch r {
	case '\'', '’', '‘', '‛', 'ʼ', 'ʻ', 'ʹ', '`', '´', '′', '＇', '՚', 'ꞌ':
		return -1
	case '\uFDFA', '\uFDFB':
		return ' '
	}
	return r
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// The signs that change nothing in how a word is read.
const (
	tatweel = '\u0640' // lengthens an Arabic word
	nukta   = '\u093C' // marks loan sounds in Devanagari; often left out
)

// The marks that make another syllable of a kana.
const (
	voiced     = '\u3099'
	halfVoiced = '\u309A'
)

// silent are the letters that say nothing: what lengthens a word, and fillers.
func silent(r rune) bool {
	switch r {
	case tatweel, '\u115F', '\u1160', '\u3164', '\uFFA0':
		return true
	}
	return false
}

// invisible are the signs without a word of their own: joiners, direction and
// variation marks, tag letters, keycaps.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Me, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// lower folds what the compatibility forms brought after the case folding.
func lower(r rune) rune {
	const arabic, georgian = '\u0590', '\u10A0' // the scripts from here to there have no case
	if arabic <= r && r < georgian {
		return r
	}
	return unicode.ToLower(r)
}

// accent says whether r is a mark that any script may put on a letter: Latin,
// Greek and Cyrillic accents, and the Arabic vowel signs.
func accent(r rune) bool {
	return r != voiced && r != halfVoiced && unicode.Is(unicode.Mn, r) && unicode.Is(unicode.Inherited, r)
}

// spaceless says whether r is of a script that puts no spaces between words; each
// of its signs is compared by itself.
func spaceless(r rune) bool {
	const (
		first = '\u0E00' // Thai, the first of them
		long  = 'ー'      // belongs to both kana
	)
	if r < first {
		return false
	}
	return r == long || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// plainLetter folds the letters that carry their accent within.
func plainLetter(r rune) rune {
	switch r {
	case 'ı':
		return 'i'
	case 'đ':
		return 'd'
	case 'ø':
		return 'o'
	case 'ł':
		return 'l'
	case 'ς':
		return 'σ'
	case 'ى', 'ی':
		return 'ي'
	case 'ة':
		return 'ه'
	case 'ک':
		return 'ك'
	case 'ٱ':
		return 'ا'
	}
	return r
}

// ends says what a mark ends.
func ends(r rune) gap {
	switch r {
	case ',', '،', '、':
		return gapClause
	case '.', '!', '?', ';', ':', '。', '।', '॥', '؟', '؛', '۔', '‼', '⁉':
		return gapSentence
	}
	return gapNone
}
