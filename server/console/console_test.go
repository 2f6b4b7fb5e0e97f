package console_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callctl/callctl/server/console"
)

func get(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// pageFiles are the names in the folder, whether embedded or not.
func pageFiles(t *testing.T) []string {
	t.Helper()
	found, err := fs.ReadDir(os.DirFS("page"), ".")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	names := make([]string, 0, len(found))
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// directives of a policy, by name.
func directives(policy string) map[string]string {
	m := map[string]string{}
	for d := range strings.SplitSeq(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		m[name] = value
	}
	return m
}

func TestEveryAnswerIsConfined(t *testing.T) {
	for _, path := range []string{"/console/", "/console/console.js", "/console/nothing.js", "/console/../v1/calls", "/"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			h := get(t, method, path).Header
			require.Equal(t, map[string]string{
				"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "img-src": "'self'",
				"frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'none'", "require-trusted-types-for": "'script'",
			}, directives(h.Get("Content-Security-Policy")), "%s %s", method, path)
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			require.Equal(t, "DENY", h.Get("X-Frame-Options"))
			require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
			require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
			require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"))
			require.Equal(t, "no-cache", h.Get("Cache-Control"))
			require.Empty(t, h.Values("Set-Cookie"))
			require.Empty(t, h.Values("Access-Control-Allow-Origin"))
		}
	}
}

func TestEveryFileOfThePageIsServed(t *testing.T) {
	types := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, name := range pageFiles(t) {
		want, err := os.ReadFile(filepath.Join("page", name))
		require.NoError(t, err)
		r := get(t, http.MethodGet, console.Prefix+name)
		require.Equal(t, http.StatusOK, r.StatusCode, name)
		require.Equal(t, types[filepath.Ext(name)], r.Header.Get("Content-Type"), name)
		require.Equal(t, string(want), body(t, r), name)

		again := get(t, http.MethodGet, console.Prefix+name, "If-None-Match", r.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode, name)
	}
	require.Equal(t, body(t, get(t, http.MethodGet, "/console/index.html")), body(t, get(t, http.MethodGet, "/console/")))
}

func TestOtherPathsAndMethods(t *testing.T) {
	for _, path := range []string{
		"/", "/console", "/console/nothing", "/console/nothing.js", "/console/page/index.html", "/console//index.html",
		"/console/../console.go", "/console/console.go", "/console/.", "/console/..", "/console/index.html/", "/elsewhere/console/",
	} {
		require.Equal(t, http.StatusNotFound, get(t, http.MethodGet, path).StatusCode, path)
	}
	r := get(t, http.MethodPost, "/console/")
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
	r = get(t, http.MethodHead, "/console/")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Empty(t, body(t, r))
}

// TestThePageObeysItsPolicy reads the sources: a browser would refuse what this
// finds, and the page would be broken there.
func TestThePageObeysItsPolicy(t *testing.T) {
	never := map[string]*regexp.Regexp{
		"a script or style within the page":   regexp.MustCompile(`(?i)<script(?:[^>]*\ssrc=)?[^>]*>[^<]|<style|\sstyle=|\son[a-z]+\s*=|javascript:`),
		"a resource from elsewhere":           regexp.MustCompile(`(?i)(?:src|href|from|import|url)\s*[=(]?\s*["']?(?:https?:)?//`),
		"a sink that makes markup or code":    regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\b|new Function|createContextualFragment|setHTML`),
		"a token where it lasts or is logged": regexp.MustCompile(`document\.cookie|localStorage|indexedDB|console\.(?:log|debug|info|error)|location\.(?:hash|search|href)|pushState|replaceState`),
	}
	for _, name := range pageFiles(t) {
		content := body(t, get(t, http.MethodGet, console.Prefix+name))
		for what, pattern := range never {
			require.NotRegexp(t, pattern, content, "%s holds %s", name, what)
		}
	}
}

// TestThePageNamesItsFiles follows every src, href and import.
func TestThePageNamesItsFiles(t *testing.T) {
	names := regexp.MustCompile(`(?:src=|href=|from )"(?:\./)?([^"]+)"`)
	used := map[string]bool{"index.html": true}
	for _, name := range pageFiles(t) {
		for _, m := range names.FindAllStringSubmatch(body(t, get(t, http.MethodGet, console.Prefix+name)), -1) {
			require.Equal(t, http.StatusOK, get(t, http.MethodGet, console.Prefix+m[1]).StatusCode, "%s uses %s", name, m[1])
			used[m[1]] = true
		}
	}
	for _, name := range pageFiles(t) {
		require.True(t, used[name], "nothing uses %s", name)
	}
}
