package server

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/callctl/callctl/geo"
	"github.com/callctl/callctl/permissions"
)

// bsuid is a business-scoped user id: "US.13491208655302741918", or a parent's,
// "US.ENT.11815799212886844830" (protocol: Meta "Business-scoped user IDs").
var bsuid = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`)

// parseBusiness reads one of our numbers; the plus may be missing, or be the
// space that it becomes in an unescaped query.
func parseBusiness(location, s string) (geo.E164, error) {
	n, err := geo.Parse(strings.TrimSpace(s))
	if err != nil {
		return "", badField(location, "not an E.164 phone number")
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
	if err != nil {
		return "", badField(location, "neither an E.164 phone number nor a BSUID")
	}
	return permissions.User(n), nil
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

func badField(location, message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, reasonInvalid, "The request does not have the documented shape.")
	p.Errors = []FieldError{{Location: location, Message: message}}
	return p
}
