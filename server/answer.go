package server

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// answer holds back a response until it is kept.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answer) kept() keptAnswer {
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	return keptAnswer{
		status: status, contentType: a.header.Get("Content-Type"), location: a.header.Get("Location"),
		body: a.body.Bytes(),
	}
}

// keptAnswer is what is stored of an answer.
type keptAnswer struct {
	status                int
	contentType, location string
	body                  []byte
}

func (a *keptAnswer) headers() string {
	b, err := json.Marshal(map[string]string{"Content-Type": a.contentType, "Location": a.location})
	if err != nil {
		return "{}"
	}
	return string(b)
}

func (a *keptAnswer) setHeaders(s string) error {
	var h map[string]string
	err := json.Unmarshal([]byte(s), &h)
	a.contentType, a.location = h["Content-Type"], h["Location"]
	return err
}

func (a *keptAnswer) writeTo(w http.ResponseWriter) {
	h := w.Header()
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	h.Set("Idempotent-Replayed", "true")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
