package system

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browsers are the programs that can show the site, best first.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

func findBrowser() string {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// testBrowser does what a user does, in a real browser.
func (s *system) testBrowser(t *testing.T) {
	program := findBrowser()
	if program == "" {
		t.Skipf("no browser: install Chromium (on Debian, the package chromium); none of %s is on PATH", strings.Join(browsers, ", "))
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	browser, stop := chromedp.NewContext(allocator)
	defer stop()
	ctx, stop := context.WithTimeout(browser, 2*time.Minute)
	defer stop()

	var mutex sync.Mutex
	var problems []string
	responses := map[string]network.Response{} // by path, the last one
	check(t, chromedp.Listen(ctx, func(event any) {
		mutex.Lock()
		defer mutex.Unlock()
		switch e := event.(type) {
		case *network.EventResponseReceived:
			path, isSite := strings.CutPrefix(e.Response.URL, s.url)
			responses[path] = *e.Response
			if !isSite && !strings.HasPrefix(e.Response.URL, "data:") {
				problems = append(problems, "a request to another origin: "+e.Response.URL)
			}
		case *runtime.EventExceptionThrown:
			problems = append(problems, "exception: "+e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				problems = append(problems, fmt.Sprintf("console: %s", e.Args[0].Value))
			}
		case *log.EventEntryAdded:
			// The page asks the API who is logged in. Before the login, the API responds with 401.
			if e.Entry.Level == log.EntryLevelError && !strings.HasSuffix(e.Entry.URL, "/users/me") {
				problems = append(problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
			}
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	check(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	check(t, err)
	run := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			after, stop := context.WithTimeout(browser, 5*time.Second)
			defer stop()
			page, _ := chromedp.Run(after, chromedp.OuterHTML(chromedp.CSS("main")))
			t.Fatalf("%s: %v\n%s\n%s", what, err, page, strings.Join(problems, "\n"))
		}
	}
	text := func(selector string) string {
		t.Helper()
		value, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
		check(t, err)
		return strings.TrimSpace(value)
	}
	cache := func() string {
		t.Helper()
		value, err := chromedp.Run(ctx, chromedp.AttributeValue(chromedp.CSS("#cache"), "data-cache"))
		check(t, err)
		return value.Value
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}

	run("the page loads and asks for a login", chromedp.Navigate(s.url+"/"), chromedp.WaitVisible(chromedp.CSS("#login")))
	location, err := chromedp.Run(ctx, chromedp.Location())
	check(t, err)
	want("path", location, s.url+"/login")
	run("log in", chromedp.SendKeys(chromedp.CSS("[name=name]"), "Ada"), chromedp.SendKeys(chromedp.CSS("[name=password]"), "starttech"), chromedp.Click(chromedp.CSS("#login button")), chromedp.WaitVisible(chromedp.CSS("#todos")))
	want("user", text("#user"), "Ada")
	title := fmt.Sprintf("water the plants at %d", time.Now().Unix())
	run("add a task", chromedp.SendKeys(chromedp.CSS("[name=title]"), title), chromedp.Click(chromedp.CSS("#add button")), chromedp.WaitVisible(`//li/span[text()="`+title+`"]`))
	want("list after a change", cache(), "miss")

	run("reload", chromedp.Reload(), chromedp.WaitVisible(`//li/span[text()="`+title+`"]`))
	want("list the second time", cache(), "hit")
	run("a client-side route", chromedp.Navigate(s.url+"/todos"), chromedp.WaitVisible(`//li/span[text()="`+title+`"]`))

	stored, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{})
	check(t, err)
	cookies := stored.Cookies
	host := strings.Split(strings.TrimPrefix(s.url, "http://"), ":")[0]
	if len(cookies) != 1 || strings.TrimPrefix(cookies[0].Domain, ".") != host || !cookies[0].HTTPOnly || !cookies[0].Secure {
		t.Errorf("the cookies are %+v; want one of %s, secure and not for scripts", cookies, host)
	}
	mutex.Lock()
	for path, response := range responses {
		if strings.HasPrefix(path, "/assets/") {
			if got := fmt.Sprint(response.Headers["Cache-Control"]); got != "public, max-age=31536000, immutable" {
				t.Errorf("%s: Cache-Control is %q", path, got)
			}
		}
	}
	if len(problems) > 0 {
		t.Errorf("the browser reports:\n%s", strings.Join(problems, "\n"))
	}
	mutex.Unlock()

	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(s.url+"/tasks/none/at/all"))
	check(t, err)
	if response.Status != 404 || response.MimeType != "application/json" {
		t.Errorf("an unknown path of the API: %d %s, want 404 application/json", response.Status, response.MimeType)
	}
}
