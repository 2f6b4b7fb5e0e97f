package meta

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// The signature header (protocol: Meta, "Validate payloads").
const (
	signatureHeader = "X-Hub-Signature-256"
	signaturePrefix = "sha256="
)

// maxChallenge bounds hub.challenge, which is echoed; Meta sends ten digits.
const maxChallenge = 256

// Authenticate checks that the delivery has exactly one X-Hub-Signature-256
// header and that it is "sha256=" and the HMAC-SHA256 of the raw bytes under the
// app secret in lower-case hex. The comparison takes constant time. Errors wrap
// provider.ErrUnauthenticated.
func (a *Account) Authenticate(h http.Header, raw []byte) (permissions.Auth, error) {
	values := h.Values(signatureHeader)
	if len(values) != 1 {
		return "", fmt.Errorf("%w: %d signatures", provider.ErrUnauthenticated, len(values))
	}
	given, found := strings.CutPrefix(values[0], signaturePrefix)
	if !found || len(given) != hex.EncodedLen(sha256.Size) {
		return "", fmt.Errorf("%w: signature has another form", provider.ErrUnauthenticated)
	}
	mac := hmac.New(sha256.New, []byte(a.cfg.AppSecret))
	mac.Write(raw)
	want := make([]byte, hex.EncodedLen(sha256.Size))
	hex.Encode(want, mac.Sum(nil))
	if !hmac.Equal([]byte(given), want) {
		return "", fmt.Errorf("%w: signature does not match", provider.ErrUnauthenticated)
	}
	return permissions.AuthHMAC, nil
}

// Challenge answers the subscription handshake: hub.challenge when hub.mode is
// subscribe and hub.verify_token is ours, each given exactly once.
func (a *Account) Challenge(query map[string][]string) (body string, ok bool) {
	mode, okMode := only(query, "hub.mode")
	token, okToken := only(query, "hub.verify_token")
	challenge, okChallenge := only(query, "hub.challenge")
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.cfg.VerifyToken))
	same := subtle.ConstantTimeCompare(given[:], want[:]) == 1
	if !okMode || !okToken || !okChallenge || !same || mode != "subscribe" {
		return "", false
	}
	if challenge == "" || len(challenge) > maxChallenge {
		return "", false
	}
	return challenge, true
}

// only is the single value of a query parameter.
func only(query map[string][]string, key string) (string, bool) {
	if len(query[key]) != 1 {
		return "", false
	}
	return query[key][0], true
}
