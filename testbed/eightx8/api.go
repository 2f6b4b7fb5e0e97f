package eightx8

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// apiError is 8x8's error body.
type apiError struct {
	status  int
	code    int
	message string

	retryAfter time.Duration
}

// accepted is a message that was queued, and what will become of it.
type accepted struct {
	msisdn, umid string
	clientID     any
	failing      int // 8x8's code, 0 for none
}

type endpoint func(r *http.Request, body map[string]any) (any, *apiError)

// Handler serves POST /api/v1/subaccounts/{sub}/messages and callPermissions.
func (f *Fake) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/subaccounts/{sub}/messages", f.serve(f.messages))
	mux.Handle("GET /api/v1/whatsapp/subaccounts/{sub}/channels/{channel}/callPermissions",
		f.serve(f.callPermissions))
	mux.Handle("/", f.serve(func(*http.Request, map[string]any) (any, *apiError) {
		return nil, &apiError{status: http.StatusNotFound, code: 1300, message: "Not found"}
	}))
	return mux
}

// serve records a request, checks its key, and writes the answer.
func (f *Fake) serve(next endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived := time.Now()
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		var body map[string]any
		malformed := len(raw) > 0 && json.Unmarshal(raw, &body) != nil
		record := &Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: body, Raw: raw, Time: arrived,
		}
		f.mu.Lock()
		f.requests = append(f.requests, record)
		f.mu.Unlock()
		answer, refused := f.answer(r, body, malformed, next)
		message, sent := answer.(accepted)
		status := http.StatusOK
		switch {
		case refused != nil:
			status = refused.status
			answer = map[string]any{
				"code": refused.code, "message": refused.message,
				"errorId": uuid.NewString(), "timestamp": isoTime(time.Now()),
			}
			if refused.retryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(refused.retryAfter/time.Second)))
			}
		case sent:
			answer = map[string]any{
				"umid": message.umid, "user": map[string]any{"msisdn": message.msisdn}, "clientMessageId": message.clientID,
				"status": map[string]any{"state": "queued", "timestamp": isoTime(time.Now())},
			}
		}
		f.answered(record, status)
		write(w, status, answer)
		if sent {
			f.afterwards(context.WithoutCancel(r.Context()), message.msisdn, message.umid, message.failing, f.settings().MessageStatuses)
		}
	})
}

// write answers at once, so that what follows the answer does follow it.
func write(w http.ResponseWriter, status int, answer any) {
	raw, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
	_ = http.NewResponseController(w).Flush()
}

func (f *Fake) answered(r *Request, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Status = status
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Fake) answer(r *http.Request, body map[string]any, malformed bool, next endpoint) (any, *apiError) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(key), []byte(f.cfg.Key)) != 1 || f.cfg.Key == "" {
		return nil, &apiError{status: http.StatusUnauthorized, code: 1200, message: "Unauthorized"}
	}
	if sub := r.PathValue("sub"); sub != "" && sub != f.cfg.SubAccount {
		return nil, &apiError{status: http.StatusNotFound, code: 1300, message: "Subaccount not found"}
	}
	if fault := f.faultOf(r.URL.Path); fault != nil {
		return nil, fault
	}
	if malformed {
		return nil, invalid("Invalid JSON")
	}
	return next(r, body)
}

// messages answers POST messages: templates, interactive call permission
// requests and free text. 8x8 queues what it can read; what WhatsApp then refuses
// comes as a status of the message.
func (f *Fake) messages(_ *http.Request, body map[string]any) (any, *apiError) {
	msisdn := text(body, "user", "msisdn")
	if id := text(body, "user", "channelUserId"); msisdn == "" && id != "" {
		msisdn = f.numberOf(id)
	}
	if !isMSISDN(msisdn) {
		return nil, &apiError{status: http.StatusBadRequest, code: 1002, message: "Invalid MSISDN"}
	}
	if id := text(body, "clientMessageId"); len(id) > 50 {
		return nil, invalid("clientMessageId is longer than 50 characters")
	}
	request, freeForm := false, true
	switch text(body, "type") {
	case "template":
		if text(body, "content", "template", "name") == "" || text(body, "content", "template", "language") == "" {
			return nil, invalid("content.template needs name and language")
		}
		request, freeForm = true, false
	case "interactive":
		request = text(body, "content", "interactive", "type") == "call_permission_request"
	case "text":
		if text(body, "content", "text") == "" {
			return nil, invalid("content.text is required")
		}
	default:
		return nil, invalid("Unknown type")
	}
	message := accepted{msisdn: msisdn, umid: uuid.NewString(), clientID: body["clientMessageId"]}
	message.failing = f.fate(msisdn, message.umid, text(body, "content", "template", "name"), request, freeForm)
	return message, nil
}

func invalid(why string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: 1001, message: why}
}

// numberOf is the phone number of the user with a BSUID, "" when nobody has it.
func (f *Fake) numberOf(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for msisdn, u := range f.users {
		if u.identity.UserID == id {
			return msisdn
		}
	}
	return ""
}

// fate counts a message and returns the code with which it will fail, 0 for none.
func (f *Fake) fate(msisdn, umid, template string, request, freeForm bool) int {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u, limits := f.user(msisdn), f.cfg.Limits
	switch {
	case u.failing != 0:
		return u.failing
	case freeForm && !now.Before(u.windowEnds):
		return 1022
	case u.noMarketing && f.categories[template] == "MARKETING":
		return 1051
	case !request:
		return 0
	case f.restricted(now):
		return 138014
	case u.permission(now) == "permanent":
		return 1052
	case reached(within(u.requests, now, day), limits.RequestsPerDay) ||
		reached(within(u.requests, now, week), limits.RequestsPerWeek):
		return 1053
	}
	u.request, u.requests = umid, append(u.requests, now)
	return 0
}

// isMSISDN is true of + and 5 to 15 digits.
func isMSISDN(number string) bool {
	digits, plus := strings.CutPrefix(number, "+")
	return plus && len(digits) >= 5 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// text is the string at the path of keys, empty when there is none.
func text(body map[string]any, keys ...string) string {
	var value any = body
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = object[key]
	}
	s, _ := value.(string)
	return s
}

// isoTime is the form of 8x8's times: ISO 8601 in UTC with two digits of seconds'
// fraction.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.00Z") }
