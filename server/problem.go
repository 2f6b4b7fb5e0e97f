package server

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callctl/callctl/compliance"
	"github.com/callctl/callctl/compliance/audit"
	"github.com/callctl/callctl/permissions"
)

// problemType is the stable prefix of a problem's type; the reason follows.
const problemType = "urn:callctl:problem:"

// The reasons of problems that are not the gate's.
const (
	reasonInvalid         = "invalid_request"
	reasonUnauthenticated = "unauthenticated"
	reasonScope           = "scope_missing"
	reasonNotFound        = "not_found"
	reasonTooLarge        = "body_too_large"
	reasonMediaType       = "unsupported_media_type"
	reasonKeyReused       = "idempotency_key_reused"
	reasonInFlight        = "request_in_flight"
	reasonOutcomeUnknown  = "outcome_unknown"
	reasonProvider        = "provider_failed"
	reasonUnavailable     = "unavailable"
	reasonInternal        = "internal"
	reasonConflict        = "conflict"
	reasonOtherAccount    = "wrong_account"
	reasonMalformed       = "malformed"
	reasonMethod          = "method_not_allowed"
	reasonSecondPerson    = "second_person_needed"
	reasonChange          = "change_not_possible"
	reasonImport          = "import_refused"
)

// Problem is an error answer (RFC 9457, application/problem+json).
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	Type       string       `json:"type" doc:"Stable URI of the kind of problem" example:"urn:callctl:problem:permission_expired"`
	Title      string       `json:"title" doc:"The HTTP status in words"`
	Status     int          `json:"status" doc:"The HTTP status"`
	Detail     string       `json:"detail,omitempty" doc:"What happened and what to do, for a person"`
	Reason     string       `json:"reason" doc:"The machine word; for a refusal the reason of the gate, the same as in SIP and in the audit"`
	RetryAfter time.Time    `json:"retryAfter,omitzero" doc:"The earliest time at which the answer could change"`
	Errors     []FieldError `json:"errors,omitempty" doc:"What is wrong with the request; never repeats what was sent"`
	DecisionID string       `json:"decisionId,omitempty" doc:"The audited decision behind a refusal"`

	Decision *permissions.Decision    `json:"decision,omitempty" doc:"The decision behind a refusal, with every rule"`
	Import   *compliance.ImportReport `json:"import,omitempty" doc:"Why an import was refused, line by line"`
}

// FieldError says what is wrong at one place of a request. It never holds the
// rejected value, which may be a phone number.
type FieldError struct {
	Location string `json:"location,omitempty" doc:"Where, such as body.user or query.limit"`
	Reason   string `json:"reason,omitempty" doc:"The machine word, where there is one" example:"number_too_short"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Reason }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError: Retry-After, in seconds, where
// waiting helps.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch {
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	case p.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="callctl"`)
	case !p.RetryAfter.IsZero():
		h.Set("Retry-After", strconv.FormatInt(max(1, int64(time.Until(p.RetryAfter)/time.Second)), 10))
	}
	return h
}

func problem(status int, reason, detail string) *Problem {
	return &Problem{Type: problemType + reason, Title: http.StatusText(status), Status: status, Detail: detail, Reason: reason}
}

// refused turns a decision that says no into 403.
func refused(d permissions.Decision) *Problem {
	p := problem(http.StatusForbidden, string(d.Reason), hint(d.Reason))
	p.RetryAfter, p.DecisionID = utc(d.RetryAfter), d.ID
	if len(d.Rules) > 0 {
		p.Decision = &d
	}
	return p
}

// asProblem turns any error into a problem, without the error's own words unless
// they are ours: they may hold what was sent.
func (s *Server) asProblem(ctx context.Context, err error) *Problem {
	var p *Problem
	var r *permissions.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &r):
		return refused(r.Decision)
	}
	if p := known(err); p != nil {
		return p
	}
	if storeFailed(err) {
		s.cfg.Logger.WarnContext(ctx, "store failed", "error", mask(err.Error()))
		return problem(http.StatusServiceUnavailable, reasonUnavailable, "The database did not take the request; try again.")
	}
	s.cfg.Logger.ErrorContext(ctx, "request failed", "error", mask(err.Error()))
	return problem(http.StatusInternalServerError, reasonInternal, "The request failed; the daemon's log says why.")
}

// storeFailed tells a database that could not do its work from a fact that it
// would never take: lock, full disk, I/O error and deadline, but no constraint.
func storeFailed(err error) bool {
	const constraint = 19 // SQLITE_CONSTRAINT, primary result code
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, audit.ErrFailed) {
		return true
	}
	var code interface{ Code() int }
	return errors.As(err, &code) && code.Code()&0xff != constraint
}

// noBody is what huma says, without a field, of a body that is missing or empty.
const noBody = "request body is required"

// ours replaces huma's error bodies, which repeat the rejected value, by ours.
func ours(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(e.Status, reasonFor(e.Status), "The request does not have the documented shape.")
	if e.Status >= http.StatusInternalServerError {
		p.Detail = "The request failed."
		return p, nil
	}
	if e.Detail == noBody {
		p.Detail = "The request has no body, or an empty one."
	}
	for _, d := range e.Errors {
		if d != nil {
			p.Errors = append(p.Errors, fieldError(d))
		}
	}
	return p, nil
}

func reasonFor(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return reasonTooLarge
	case http.StatusUnsupportedMediaType:
		return reasonMediaType
	case http.StatusNotFound:
		return reasonNotFound
	}
	if status >= http.StatusInternalServerError {
		return reasonInternal
	}
	return reasonInvalid
}

// fieldError keeps of huma's complaint what the sender did not write: an unknown
// key is named by its parent, the words of parsers are dropped.
func fieldError(d *huma.ErrorDetail) FieldError {
	f := FieldError{Location: mask(d.Location), Message: mask(d.Message)}
	missing, isMissing := strings.CutPrefix(d.Message, "expected required property ")
	switch {
	case isMissing: // the name is the document's, not the sender's
		name, _, _ := strings.Cut(missing, " ")
		return FieldError{Location: mask(d.Location) + "." + name, Message: "is missing"}
	case d.Message == "unexpected property":
		f.Location = "body" + strings.TrimPrefix(mask(parent(d.Location)), "body")
	case d.Location == "body":
		f.Message = "not valid JSON of the documented shape"
	}
	if v, ok := d.Value.(string); ok && v != "" && strings.Contains(f.Message, v) {
		f.Message = "not a valid value"
	}
	return f
}

func parent(location string) string {
	i := strings.LastIndexByte(location, '.')
	if i < 0 {
		return ""
	}
	return location[:i]
}

// mask removes what could be a phone number or an id made of digits.
func mask(s string) string { return digitRuns.ReplaceAllString(s, "…") }

func writeProblem(w http.ResponseWriter, p *Problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) //nolint:errchkjson // the client went away, nothing to add
}

// digitRuns are five digits or more, also with separators between.
var digitRuns = regexp.MustCompile(`\+?\d(?:[ .\-]?\d){4,}`)
