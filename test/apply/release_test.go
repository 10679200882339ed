package apply

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
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

// testRelease runs the job of the release workflow as a runner of GitHub does, with the release role. The instance refreshes of
// the local AWS end at once, so the stub of the AWS CLI returns other answers.
func testRelease(t *testing.T, aws *local.AWS, outputs map[string]string) {
	runner := newJobRunner(t, "production", outputs, releaser(t, aws, "production"))

	const (
		refreshes = "autoscaling-describe-instance-refreshes"
		starts    = "autoscaling-start-instance-refresh"
		cancels   = "autoscaling-cancel-instance-refresh"
		images    = "ecr-describe-images"

		pass       = "-"
		inProgress = `InProgress\t0\tWaiting for instances to warm up`
		baking     = `Baking\t100\tBaking`
		failed     = `Failed\t50\tInstances did not become healthy`
		own        = "11111111-1111-4111-8111-111111111111"
		other      = "99999999-9999-4999-8999-999999999999"
	)
	before := readSite(t, aws, outputs)
	harness.Equal(t, "tag before the first release", before.tag, "none")

	// Each run starts with the result of the run before it.
	for _, c := range []struct {
		name        string
		commit      string
		cancelledIn string              // the step in which the run is cancelled
		answers     map[string][]string // of AWS, by service and command

		result          string // of the run
		output          string // a part of the run's output
		tag             string // the released tag after the run
		published       bool   // whether the page of the commit is published
		pushes          int    // of images
		starts, cancels int    // of instance refreshes
		sleeps          int
	}{
		{
			name:   "a failed first release waits, and rolls back to the placeholder",
			commit: firstCommit, answers: map[string][]string{refreshes: {pass, inProgress, failed, other, other, pass}},
			result: "failure", output: "is Failed: Instances did not become healthy", tag: "none", pushes: 1, starts: 2, sleeps: 2,
		},
		{
			name:   "a second release of a commit does not push its image again",
			commit: firstCommit, answers: map[string][]string{refreshes: {pass, inProgress, baking, pass}},
			result: "success", output: firstCommit + " exists", tag: firstCommit, published: true, starts: 1, sleeps: 2,
		},
		{
			name:   "a cancelled run rolls back, and cancels its instance refresh",
			commit: secondCommit, cancelledIn: "Watch the instance refresh",
			answers: map[string][]string{refreshes: {pass, own, own, pass}, starts: {own, pass}, cancels: {own}},
			result:  "cancelled", output: firstCommit + " is released again", tag: firstCommit, pushes: 1, starts: 2, cancels: 1, sleeps: 1,
		},
		{
			name:   "a run cancelled before it knows its refresh rolls back",
			commit: secondCommit, cancelledIn: "Release the backend",
			answers: map[string][]string{refreshes: {pass, own, pass}, cancels: {"! An error occurred (ActiveInstanceRefreshNotFound)"}},
			result:  "cancelled", output: firstCommit + " is released again", tag: firstCommit, starts: 1, cancels: 1,
		},
		{
			name:   "a refresh that cannot start rolls back, and cancels nothing",
			commit: secondCommit, answers: map[string][]string{starts: {"! An error occurred (LimitExceeded)", pass}},
			result: "failure", output: "LimitExceeded", tag: firstCommit, starts: 2,
		},
		{
			name:   "another refresh that prevents the start is not cancelled",
			commit: secondCommit,
			answers: map[string][]string{
				refreshes: slices.Concat([]string{pass}, slices.Repeat([]string{other}, 13)),
				starts:    slices.Repeat([]string{"! An error occurred (InstanceRefreshInProgress)"}, 2),
			},
			result: "failure", output: "title=Partly rolled back::" + firstCommit + " is released again", tag: firstCommit, starts: 2, sleeps: 12,
		},
		{
			name:   "a refresh that does not end rolls back",
			commit: secondCommit, answers: map[string][]string{refreshes: slices.Concat([]string{pass}, slices.Repeat([]string{inProgress}, 150))},
			result: "failure", output: "is InProgress: Waiting for instances to warm up", tag: firstCommit, starts: 2, sleeps: 150,
		},
		{
			name:   "nothing is released while another refresh is in progress",
			commit: secondCommit, answers: map[string][]string{refreshes: slices.Repeat([]string{other + `\tInProgress`}, 100)},
			result: "failure", output: "another instance refresh is still in progress", tag: firstCommit, sleeps: 100,
		},
		{
			name:   "the release continues after another refresh",
			commit: secondCommit, answers: map[string][]string{refreshes: {other + `\tInProgress`, pass}},
			result: "success", output: "Another instance refresh is in progress: " + other, tag: secondCommit, published: true, starts: 1, sleeps: 1,
		},
		{
			name:   "an error of ECR does not mean that the image is missing",
			commit: secondCommit, answers: map[string][]string{images: {"! An error occurred (ServerException)"}},
			result: "failure", output: "ServerException", tag: secondCommit,
		},
		{
			name:   "a branch name is not released",
			commit: "main",
			result: "failure", output: "main is not the SHA of a commit", tag: secondCommit,
		},
	} {
		passed := t.Run(c.name, func(t *testing.T) {
			run := runner.run(t, c.commit, c.answers, c.cancelledIn)
			after := readSite(t, aws, outputs)

			harness.Equal(t, "result", run.result, c.result)
			harness.Has(t, "output", run.output, c.output)
			harness.Equal(t, "tag", after.tag, c.tag)
			for call, want := range map[string]int{
				"docker push":                             c.pushes,
				"aws autoscaling start-instance-refresh":  c.starts,
				"aws autoscaling cancel-instance-refresh": c.cancels,
				"sleep 15": c.sleeps,
			} {
				harness.Equal(t, "number of "+call, run.count(call), want)
			}
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

// contentTypes is by file extension. The AWS CLI reads them from the machine, and machines differ in the type of scripts.
var contentTypes = map[string]string{
	".html": "^text/html$", ".svg": "^image/svg\\+xml$", ".txt": "^text/plain$", ".css": "^text/css$", ".js": "^(text|application)/javascript$",
}

// checkPage checks the published page of a commit: its files, their headers, the order in which they were written, the
// invalidations, and the responses to a visitor.
func checkPage(t *testing.T, aws *local.AWS, outputs map[string]string, commit string, before, after siteState) {
	t.Helper()
	for key := range before.files {
		if after.files[key] == "" && strings.HasPrefix(key, "assets/") {
			t.Errorf("%s was deleted, but open pages request it", key)
		}
	}
	for key := range after.files {
		if _, ok := commitPages[commit][key]; !ok && !strings.HasPrefix(key, "assets/") {
			t.Errorf("%s was not deleted", key)
		}
	}
	for key := range commitPages[commit] {
		if key != "index.html" && after.files[key] >= after.files["index.html"] {
			t.Errorf("%s was written at %q, not before index.html at %q", key, after.files[key], after.files["index.html"])
		}
		if after.files[key] == before.files[key] {
			t.Errorf("%s was not written", key)
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
		if !regexp.MustCompile(contentTypes[path.Ext(key)]).MatchString(head.ContentType) {
			t.Errorf("Content-Type of %s is %q", key, head.ContentType)
		}
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
