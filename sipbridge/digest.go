package sipbridge

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// challenge is what a 401 or 407 asked for.
type challenge struct {
	header string // the request header that answers it
	parsed *digest.Challenge
	stale  bool
}

// challengeOf reads the first challenge of a response that we can answer (RFC
// 3261 section 22, RFC 8760: several may be offered, best first).
func challengeOf(res *sip.Response) (challenge, error) {
	asks, answers := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	for _, h := range res.GetHeaders(asks) {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		c.Algorithm = strings.ToUpper(c.Algorithm)
		if digest.CanDigest(c) {
			return challenge{header: answers, parsed: c, stale: c.Stale}, nil
		}
	}
	return challenge{}, errChallenge
}

// credentials is the header that answers c for one request.
func (c challenge) credentials(method sip.RequestMethod, uri, username, password string) (sip.Header, error) {
	cred, err := digest.Digest(c.parsed, digest.Options{
		Method: method.String(), URI: uri, Username: username, Password: password, Count: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChallenge, err)
	}
	return sip.NewHeader(c.header, cred.String()), nil
}
