package console_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long the page may take to show something. It is shorter than
// the pause between two looks at everything (30 s), so what a test sees within it
// came by the event stream.
const patience = 15 * time.Second

// findChromium is the browser. Where peers are required (CI=true or
// CALLCTL_PEERS=required) its absence fails the test, elsewhere it skips.
func findChromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err == nil {
		return path
	}
	const what = "chromium is not installed: apt-get install chromium"
	if os.Getenv("CI") == "true" || os.Getenv("CALLCTL_PEERS") == "required" {
		require.FailNow(t, what)
	}
	t.Skip(what)
	return ""
}

// tab is a page in a real browser, with all that the browser complained about.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

func openTab(t *testing.T) *tab {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(findChromium(t)), chromedp.UserDataDir(profile(t))}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)

	b := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.heard))
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `window.violations = []; document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI))`,
	})
	require.NoError(t, err)
	return b
}

// profile is a fresh folder for the browser, whose children may still write for
// a moment after it ended.
func profile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir() + "/profile"
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, patience, 50*time.Millisecond)
	})
	return dir
}

// heard keeps exceptions, and what the browser itself logs as an error, except
// answers that are no success: the page is meant to meet those.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprint("exception: ", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
			b.errors = append(b.errors, fmt.Sprint(e.Entry.Source, ": ", e.Entry.Text))
		}
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return v
}

// wait waits until a JavaScript expression is true. It asks over and over,
// because a poll within the page would need the eval that the policy forbids.
func (b *tab) wait(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if evaluate[bool](b, "Boolean("+expression+")") {
			return
		}
		if time.Now().After(end) {
			require.Fail(b.t, "the page never came to it", "%s\n%s\n%v", expression, evaluate[string](b, "document.body.innerText"), b.complaints())
		}
	}
}

// rows are the texts of a panel's cells.
func (b *tab) rows(panel string) [][]string {
	b.t.Helper()
	return evaluate[[][]string](b, `[...document.querySelectorAll("#`+panel+` tbody tr")].map((r) => [...r.cells].map((c) => c.textContent))`)
}

// newest waits until the tail of the audit log begins with its newest entry, of a kind.
func (b *tab) newest(d *daemon, kind string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`((r) => r && r.cells[0].textContent === "%d" && r.cells[2].textContent === %q)(document.querySelector("#audit tbody tr"))`, d.log.Size()-1, kind))
}

// agree clicks a button and answers yes to the question that follows.
func (b *tab) agree(button string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	dialogs := chromedp.Events(ctx, page.JavascriptDialogOpening)
	asked := make(chan string, 1)
	go func() {
		defer close(asked)
		for e, err := range dialogs {
			if err != nil {
				return
			}
			asked <- e.Message
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
			return
		}
	}()
	b.do(chromedp.Click(button))
	return <-asked
}

// complaints are the policy's violations and the errors so far.
func (b *tab) complaints() []string {
	b.t.Helper()
	list := evaluate[[]string](b, "window.violations")
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(list, b.errors...)
}

func (b *tab) signIn(secret string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible("#token"), chromedp.SendKeys("#token", secret+"\r"))
}

func TestOperatorLooksAroundInARealBrowser(t *testing.T) {
	b := openTab(t)
	d := newDaemon(t)
	d.end(hostile...)
	pending := d.schedule()

	b.do(chromedp.Navigate(d.URL + "/console/"))
	b.signIn("not-a-token-of-this-daemon")
	b.wait(`document.querySelector("#sign-in-message").textContent === "The daemon does not know this token."`)
	require.Empty(t, b.rows("calls"))

	b.signIn(secret)
	b.wait(`document.querySelector("#connection").textContent === "Connected"`)
	b.wait(fmt.Sprintf(`document.querySelectorAll("#calls tbody tr").length === %d`, len(hostile)))
	for i, row := range b.rows("calls") {
		require.Equal(t, []string{"ended", "business to user", hostile[i], hostile[i]}, row[:4])
		require.Equal(t, hostile[i]+", by "+hostile[i], row[5])
	}
	require.Equal(t, d.log.Size(), evaluate[int64](b, `Number(document.querySelector("#size").textContent)`))
	root := d.root()
	b.wait(`document.querySelector("#root").textContent === ` + strconv.Quote(root))
	require.Equal(t, []string{customer, business, "temporary"}, b.rows("permissions")[0][:3])
	require.Equal(t, "no", b.rows("permissions")[0][4])

	// A call begins: the event stream alone says so.
	b.newest(d, "callback.created")
	d.ring("live-1", hostile[0])
	b.wait(`document.querySelectorAll("#calls tbody tr")[0].textContent.includes("ringing")`)
	require.Equal(t, hostile[0], b.rows("calls")[0][2])
	b.newest(d, "call.received")

	require.Equal(t, "Hang up the call with "+hostile[0]+"?", b.agree("#calls td button"))
	b.wait(`document.querySelectorAll("#calls td button").length === 0`)
	require.Equal(t, []string{"live-1"}, d.bridge.hungUp())

	require.Equal(t, "Cancel the callback to "+customer+"?", b.agree("#callbacks td button"))
	b.wait(`document.querySelector("#callbacks tbody td").textContent === "cancelled"`)
	require.Equal(t, "cancelled", d.callbackState(pending))

	// The connection breaks; what happens meanwhile is not lost, and nothing comes twice.
	d.CloseClientConnections()
	d.ring("live-2", customer)
	b.wait(`document.querySelectorAll("#calls tbody tr")[0].textContent.includes("ringing")`)
	b.newest(d, "call.received")
	for i, row := range b.rows("audit") {
		require.Equal(t, strconv.FormatInt(d.log.Size()-1-int64(i), 10), row[0])
	}

	// The token is in this tab's storage and nowhere else, and leaves with the operator.
	require.Equal(t, d.URL+"/console/", evaluate[string](b, "location.href"))
	require.Empty(t, evaluate[string](b, "document.cookie"))
	require.Zero(t, evaluate[int](b, "localStorage.length"))
	require.Equal(t, []string{secret}, evaluate[[]string](b, "Object.values(sessionStorage)"))
	b.do(chromedp.Click("#sign-out"), chromedp.WaitVisible("#token"))
	require.Zero(t, evaluate[int](b, "sessionStorage.length"))
	require.Empty(t, append(b.rows("calls"), b.rows("audit")...))
	require.Equal(t, "token", evaluate[string](b, "document.activeElement.id"))

	// Nothing that the API said became an element or ran.
	require.False(t, evaluate[bool](b, "'ran' in window"))
	require.Empty(t, b.complaints())
	require.NotContains(t, d.logged(), secret)
	b.provesItWouldComplain()
}

// provesItWouldComplain does what the page must never do, and is stopped and seen.
func (b *tab) provesItWouldComplain() {
	b.t.Helper()
	require.Equal(b.t, "TypeError", evaluate[string](b, `(() => { try { document.body.innerHTML = "<img src=x onerror=ran=1>"; return "done" } catch (e) { return e.name } })()`))
	evaluate[bool](b, `(() => { const i = document.createElement("img"); i.src = "http://127.0.0.1:1/x.png"; document.body.append(i); return true })()`)
	b.wait(`violations.some((v) => v.startsWith("img-src")) && violations.some((v) => v.startsWith("require-trusted-types-for"))`)
	require.NotEmpty(b.t, b.complaints())
	require.False(b.t, evaluate[bool](b, "'ran' in window"))
}

func TestTokenWithoutScopeIsToldSo(t *testing.T) {
	b := openTab(t)
	d := newDaemon(t)
	b.do(chromedp.Navigate(d.URL + "/console/"))
	b.signIn(auditSecret)
	b.wait(`document.querySelector("#connection").textContent === "Not allowed"`)
	b.wait(`[...document.querySelectorAll(".message")].every((m) => m.textContent === "The token does not hold the scope read.")`)
	require.Empty(t, b.complaints())
}
