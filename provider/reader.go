package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// Reader gathers what one webhook body says about an account. It reads what the
// providers have in common: 8x8 relays Meta's account events in its own spelling
// and Meta's user events as they are. Not safe for concurrent use.
type Reader struct {
	Provider string // begins every id: "meta", "8x8"
	Account  string
	Business geo.E164
	Auth     permissions.Auth
	Now      func() time.Time
	// Place is where in the body the reader is; it ends the names in
	// Delivery.Unknown. Empty for a body with a single part.
	Place string

	Delivery
}

// Missing names a part that was not understood. word came over the wire.
func (r *Reader) Missing(kind, word string) {
	r.name(Unknown(kind, word))
}

// Malformed names a part that could not be read.
func (r *Reader) Malformed(what string) {
	r.name(MalformedError(what).Error())
}

func (r *Reader) name(part string) {
	if r.Place != "" {
		part += "@" + r.Place
	}
	r.Unknown = append(r.Unknown, part)
}

// Fact adds a fact with the account's own members filled in.
func (r *Reader) Fact(e permissions.Event) {
	e.Account, e.Auth, e.Pair.Business = r.Account, r.Auth, r.Business
	r.Facts = append(r.Facts, e)
}

// Notice adds a notice with the account's own members filled in.
func (r *Reader) Notice(n permissions.Notice) {
	n.Account, n.Auth, n.Business = r.Account, r.Auth, r.Business
	r.Notices = append(r.Notices, n)
}

// ID is an event's or notice's id: the provider's name and the parts.
func (r *Reader) ID(parts ...string) string {
	return r.Provider + "/" + strings.Join(parts, "/")
}

// IDOr is the id of what the provider calls given, or of its bytes when the
// provider gave it no id, so that the same bytes are the same fact.
func (r *Reader) IDOr(given string, raw []byte) string {
	if given != "" {
		return r.ID(given)
	}
	return r.ID("sha256:" + r.Digest(raw))
}

// Digest is the [Digest] of the texts as said of our number: several of our numbers
// can hear of the same thing in the same words, and an id is unique among them all.
func (r *Reader) Digest(texts ...[]byte) string {
	return Digest(append([][]byte{[]byte(r.Business)}, texts...)...)
}

// Digest is the SHA-256 of the texts, in hex. Texts are told apart by their
// lengths.
func Digest(texts ...[]byte) string {
	h := sha256.New()
	for i, text := range texts {
		if i > 0 {
			h.Write([]byte("\n" + strconv.Itoa(len(text)) + "\n"))
		}
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TimeOrNow reads a time; one that cannot be read is ours. It is for facts that
// must not be lost for want of a time, never for a grant.
func (r *Reader) TimeOrNow(s Scalar) time.Time {
	if at, err := s.Time(); err == nil {
		return at
	}
	return r.Now().UTC()
}

// separators are what people put between the digits of a number that is displayed.
var separators = regexp.MustCompile(`[ ().\-\x{00a0}\x{2010}\x{2011}]`)

// Ours tells whether a business number, as a webhook displays it, is the
// account's, in whichever of its forms ([geo.Forms]). An absent one is: the webhook
// speaks of the whole business account.
func (r *Reader) Ours(number Scalar) bool {
	if number.trim() == "" {
		return true
	}
	digits := strings.TrimPrefix(separators.ReplaceAllString(number.trim(), ""), "+")
	return digits == r.Business.Digits() || slices.Contains(geo.Forms(r.Business), geo.E164("+"+digits))
}
