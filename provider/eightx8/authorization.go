package eightx8

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"

	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// Authenticate checks that the delivery has exactly one Authorization header and
// that it is the configured value, byte for byte (protocol: 8x8, webhook
// configuration, httpAuthorization). Digests are compared, so that the time taken
// tells neither the value nor its length. Errors wrap provider.ErrUnauthenticated.
// The body is not covered by it: 8x8 signs nothing.
func (a *Account) Authenticate(h http.Header, _ []byte) (permissions.Auth, error) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", fmt.Errorf("%w: %d Authorization headers", provider.ErrUnauthenticated, len(values))
	}
	given := sha256.Sum256([]byte(values[0]))
	if subtle.ConstantTimeCompare(given[:], a.secret[:]) != 1 {
		return "", fmt.Errorf("%w: Authorization does not match", provider.ErrUnauthenticated)
	}
	return permissions.AuthBearer, nil
}
