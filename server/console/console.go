// Package console is the built-in web console: one page on which an operator
// looks around a running daemon.
//
// It is a static client of the HTTP API and knows nothing else of callctl: HTML,
// CSS and ES modules as they were written, embedded in the binary, without a
// build step and without anything from elsewhere. The operator signs in with an
// API token. The page keeps it in sessionStorage, so it ends with the tab, and
// sends it in the Authorization header alone: never in a URL, which would be
// logged, and never in a cookie, which other sites could use.
//
// What the API answers is hostile text, because WhatsApp users choose names and
// callers write headers. The page writes it with textContent, and the policy that
// [Handler] sends would stop a script even if it did not.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"time"
)

// Prefix is the path below which [Handler] answers.
const Prefix = "/console/"

// policy lets the page use its own files and the API of its own origin, and
// nothing else. frame-ancestors keeps others from framing it, form-action keeps
// a form from taking the token into a URL, and require-trusted-types-for makes
// the browser throw at every assignment that could become markup (W3C Content
// Security Policy Level 3, Trusted Types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"

//go:embed page
var files embed.FS

// asset is one embedded file as it is served.
type asset struct {
	mediaType string
	tag       string // entity tag, with quotes
	content   []byte
}

// Handler serves the page and its files below [Prefix], each with headers that
// confine it. It answers GET and HEAD; 405 to other methods, and 404 to a path
// that is not one of its files.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		confine(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The console is only read.", http.StatusMethodNotAllowed)
			return
		}
		a, ok := find(r.URL.Path)
		if !ok {
			http.Error(w, "The console has no such page.", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", a.mediaType)
		w.Header().Set("ETag", a.tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
	})
}

// confine sets what every answer carries, 404 included.
func confine(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // asked for again each time, so that page and daemon are of one version
}

// find is the file behind a URL path; only files directly in the folder exist.
func find(urlPath string) (asset, bool) {
	name, ok := strings.CutPrefix(urlPath, Prefix)
	if !ok || strings.Contains(name, "/") {
		return asset{}, false
	}
	if name == "" {
		name = "index.html"
	}
	mediaType, ok := mediaTypeOf(path.Ext(name))
	if !ok {
		return asset{}, false
	}
	content, err := files.ReadFile("page/" + name)
	if err != nil {
		return asset{}, false
	}
	sum := sha256.Sum256(content)
	return asset{mediaType: mediaType, tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, content: content}, true
}

// mediaTypeOf does not ask the machine's tables, which may map .js to text/plain;
// a browser that heeds nosniff would then run nothing.
func mediaTypeOf(ext string) (string, bool) {
	switch ext {
	case ".html":
		return "text/html; charset=utf-8", true
	case ".css":
		return "text/css; charset=utf-8", true
	case ".js":
		return "text/javascript; charset=utf-8", true
	case ".svg":
		return "image/svg+xml", true
	default:
		return "", false
	}
}
