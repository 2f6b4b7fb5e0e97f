package sipbridge

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// maxChallenges bounds the challenges answered for one request: the first, and
// then those that refuse only our nonce.
const maxChallenges = 3

// answerChallenge is the header for the request that answers a 401 or 407. It
// takes the first challenge that can be answered (RFC 3261 section 22, RFC 8760:
// several may be offered, best first). before is how many were answered already:
// a further one means wrong credentials unless it is stale (RFC 7616 section 3.3).
func (a *userAgent) answerChallenge(res *sip.Response, req *sip.Request, before int) (sip.Header, error) {
	if a.trunk.Username == "" || before >= maxChallenges {
		return nil, errChallenge
	}
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
		if !digest.CanDigest(c) || (before > 0 && !c.Stale) {
			continue
		}
		cred, err := digest.Digest(c, digest.Options{
			Method: req.Method.String(), URI: req.Recipient.String(),
			Username: a.trunk.Username, Password: a.trunk.Password, Count: 1,
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errChallenge, err)
		}
		return sip.NewHeader(answers, cred.String()), nil
	}
	return nil, errChallenge
}

func challenged(res *sip.Response) bool {
	return res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
}
