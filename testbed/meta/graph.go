package meta

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// graphError is Meta's error body (protocol: Meta "error codes").
type graphError struct {
	status  int
	Code    int    `json:"code"`
	Subcode int    `json:"error_subcode,omitempty"`
	Type    string `json:"type"`
	Message string `json:"message"`
	details string

	retryAfter time.Duration
}

// refusal is an error with Meta's code; details say what a developer may read.
func refusal(status, code int, message, details string) *graphError {
	return &graphError{status: status, Code: code, Type: "OAuthException", Message: message, details: details}
}

// invalidParameter is Meta's code 100 with the subcode of the calls endpoint.
func invalidParameter(details string) *graphError {
	e := refusal(http.StatusBadRequest, 100, "Invalid parameter", details)
	e.Subcode = 2494010
	return e
}

func (e *graphError) body() map[string]any {
	body := map[string]any{
		"message": e.Message, "type": e.Type, "code": e.Code, "is_transient": false,
		"fbtrace_id": "A" + mintWamid()[6:20],
	}
	if e.Subcode != 0 {
		body["error_subcode"] = e.Subcode
	}
	if e.details != "" {
		body["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": e.details}
	}
	return map[string]any{"error": body}
}

// endpoint answers one request: a body for 200, or a refusal.
type endpoint func(r *http.Request, body map[string]any) (any, *graphError)

// Handler serves POST /{ver}/{pnid}/messages, /calls, GET call_permissions and
// settings.
func (f *Fake) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /{version}/{number}/messages", f.serve(f.messages))
	mux.Handle("POST /{version}/{number}/calls", f.serve(f.callAction))
	mux.Handle("GET /{version}/{number}/call_permissions", f.serve(f.callPermissions))
	mux.Handle("GET /{version}/{number}/settings", f.serve(f.readSettings))
	mux.Handle("/", f.serve(func(*http.Request, map[string]any) (any, *graphError) {
		return nil, refusal(http.StatusBadRequest, 2500, "Unknown path components", "")
	}))
	return mux
}

// serve records a request, checks its token and number, and writes the answer.
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
		record := f.record(&Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: body, Raw: raw, Time: arrived,
		})
		answer, refused := f.answer(r, body, malformed, next)
		status := http.StatusOK
		if refused != nil {
			status, answer = refused.status, refused.body()
			if refused.retryAfter > 0 {
				w.Header().Set("Retry-After", seconds(refused.retryAfter))
			}
		}
		f.answered(record, status)
		if answer == connectionLost {
			panicless(w)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// connectionLost is the answer that never arrives.
const connectionLost = "connection lost"

// panicless drops the connection without an answer, as a lost network does.
func panicless(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (f *Fake) answer(r *http.Request, body map[string]any, malformed bool, next endpoint) (any, *graphError) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(f.cfg.Token)) != 1 || f.cfg.Token == "" {
		return nil, refusal(http.StatusUnauthorized, 190, "Invalid OAuth access token - Cannot parse access token", "")
	}
	if number := r.PathValue("number"); number != "" && number != f.cfg.PhoneNumberID {
		e := refusal(http.StatusBadRequest, 100, "Unsupported "+strings.ToLower(r.Method)+
			" request. Object with this ID does not exist, cannot be loaded due to missing permissions", "")
		e.Subcode, e.Type = 33, "GraphMethodException"
		return nil, e
	}
	if fault := f.faultOf(path.Base(r.URL.Path)); fault != nil {
		return nil, fault
	}
	if malformed {
		return nil, invalidParameter("The request body is no JSON object")
	}
	if r.Method == http.MethodPost && text(body, "messaging_product") != "whatsapp" {
		return nil, invalidParameter("messaging_product must be whatsapp")
	}
	return next(r, body)
}

func (f *Fake) record(r *Request) *Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	return r
}

func (f *Fake) answered(r *Request, status int) {
	f.mu.Lock()
	r.Status = status
	f.mu.Unlock()
	f.signal()
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
