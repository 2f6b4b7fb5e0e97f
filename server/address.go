package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
	"github.com/callctl/callctl/provider"
)

// bsuid is a business-scoped user id: "US.13491208655302741918", or a parent's,
// "US.ENT.11815799212886844830" (protocol: Meta "Business-scoped user IDs").
var bsuid = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`)

// parseBusiness reads one of our numbers; the plus may be missing, or be the
// space that it becomes in an unescaped query.
func parseBusiness(location, s string) (geo.E164, error) {
	n, err := geo.Parse(strings.TrimSpace(s))
	if err != nil {
		return "", badNumber(location, err)
	}
	return n, nil
}

// parseUser reads a WhatsApp user: a number or a BSUID.
func parseUser(location, s string) (permissions.User, error) {
	s = strings.TrimSpace(s)
	if bsuid.MatchString(s) {
		return permissions.User(s), nil
	}
	n, err := geo.Parse(s)
	switch {
	case errors.Is(err, geo.ErrNumberCharacters):
		p := badNumber(location, err)
		p.Errors[0].Message = "neither an E.164 phone number (digits after an optional plus) nor a BSUID"
		return "", p
	case err != nil:
		return "", badNumber(location, err)
	}
	return permissions.User(n), nil
}

// knownUser reads a user to look at: as parseUser, and besides a number that is in
// no numbering plan when a provider told of it. Nobody may be called there
// (user_valid), but what is recorded of it can be seen.
func (s *Server) knownUser(ctx context.Context, location, address string) (permissions.User, error) {
	u, refused := parseUser(location, address)
	told, ok := provider.ParseUser(address)
	if refused == nil || !ok {
		return u, refused
	}
	_, known, err := s.cfg.Ledger.Subject(ctx, told)
	switch {
	case err != nil:
		return "", fmt.Errorf("look for a user: %w", err)
	case !known:
		return "", refused
	}
	return told, nil
}

// knownPair reads a pair to look at.
func (s *Server) knownPair(ctx context.Context, location, business, user string) (permissions.Pair, error) {
	b, err := parseBusiness(location+".business", business)
	if err != nil {
		return permissions.Pair{}, err
	}
	u, err := s.knownUser(ctx, location+".user", user)
	return permissions.Pair{Business: b, User: u}, err
}

// parsePair reads both.
func parsePair(location, business, user string) (permissions.Pair, error) {
	b, err := parseBusiness(location+".business", business)
	if err != nil {
		return permissions.Pair{}, err
	}
	u, err := parseUser(location+".user", user)
	return permissions.Pair{Business: b, User: u}, err
}

// badNumber says why a text is no phone number, without the text.
func badNumber(location string, err error) *Problem {
	p := badField(location, "not an E.164 phone number")
	if why, ok := errors.AsType[*geo.NumberError](err); ok {
		p.Errors[0].Reason = why.Reason()
		p.Errors[0].Message = strings.TrimPrefix(why.Error(), "geo: ")
	}
	return p
}

func badField(location, message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, reasonInvalid, "The request does not have the documented shape.")
	p.Errors = []FieldError{{Location: location, Message: message}}
	return p
}
