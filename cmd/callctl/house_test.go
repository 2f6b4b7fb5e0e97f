package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module    = "github.com/callctl/callctl"
	root      = "../.."
	longest   = 500 // lines of a Go file
	oneScreen = 60  // lines of the README
)

// house says for each folder how high it stands. A package imports only from
// lower layers, and from nothing of its own layer unless sameLayer says so.
//
// docs/architecture.md shows the same picture.
func house() map[string]int {
	return map[string]int{
		"geo": 0, "compliance/audit": 0, "migrations": 0,
		"media/opus": 0, "media/g711": 0, "media/record": 0,
		"media": 1, "permissions": 1,
		"permissions/callback": 2, "permissions/readback": 2, "sipbridge": 2,
		"provider":      3,                                         // what a provider is
		"provider/meta": 4, "provider/eightx8": 4, "compliance": 4, // adapters and reports
		"server/notify":              4, // outgoing webhooks
		"server/console":             4, // the web console, a client of the API
		"server":                     5,
		"cmd/callctl":                6,
		"compliance/audit/audittest": 1, // for tests alone
		"deploy":                     0, // no code: the unit, the container file and their tests
	}
}

// forTests says whether a folder exists for tests alone, as net/http/httptest does.
func forTests(folder string) bool { return strings.HasSuffix(folder, "test") }

// listed is a package as the go command lists it.
type listed struct {
	ImportPath   string
	Dir          string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func (p listed) folder() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json", "./...")
	cmd.Dir = root
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	require.NoError(t, cmd.Run(), errOut.String())
	var list []listed
	for d := json.NewDecoder(&out); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		list = append(list, p)
	}
	require.Greater(t, len(list), 10)
	return list
}

func ours(imports []string) []string {
	var list []string
	for _, i := range imports {
		if folder, ok := strings.CutPrefix(i, module+"/"); ok {
			list = append(list, folder)
		}
	}
	return list
}

// TestImportGraph holds who may import whom: arrows go down, the two cores of
// consent and calls never meet, and the fakes share no code with the domain.
func TestImportGraph(t *testing.T) {
	layers := house()
	for _, p := range packages(t) {
		from := p.folder()
		if from == "testbed" || strings.HasPrefix(from, "testbed/") {
			for _, to := range ours(slices.Concat(p.Imports, p.TestImports, p.XTestImports)) {
				require.True(t, to == "testbed" || strings.HasPrefix(to, "testbed/"), "%s imports %s: a fake that shares code with what it tests shares its bugs", from, to)
			}
			continue
		}
		layer, ok := layers[from]
		require.True(t, ok, "%s has no place in the house: give it a layer here and in docs/architecture.md", from)
		for _, to := range ours(p.Imports) {
			if strings.HasPrefix(to, "testbed/") {
				require.Equal(t, "cmd/callctl", from, "only the demo uses %s", to)
				continue
			}
			require.False(t, forTests(to), "%s imports %s, which is for tests alone", from, to)
			below, ok := layers[to]
			require.True(t, ok, "%s imports %s, which has no place in the house", from, to)
			require.Less(t, below, layer, "%s imports %s: an arrow that goes up", from, to)
		}
	}
}

// TestConsentAndCallsNeverMeet looks at everything below the two, tests included.
func TestConsentAndCallsNeverMeet(t *testing.T) {
	for _, p := range packages(t) {
		all := ours(slices.Concat(p.Imports, p.TestImports, p.XTestImports))
		switch p.folder() {
		case "permissions", "permissions/callback":
			require.NotContains(t, all, "sipbridge")
			require.NotContains(t, all, "media")
		case "sipbridge", "media":
			require.NotContains(t, all, "permissions")
			require.NotContains(t, all, "permissions/callback")
		}
	}
}

// TestDriversAndLibrariesStayInTheirRooms names the one folder that may know a
// library whose types would otherwise spread.
func TestDriversAndLibrariesStayInTheirRooms(t *testing.T) {
	rooms := map[string][]string{
		"github.com/emiago/sipgo":          {"sipbridge"},
		"github.com/pion/":                 {"media"},
		"github.com/thesyncim/gopus":       {"media/opus"},
		"github.com/danielgtaylor/huma/v2": {"server"},
		"github.com/nyaruka/phonenumbers":  {"geo"},
		"github.com/alecthomas/kong":       {"cmd/callctl"},
		"modernc.org/sqlite":               {"migrations", "cmd/callctl"},
	}
	for _, p := range packages(t) {
		if strings.HasPrefix(p.folder(), "testbed") {
			continue
		}
		for _, i := range p.Imports {
			for library, allowed := range rooms {
				if strings.HasPrefix(i, library) {
					require.Contains(t, allowed, p.folder(), "%s imports %s", p.folder(), i)
				}
			}
		}
	}
}

func TestPackageNamesSaySomething(t *testing.T) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "manager", "service", "services", "data", "info", "types", "defs", "misc", "base", "shared", "pkg", "internal"}
	for _, p := range packages(t) {
		for word := range strings.SplitSeq(p.folder(), "/") {
			require.NotContains(t, empty, word, "%s names nothing", p.folder())
		}
		require.NotContains(t, empty, p.Name)
	}
}

// TestPackageDocs fails for a package whose comment does not say what it is.
func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		var doc strings.Builder
		for _, name := range p.GoFiles {
			tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			require.NoError(t, err)
			doc.WriteString(docText(tree))
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		require.True(t, strings.HasPrefix(doc.String(), want), "%s: the package comment begins %q", p.folder(), want)
	}
}

func docText(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}

func TestFileLength(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			require.LessOrEqual(t, lines(t, filepath.Join(p.Dir, name)), longest, "%s/%s: split it by noun", p.folder(), name)
		}
	}
}

func lines(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return bytes.Count(b, []byte("\n"))
}

// pages are the repository's Markdown files, with slashes, from the root.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		require.NoError(t, err)
		list = append(list, found...)
	}
	require.Contains(t, list, "README.md")
	return list
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the local targets of a page, from the root, without fragments.
func links(t *testing.T, page string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	var list []string
	for _, m := range link.FindAllStringSubmatch(string(b), -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target != "" && !strings.Contains(target, "://") {
			list = append(list, path.Join(path.Dir(page), target))
		}
	}
	return list
}

// TestDocsLinks follows every local link, and finds every page from the README.
func TestDocsLinks(t *testing.T) {
	all := pages(t)
	seen := map[string]bool{"README.md": true}
	for _, page := range all {
		for _, target := range links(t, page) {
			_, err := os.Stat(filepath.Join(root, target))
			require.NoError(t, err, "%s links to %s", page, target)
		}
	}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, target := range links(t, queue[0]) {
			if strings.HasSuffix(target, ".md") && !seen[target] {
				seen[target] = true
				queue = append(queue, target)
			}
		}
	}
	for _, page := range all {
		require.True(t, seen[page], "no way leads from the README to %s", page)
	}
}

func TestReadmeIsOneScreen(t *testing.T) {
	require.LessOrEqual(t, lines(t, filepath.Join(root, "README.md")), oneScreen)
}

var (
	shellLine  = regexp.MustCompile(`^(?:go run \./cmd/callctl|\$?callctl|\./callctl) (.+?)(?:\s+#.*)?$`)
	makeTarget = regexp.MustCompile("(?m)^(?:`)?make ([a-z]+)")
)

// TestDocsCommandsExist parses every callctl line of the README and the manual as
// the program would, and finds every make target.
func TestDocsCommandsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, page := range pages(t) {
		b, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for _, m := range makeTarget.FindAllStringSubmatch(string(b), -1) {
			require.Contains(t, string(makefile), "\n"+m[1]+":", "%s: make %s", page, m[1])
		}
		for _, line := range codeLines(b) {
			m := shellLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			requireParses(t, page, m[1])
		}
	}
}

// codeLines are the lines within fences.
func codeLines(b []byte) []string {
	var list []string
	inside := false
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if inside {
			list = append(list, strings.TrimPrefix(line, "$ "))
		}
	}
	return list
}

func requireParses(t *testing.T, page, args string) {
	t.Helper()
	args, _, _ = strings.Cut(args, " | ")
	args = regexp.MustCompile(`--config \S+`).ReplaceAllString(args, "--config "+filepath.Join(root, "callctl.example.yaml"))
	var c cli
	parser, err := newParser(&c, &terminal{Out: io.Discard, Err: io.Discard}, func(int) {})
	require.NoError(t, err)
	_, err = parser.Parse(strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(args)))
	require.NoError(t, err, "%s: callctl %s", page, args)
}
