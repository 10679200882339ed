package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// Two commits of the application. The names of assets depend on their content. The second commit has no robots.txt.
var (
	firstCommit  = strings.Repeat("1", 40)
	secondCommit = strings.Repeat("2", 40)

	commitPages = map[string]map[string]string{
		firstCommit: {
			"index.html": "<title>first</title>", "favicon.svg": "<svg/>", "robots.txt": "User-agent: *",
			"assets/index-1.js": "first()\n", "assets/index-1.css": "p {}",
		},
		secondCommit: {
			"index.html": "<title>second</title>", "favicon.svg": "<svg/>",
			"assets/index-2.js": "second()\n", "assets/index-2.css": "p {}",
		},
	}
)

// testRelease runs the job of the release workflow as a runner of GitHub does, with the release role.
func testRelease(t *testing.T, aws *local.AWS, outputs map[string]string) {
	runner := newJobRunner(t, aws, "production", outputs, releaser(t, aws, "production"))
	before := readSite(t, aws, outputs)
	harness.Equal(t, "tag before the first release", before.tag, "none")

	// Each run starts with the result of the run before it.
	for _, c := range []struct {
		name        string
		commit      string
		refreshes   [][]string // their statuses: the one from before, the release's, the rollback's; nil: those of the local AWS
		isCancelled bool       // as soon as the instance refresh has started
		isECRBroken bool

		result    string // of the run
		output    string // a part of the run's output
		tag       string // the released tag after the run
		published bool   // whether the page of the commit is published
		pushes    int    // of images
		calls     string // that change instance refreshes, if refreshes is set
	}{
		{
			name:   "a failed first release rolls back to the placeholder, once",
			commit: firstCommit, refreshes: [][]string{nil, {"InProgress", "Failed"}, {"InProgress"}},
			result: "failure", output: "production: none is released already.", tag: "none", pushes: 1, calls: "start start",
		},
		{
			name:   "a second release of a commit does not push its image again",
			commit: firstCommit,
			result: "success", output: firstCommit + " exists", tag: firstCommit, published: true,
		},
		{
			name:   "a cancelled run rolls back, and cancels its instance refresh",
			commit: secondCommit, refreshes: [][]string{{"Successful"}, {"InProgress"}, {"InProgress"}}, isCancelled: true,
			result: "cancelled", output: firstCommit + " is released again, and instance refresh refresh2 replaces the instances", tag: firstCommit,
			pushes: 1, calls: "start cancel start",
		},
		{
			name:   "the release continues after another refresh",
			commit: secondCommit, refreshes: [][]string{{"InProgress", "Successful"}, {"Successful"}},
			result: "success", output: "The instances of production run " + secondCommit, tag: secondCommit, published: true, calls: "start",
		},
		{
			name:   "an error of ECR does not mean that the image is missing",
			commit: secondCommit, isECRBroken: true,
			result: "failure", output: "ServerException", tag: secondCommit,
		},
		{
			name:   "a branch name is not released",
			commit: "main",
			result: "failure", output: "main is not the SHA of a commit", tag: secondCommit,
		},
	} {
		passed := t.Run(c.name, func(t *testing.T) {
			cancelled, cancel := context.WithCancel(t.Context())
			defer cancel()
			env := map[string]string{}
			serve := func(variable string, handler http.Handler) {
				server := httptest.NewServer(handler)
				t.Cleanup(server.Close)
				env[variable] = server.URL
			}
			refreshes := &harness.Refreshes{Statuses: c.refreshes}
			if c.isCancelled {
				refreshes.OnStart = cancel
			}
			if c.refreshes != nil {
				serve("AWS_ENDPOINT_URL_AUTO_SCALING", refreshes)
			}
			if c.isECRBroken {
				serve("AWS_ENDPOINT_URL_ECR", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusBadRequest) // which is not tried again
					fmt.Fprint(w, `{"__type": "ServerException"}`)
				}))
			}
			run := runner.run(t, c.commit, env, cancelled)
			after := readSite(t, aws, outputs)

			harness.Equal(t, "result", run.result, c.result)
			harness.Has(t, "output", run.output, c.output)
			harness.Equal(t, "tag", after.tag, c.tag)
			harness.Equal(t, "number of pushes", run.count("docker push"), c.pushes)
			harness.Equal(t, "calls of instance refreshes", strings.Join(refreshes.Calls(), " "), c.calls)
			if c.published {
				harness.Equal(t, "number of invalidations", len(after.invalidations), len(before.invalidations)+1)
				checkPage(t, aws, outputs, c.commit, before, after)
			} else {
				harness.Equal(t, "invalidations", after.invalidations, before.invalidations)
				harness.Equal(t, "files", after.files, before.files)
			}
			before = after
			if t.Failed() {
				t.Logf("output:\n%s\ncalls:\n%s", run.output, run.calls)
			}
		})
		if !passed {
			return
		}
	}
	tags := mustAWSCLI(t, aws, "ecr", "describe-images", "--repository-name", path.Base(outputs["ecr_repository_url"]),
		"--query", "imageDetails[].imageTags[]", "--output", "text")
	harness.EqualSets(t, "image tags", strings.Fields(tags), []string{firstCommit, secondCommit})
}

// siteState is what a release changes.
type siteState struct {
	tag           string            // in the release parameter
	files         map[string]string // times of the last modification in the bucket, by key
	invalidations []string
}

func readSite(t *testing.T, aws *local.AWS, outputs map[string]string) siteState {
	t.Helper()
	state := siteState{
		tag:   mustAWSCLI(t, aws, "ssm", "get-parameter", "--name", outputs["release_parameter"], "--query", "Parameter.Value", "--output", "text"),
		files: map[string]string{},
		invalidations: strings.Fields(mustAWSCLI(t, aws, "cloudfront", "list-invalidations", "--distribution-id", outputs["distribution_id"],
			"--query", "InvalidationList.Items[].Id || `[]`", "--output", "text")),
	}
	objects := mustAWSCLI(t, aws, "s3api", "list-objects-v2", "--bucket", outputs["frontend_bucket"], "--query", "Contents[].[Key, LastModified]", "--output", "text")
	for line := range strings.Lines(objects) {
		if key, modified, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			state.files[key] = modified
		}
	}
	return state
}

// contentTypes is by file extension.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".txt": "text/plain; charset=utf-8",
}

// checkPage checks the published page of a commit: its files, their headers, the order in which they were written, the
// invalidations, and the responses to a visitor.
func checkPage(t *testing.T, aws *local.AWS, outputs map[string]string, commit string, before, after siteState) {
	t.Helper()
	for key := range before.files {
		if after.files[key] == "" {
			t.Errorf("%s was deleted, but open pages may request it", key)
		}
	}
	for key := range commitPages[commit] {
		if key != "index.html" && after.files[key] > after.files["index.html"] {
			t.Errorf("%s was written at %q, not before index.html at %q", key, after.files[key], after.files["index.html"])
		}
		// The file is in both commits, and the same.
		if want := before.files[key] == "" || key != "favicon.svg"; want != (after.files[key] != before.files[key]) {
			t.Errorf("%s was written: %t, want %t", key, !want, want)
		}
		var head struct{ CacheControl, ContentType string }
		object := mustAWSCLI(t, aws, "s3api", "head-object", "--bucket", outputs["frontend_bucket"], "--key", key)
		harness.Must(t, 0, json.Unmarshal([]byte(object), &head))
		want := "public, max-age=60"
		if strings.HasPrefix(key, "assets/") {
			want = "public, max-age=31536000, immutable"
		} else if key == "index.html" {
			want = "no-cache"
		}
		harness.Equal(t, "Cache-Control of "+key, head.CacheControl, want)
		harness.Equal(t, "Content-Type of "+key, head.ContentType, contentTypes[path.Ext(key)])
	}

	for _, invalidation := range after.invalidations {
		paths := mustAWSCLI(t, aws, "cloudfront", "get-invalidation", "--distribution-id", outputs["distribution_id"], "--id", invalidation,
			"--query", "Invalidation.InvalidationBatch.Paths.Items", "--output", "text")
		harness.EqualSets(t, "invalidated paths", strings.Fields(paths), []string{"/", "/index.html"})
	}

	for path, want := range map[string]string{
		"/todos":                              commitPages[commit]["index.html"],
		"/assets/index-" + commit[:1] + ".js": `fetch("` + outputs["site_url"] + `/tasks")`,
	} {
		_, body := get(t, aws, outputs["site_url"], path)
		harness.Has(t, path, body, want)
	}
}
