package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClientFollowsPages reads a listing of many pages, and stops at the limit.
func TestClientFollowsPages(t *testing.T) {
	const total = 523
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		to := min(from+limit, total)
		fmt.Fprint(w, `{"items":[`)
		for i := from; i < to; i++ {
			if i > from {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"user":"u%d","since":"=1+1"}`, i)
		}
		fmt.Fprint(w, `]`)
		if to < total {
			fmt.Fprintf(w, `,"nextCursor":"%d"`, to)
		}
		fmt.Fprint(w, `}`)
	}))
	defer s.Close()
	for limit, want := range map[string]int{"0": total, "1": 1, "200": 200, "201": 201, "600": total} {
		var out bytes.Buffer
		require.Equal(t, exitDone, run(t.Context(), []string{"dnc", "list", "--limit", limit, "-o", "jsonl", "--url", s.URL}, nil, &out, io.Discard))
		require.Equal(t, want, bytes.Count(out.Bytes(), []byte("\n")), limit)
	}
	var out bytes.Buffer
	asked = 0
	require.Equal(t, exitDone, run(t.Context(), []string{"dnc", "list", "--limit", "1", "-o", "csv", "--url", s.URL}, nil, &out, io.Discard))
	require.Equal(t, 1, asked)
	require.Equal(t, "user,since,source,scope,brand,purpose,actor,reason\nu0,'=1+1,,,,,,\n", out.String(), "no formula reaches a spreadsheet")
}

func TestClientExitCodes(t *testing.T) {
	var status int
	var kind, body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	for _, c := range []struct {
		status int
		body   string
		code   int
		want   string
	}{
		{403, `{"reason":"permission_expired","detail":"ask again","retryAfter":"2026-11-23T10:00:00Z"}`, exitFailed, "refused: permission_expired: ask again\n  hint: not before 2026-11-23T10:00:00Z\n"},
		{403, `{"reason":"x","detail":"a\u001b[31mb"}`, exitFailed, "refused: x: a [31mb\n"},
		{409, `{"reason":"conflict"}`, exitFailed, "refused: conflict: Conflict\n"},
		{422, `{"reason":"invalid_request","detail":"d","errors":[{"location":"body.at","message":"m"}]}`, exitUsage, "refused: invalid_request: d\n  body.at: m\n"},
		{429, `{"reason":"busy","detail":"d"}`, exitTryAgain, "refused: busy: d\n"},
		{503, `{"reason":"unavailable","detail":"d"}`, exitTryAgain, "failed: unavailable: d\n"},
		{502, `{"reason":"provider_failed","detail":"d"}`, exitFailed, "failed: provider_failed: d\n"},
		{500, `not JSON`, exitFailed, "failed: 500: the problem document is not readable\n"},
	} {
		status, kind, body = c.status, "application/problem+json", c.body
		var errOut bytes.Buffer
		require.Equal(t, c.code, run(t.Context(), []string{"calls", "list", "--url", s.URL}, nil, io.Discard, &errOut), c.body)
		require.Equal(t, c.want, errOut.String())
	}
	// A proxy before the daemon speaks HTML; its words are not repeated.
	status, kind, body = http.StatusBadGateway, "text/html", "<h1>secret</h1>"
	var errOut bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"calls", "list", "--url", s.URL}, nil, io.Discard, &errOut))
	require.Equal(t, "failed: 502: Bad Gateway\n", errOut.String())
}

// TestClientSendsTheTokenNowhereElse does not follow a redirect.
func TestClientSendsTheTokenNowhereElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer elsewhere.Close()
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	require.Equal(t, exitFailed, run(t.Context(), []string{"calls", "list", "--url", s.URL, "--token", "x"}, nil, io.Discard, io.Discard))
}

// TestExportRefusesAnotherPack keeps no file that is not what was announced.
func TestExportRefusesAnotherPack(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + r.URL.Path {
		case "POST/v1/exports":
			if r.Header.Get("Idempotency-Key") == "" {
				t.Error("a POST without Idempotency-Key")
			}
			fmt.Fprint(w, `{"id":"e1","state":"running"}`)
		case "GET/v1/exports/e1":
			fmt.Fprint(w, `{"id":"e1","state":"done","sha256":"00"}`)
		default:
			fmt.Fprint(w, "PK")
		}
	}))
	defer s.Close()
	dir := t.TempDir()
	var errOut bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"export", "--user", "+6591234567", "--file", filepath.Join(dir, "p.zip"), "--url", s.URL}, nil, io.Discard, &errOut))
	require.Contains(t, errOut.String(), "another SHA-256")
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestTailFollows prints what comes until it is interrupted.
func TestTailFollows(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var cursors []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/audit/checkpoint" {
			fmt.Fprint(w, `{"size":8}`)
			return
		}
		cursors = append(cursors, r.URL.Query().Get("cursor"))
		switch len(cursors) {
		case 1:
			fmt.Fprint(w, `{"items":[{"index":5},{"index":6},{"index":7}]}`)
		case 2:
			fmt.Fprint(w, `{"items":[]}`)
		case 3:
			fmt.Fprint(w, `{"items":[{"index":8}]}`)
			time.AfterFunc(100*time.Millisecond, stop)
		}
	}))
	defer s.Close()
	var out bytes.Buffer
	require.Equal(t, exitDone, run(ctx, []string{"audit", "tail", "-n", "3", "--follow", "--url", s.URL}, nil, &out, io.Discard))
	require.Equal(t, "{\"index\":5}\n{\"index\":6}\n{\"index\":7}\n{\"index\":8}\n", out.String())
	require.Equal(t, []string{"4", "7", "7"}, cursors)
}

// TestTailOfAKind finds the newest of a rare kind, however far back they are.
func TestTailOfAKind(t *testing.T) {
	var cursors []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/audit/checkpoint" {
			fmt.Fprint(w, `{"size":1000}`)
			return
		}
		after, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		cursors = append(cursors, strconv.Itoa(after))
		var found []string
		for _, index := range []int{7, 900, 940, 990} {
			if index > after {
				found = append(found, fmt.Sprintf(`{"index":%d}`, index))
			}
		}
		fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(found, ","))
	}))
	defer s.Close()
	for limit, want := range map[string]string{
		"2": "{\"index\":940}\n{\"index\":990}\n", "4": "{\"index\":7}\n{\"index\":900}\n{\"index\":940}\n{\"index\":990}\n",
		"50": "{\"index\":7}\n{\"index\":900}\n{\"index\":940}\n{\"index\":990}\n", "0": "",
	} {
		var out bytes.Buffer
		cursors = nil
		require.Equal(t, exitDone, run(t.Context(), []string{"audit", "tail", "-n", limit, "--kind", "x", "-o", "jsonl", "--url", s.URL}, nil, &out, io.Discard))
		require.Equal(t, want, out.String(), limit)
		require.LessOrEqual(t, len(cursors), 4, "it ends at the log's begin")
	}
}
