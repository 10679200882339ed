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
	Value string `json:"value"`
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
				QueryString: map[string]value{"next": {"/todos?a=b.c"}, "empty": {""}},
				Headers:     map[string]value{"host": {"app.example.com"}, "accept": {"text/html"}},
				Cookies:     map[string]value{"token": {"a.b.c"}},
			},
		})
	}

	for i, got := range rewrite(t, events) {
		want := events[i].Request
		want.URI = paths[i].want // nothing else changes
		equal(t, paths[i].path, got, want)
	}
}

// rewrite runs the function of the stack on all events, in one process.
func rewrite(t *testing.T, events []viewerEvent) []viewerRequest {
	t.Helper()
	code := production(t).Resource(t, "aws_cloudfront_function.client_side_routes").Text("code")
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
	var answers []viewerRequest
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(answers) != len(events) {
		t.Fatalf("%d answers to %d events", len(answers), len(events))
	}
	return answers
}

func TestTheFunctionIsSmallEnoughForCloudFront(t *testing.T) {
	// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
	if size := len(production(t).Resource(t, "aws_cloudfront_function.client_side_routes").Text("code")); size > 10<<10 {
		t.Errorf("%d bytes", size)
	}
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
