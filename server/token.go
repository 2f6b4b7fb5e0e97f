package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Scope is what a token may do.
type Scope string

// The scopes. Admin holds all others; the others hold only themselves.
const (
	ScopeAdmin Scope = "admin"
	ScopeRead  Scope = "read"  // see permissions, callbacks, calls, events
	ScopeWrite Scope = "write" // ask, schedule, call, hang up, do not call
	ScopeAudit Scope = "audit" // the log, its proofs, evidence packs
)

// minSecret is the shortest token that is accepted at start.
const minSecret = 16

// credential is a token as kept: the secret only as its hash.
type credential struct {
	name   string
	hash   [sha256.Size]byte
	scopes []Scope
}

func credentials(tokens []Token) ([]credential, error) {
	list := make([]credential, 0, len(tokens))
	names := map[string]bool{}
	for _, t := range tokens {
		if t.Name == "" || names[t.Name] {
			return nil, fmt.Errorf("%w: token %q has no name of its own", ErrConfig, t.Name)
		}
		names[t.Name] = true
		if len(t.Secret) < minSecret {
			return nil, fmt.Errorf("%w: token %q is shorter than %d bytes", ErrConfig, t.Name, minSecret)
		}
		c := credential{name: t.Name, hash: sha256.Sum256([]byte(t.Secret))}
		for _, raw := range t.Scopes {
			scope := Scope(raw)
			if !slices.Contains([]Scope{ScopeAdmin, ScopeRead, ScopeWrite, ScopeAudit}, scope) {
				return nil, fmt.Errorf("%w: token %q has the unknown scope %q", ErrConfig, t.Name, raw)
			}
			c.scopes = append(c.scopes, scope)
		}
		list = append(list, c)
	}
	return list, nil
}

func (c *credential) holds(s Scope) bool {
	return slices.Contains(c.scopes, ScopeAdmin) || slices.Contains(c.scopes, s)
}

// bearer finds the credential of an Authorization header. Every credential is
// compared, whole hashes in constant time, so the time says nothing of a secret.
func (s *Server) bearer(header string) (*credential, bool) {
	scheme, secret, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, false
	}
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(hash[:], s.tokens[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return nil, false
	}
	return &s.tokens[found], true
}

type callerKey struct{}

// caller is the credential behind a request of the API.
func caller(ctx context.Context) *credential {
	c, ok := ctx.Value(callerKey{}).(*credential)
	if !ok {
		return &credential{} // holds nothing
	}
	return c
}

// authorize lets an operation run only for a token that holds its scope. An
// operation without a scope runs for nobody.
func (s *Server) authorize(ctx huma.Context, next func(huma.Context)) {
	c, ok := s.bearer(ctx.Header("Authorization"))
	if !ok {
		s.refuse(ctx, problem(http.StatusUnauthorized, reasonUnauthenticated, "A bearer token is needed."))
		return
	}
	scope, ok := s.scopes[ctx.Operation().OperationID]
	if !ok || !c.holds(scope) {
		s.refuse(ctx, problem(http.StatusForbidden, reasonScope, "The token does not hold the scope "+string(scope)+"."))
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}

// refuse answers with a problem from a middleware.
func (s *Server) refuse(ctx huma.Context, p *Problem) {
	_, w := unwrap(ctx)
	writeProblem(w, p)
}
