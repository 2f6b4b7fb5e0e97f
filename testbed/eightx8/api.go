package eightx8

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// apiError is 8x8's error body.
type apiError struct {
	status  int
	code    int
	message string
}

type endpoint func(r *http.Request, body map[string]any) (any, *apiError)

// Handler serves POST /api/v1/subaccounts/{sub}/messages and callPermissions.
func (f *Fake) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/subaccounts/{sub}/messages", f.serve(f.messages))
	mux.Handle("GET /api/v1/whatsapp/subaccounts/{sub}/channels/{channel}/callPermissions",
		f.serve(f.callPermissions))
	mux.Handle("/", f.serve(func(*http.Request, map[string]any) (any, *apiError) {
		return nil, &apiError{http.StatusNotFound, 1300, "Not found"}
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
		status := http.StatusOK
		if refused != nil {
			status = refused.status
			answer = map[string]any{
				"code": refused.code, "message": refused.message,
				"errorId": uuid.NewString(), "timestamp": isoTime(time.Now()),
			}
		}
		f.answered(record, status)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	})
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
		return nil, &apiError{http.StatusUnauthorized, 1200, "Unauthorized"}
	}
	if sub := r.PathValue("sub"); sub != "" && sub != f.cfg.SubAccount {
		return nil, &apiError{http.StatusNotFound, 1300, "Subaccount not found"}
	}
	if malformed {
		return nil, &apiError{http.StatusBadRequest, 1001, "Invalid JSON"}
	}
	return next(r, body)
}

// messages answers POST messages: templates, interactive call permission
// requests and free text.
func (f *Fake) messages(_ *http.Request, body map[string]any) (any, *apiError) {
	msisdn := text(body, "user", "msisdn")
	if !isMSISDN(msisdn) {
		return nil, &apiError{http.StatusBadRequest, 1002, "Invalid MSISDN"}
	}
	if id := text(body, "clientMessageId"); len(id) > 50 {
		return nil, &apiError{http.StatusBadRequest, 1001, "clientMessageId is longer than 50 characters"}
	}
	now, umid, request := time.Now(), uuid.NewString(), false
	switch text(body, "type") {
	case "template":
		if text(body, "content", "template", "name") == "" || text(body, "content", "template", "language") == "" {
			return nil, &apiError{http.StatusBadRequest, 1001, "content.template needs name and language"}
		}
		request = true
	case "interactive":
		request = text(body, "content", "interactive", "type") == "call_permission_request"
	case "text":
		if text(body, "content", "text") == "" {
			return nil, &apiError{http.StatusBadRequest, 1001, "content.text is required"}
		}
	default:
		return nil, &apiError{http.StatusBadRequest, 1001, "Unknown type"}
	}
	if request {
		f.mu.Lock()
		u := f.user(msisdn)
		u.request, u.requests = umid, append(u.requests, now)
		f.mu.Unlock()
	}
	return map[string]any{
		"umid": umid, "user": map[string]any{"msisdn": msisdn}, "clientMessageId": body["clientMessageId"],
		"status": map[string]any{"state": "queued", "timestamp": isoTime(now)},
	}, nil
}

// callPermissions answers the permission query (8x8 pages, 2026-07-16).
func (f *Fake) callPermissions(r *http.Request, _ map[string]any) (any, *apiError) {
	if r.PathValue("channel") != f.cfg.Channel {
		return nil, &apiError{http.StatusNotFound, 1300, "Channel not found"}
	}
	msisdn := r.URL.Query().Get("destination")
	if !isMSISDN(msisdn) {
		return nil, &apiError{http.StatusBadRequest, 1002, "Invalid MSISDN"}
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(msisdn)
	status := u.status
	if status == "" || status == "temporary" && !now.Before(u.expires) {
		status = "not_granted"
	}
	inDay, inWeek := within(u.requests, now, 24*time.Hour), within(u.requests, now, 7*24*time.Hour)
	answer := map[string]any{"status": status, "actions": []any{
		map[string]any{
			"actionName":       "send_call_permission_request",
			"canPerformAction": inDay < 1 && inWeek < 2 && status != "permanent",
			"limits":           []any{limit("PT24H", 1, inDay), limit("P7D", 2, inWeek)},
		},
		map[string]any{
			"actionName": "start_call", "canPerformAction": status != "not_granted",
			"limits": []any{limit("PT24H", 100, 0)},
		},
	}}
	if status == "temporary" {
		answer["expirationTime"] = isoTime(u.expires)
	}
	return answer, nil
}

func limit(period string, most, used int) map[string]any {
	return map[string]any{"timePeriod": period, "maxAllowed": most, "currentUsage": used}
}

func within(times []time.Time, now time.Time, period time.Duration) int {
	n := 0
	for _, t := range times {
		if now.Sub(t) < period {
			n++
		}
	}
	return n
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
