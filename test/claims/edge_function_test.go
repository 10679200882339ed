package claims

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// viewerRequest is the request in the event of a CloudFront Function
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html).
type viewerRequest struct {
	Method      string           `json:"method"`
	URI         string           `json:"uri"`
	QueryString map[string]value `json:"querystring"`
	Headers     map[string]value `json:"headers"`
	Cookies     map[string]value `json:"cookies"`
}

type value struct {
	Value      string  `json:"value"`
	MultiValue []value `json:"multiValue,omitempty"`
}

type viewerEvent struct {
	Version string         `json:"version"`
	Context map[string]any `json:"context"`
	Request viewerRequest  `json:"request"`
}

func TestClientSideRoutesAreIndexHTML(t *testing.T) {
	const page = "/index.html"
	paths := []struct{ path, want string }{
		{"/", page},
		{"/login", page},
		{"/register", page},
		{"/todos", page},
		{"/todos/", page},
		{"/profile", page},
		{"/change-password", page},
		{"/unknown/deep/path", page},
		{"/a.b/c", page},
		{"/a.b/", page},
		{"/%2e", page},
		{"//", page},
		{"/index.html", "/index.html"},
		{"/favicon.ico", "/favicon.ico"},
		{"/robots.txt", "/robots.txt"},
		{"/assets/app.3f9a.js", "/assets/app.3f9a.js"},
		{"/deep/er/logo.svg", "/deep/er/logo.svg"},
		{"/.well-known/security.txt", "/.well-known/security.txt"},
		{"/.well-known/apple-app-site-association", "/.well-known/apple-app-site-association"},
		{"/LOGO.PNG", "/LOGO.PNG"},
		{"/fonts/inter.woff2", "/fonts/inter.woff2"},
		{"/site.webmanifest", "/site.webmanifest"},
		{"/.hidden", page},
		{"/profile/jane.doe", page},
		{"/reset/eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", page},
		{"/invite/jane.doe@example.com", page},
		{"/versions/1.2.3", page},
		{"/a/.well-known/x", page},
		{"/notes.js/edit", page},
	}
	var events []viewerEvent
	for i, path := range paths {
		events = append(events, viewerEvent{
			Version: "1.0",
			Context: map[string]any{"eventType": "viewer-request"},
			Request: viewerRequest{
				Method:      []string{"GET", "HEAD", "OPTIONS"}[i%3],
				URI:         path.path,
				QueryString: map[string]value{"next": {Value: "/todos?a=b.c"}, "empty": {}},
				Headers:     map[string]value{"host": {Value: "app.example.com"}, "accept": {Value: "text/html"}},
				Cookies:     map[string]value{"token": {Value: "a.b.c"}},
			},
		})
	}

	for i, got := range rewrite[viewerRequest](t, production(t), events) {
		want := events[i].Request
		want.URI = paths[i].want // nothing else changes
		equal(t, paths[i].path, got, want)
	}
}

// rewrite runs the function of the stack on all events, in one process.
func rewrite[Answer any](t *testing.T, s stack, events []viewerEvent) []Answer {
	t.Helper()
	code := s.Resource(t, "aws_cloudfront_function.client_side_routes").Text("code")
	input, err := json.Marshal(map[string]any{
		"code":   strings.NewReplacer("$${", "${", "%%{", "%{").Replace(code), // as Terraform reads it
		"events": events,
	})
	if err != nil {
		t.Fatal(err)
	}
	var errors bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", "testdata/edge_function.mjs")
	node.Stdin, node.Stderr = bytes.NewReader(input), &errors
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, errors.String())
	}
	var answers []Answer
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(answers) != len(events) {
		t.Fatalf("%d answers to %d events", len(answers), len(events))
	}
	return answers
}

// answer is the result of the function: the request, or a response.
type answer struct {
	URI        string           `json:"uri"`
	StatusCode int              `json:"statusCode"`
	Headers    map[string]value `json:"headers"`
}

func TestPagesOfTheWWWNameRedirectToTheSite(t *testing.T) {
	request := func(host, uri string, query map[string]value) viewerEvent {
		return viewerEvent{Version: "1.0", Request: viewerRequest{Method: "GET", URI: uri, QueryString: query, Headers: map[string]value{"host": {Value: host}}}}
	}
	repeated := map[string]value{"a": {Value: "1", MultiValue: []value{{Value: "1"}, {Value: "%2f"}}}, "b": {}}
	got := rewrite[answer](t, component(t, "everything"), []viewerEvent{
		request("www.example.com", "/", nil),
		request("www.example.com", "/todos/1", repeated),
		request("example.com", "/todos/1", repeated),
		request("example.com", "/favicon.ico", nil),
	})
	to := func(location string) answer {
		return answer{StatusCode: 301, Headers: map[string]value{"location": {Value: location}}}
	}
	host := map[string]value{"host": {Value: "example.com"}}
	equal(t, "answers", got, []answer{
		to("https://example.com/"), to("https://example.com/todos/1?a=1&a=%2f&b"), {URI: "/index.html", Headers: host}, {URI: "/favicon.ico", Headers: host},
	})
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		d := s.Environment().Domain
		if code := s.Resource(t, "aws_cloudfront_function.client_side_routes").Text("code"); strings.Contains(code, "www") != (d != nil && d.WWW) {
			t.Errorf("the function redirects a www name, or not:\n%s", code)
		}
	})
}

func TestTheFunctionIsSmallEnoughForCloudFront(t *testing.T) {
	// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if size := len(s.Resource(t, "aws_cloudfront_function.client_side_routes").Text("code")); size > 10<<10 {
			t.Errorf("%d bytes", size)
		}
	})
}

// The application's developers read which paths are files.
func TestDocumentationListsTheExtensionsOfFiles(t *testing.T) {
	t.Parallel()
	_, rule, _ := strings.Cut(harness.ReadFile(t, "modules/frontend/routes.js"), `|\.(?:`)
	rule, _, _ = strings.Cut(rule, ")")
	var want []string
	for extension := range strings.SplitSeq(rule, "|") {
		if i := strings.Index(extension, "?"); i >= 0 { // an optional letter
			want = append(want, extension[:i-1]+extension[i+1:])
			extension = strings.Replace(extension, "?", "", 1)
		}
		want = append(want, extension)
	}
	_, section, _ := strings.Cut(harness.ReadFile(t, "docs/application-pipeline.md"), "one of the extensions `")
	section, _, _ = strings.Cut(section, ".\n")
	harness.EqualSets(t, "extensions in docs/application-pipeline.md", strings.Fields(strings.ReplaceAll("`"+section, "`", "")), want)
}
