package test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// Two commits of the application. Assets are named by their content, and robots.txt is gone in the second.
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

// checkApplicationPipeline runs the steps of the workflow as a runner of GitHub would, in bash and with the AWS command
// line, as the release role. Stand-ins, in testdata/bin, are there for docker, which needs an engine; for npm and the
// checkout, as there is no application here; and for sleep. The one for aws passes calls on, but for a few whose answers
// the local AWS cannot give: its instance refreshes are over at once. release is the environment of AWS clients that have
// assumed the role; an empty value removes a variable.
func checkApplicationPipeline(t *testing.T, aws *local.AWS, stack *terraform.Stack, release map[string]string) {
	outputs, err := stack.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	site := releasedSite{aws: aws, outputs: outputs}
	runner := newRunner(t, stack.Name, outputs, release)

	const (
		refreshes = "autoscaling-describe-instance-refreshes"
		starts    = "autoscaling-start-instance-refresh"
		cancels   = "autoscaling-cancel-instance-refresh"
		images    = "ecr-describe-images"

		pass     = "-"
		underway = `InProgress\t0\tWaiting for instances to warm up`
		baking   = `Baking\t100\tBaking`
		failed   = `Failed\t50\tInstances did not become healthy`
		ours     = "11111111-1111-4111-8111-111111111111"
		another  = "99999999-9999-4999-8999-999999999999"
	)
	before := site.read(t)
	equal(t, "released before the first release", before.released, "none")

	// Each begins with what the one before it left.
	for _, c := range []struct {
		name      string
		commit    string
		cancelled string // the step in which the run is cancelled
		answers   map[string][]string

		result          string // of the run
		says            string
		released        string // afterwards
		published       bool   // whether the page is the commit's
		pushes          int    // of images
		starts, cancels int    // of instance refreshes
		sleeps          int
	}{
		{
			name:   "a first release that fails goes back to the placeholder, after another's refresh",
			commit: firstCommit, answers: map[string][]string{refreshes: {pass, underway, failed, another, another, pass}},
			result: "failure", says: "is Failed: Instances did not become healthy", released: "none", pushes: 1, starts: 2, sleeps: 2,
		},
		{
			name:   "released again, its image is there already",
			commit: firstCommit, answers: map[string][]string{refreshes: {pass, underway, baking, pass}},
			result: "success", says: firstCommit + " is there already", released: firstCommit, published: true, starts: 1, sleeps: 2,
		},
		{
			name:   "a run that is cancelled goes back, and cancels its refresh",
			commit: secondCommit, cancelled: "Watch the instance refresh",
			answers: map[string][]string{refreshes: {pass, ours, ours, pass}, starts: {ours, pass}, cancels: {ours}},
			result:  "cancelled", says: firstCommit + " is released again", released: firstCommit, pushes: 1, starts: 2, cancels: 1, sleeps: 1,
		},
		{
			name:   "a run that is cancelled before it knows its refresh goes back as well",
			commit: secondCommit, cancelled: "Release the backend",
			answers: map[string][]string{refreshes: {pass, ours, pass}, cancels: {"! An error occurred (ActiveInstanceRefreshNotFound)"}},
			result:  "cancelled", says: firstCommit + " is released again", released: firstCommit, starts: 1, cancels: 1,
		},
		{
			name:   "a refresh that cannot start goes back, and cancels nothing",
			commit: secondCommit, answers: map[string][]string{starts: {"! An error occurred (LimitExceeded)", pass}},
			result: "failure", says: "LimitExceeded", released: firstCommit, starts: 2,
		},
		{
			name:   "a refresh that cannot start because of another's goes back, and does not cancel that one",
			commit: secondCommit,
			answers: map[string][]string{
				refreshes: slices.Concat([]string{pass}, slices.Repeat([]string{another}, 13)),
				starts:    slices.Repeat([]string{"! An error occurred (InstanceRefreshInProgress)"}, 2),
			},
			result: "failure", says: "title=Half rolled back::" + firstCommit + " is released again", released: firstCommit, starts: 2, sleeps: 12,
		},
		{
			name:   "a refresh that does not end goes back",
			commit: secondCommit, answers: map[string][]string{refreshes: slices.Concat([]string{pass}, slices.Repeat([]string{underway}, 150))},
			result: "failure", says: "is InProgress: Waiting for instances to warm up", released: firstCommit, starts: 2, sleeps: 150,
		},
		{
			name:   "while another refresh is in progress, nothing is released",
			commit: secondCommit, answers: map[string][]string{refreshes: slices.Repeat([]string{another + `\tInProgress`}, 100)},
			result: "failure", says: "another instance refresh is in progress", released: firstCommit, sleeps: 100,
		},
		{
			name:   "when the other refresh has ended, the release goes on",
			commit: secondCommit, answers: map[string][]string{refreshes: {another + `\tInProgress`, pass}},
			result: "success", says: "not of this release: " + another, released: secondCommit, published: true, starts: 1, sleeps: 1,
		},
		{
			name:   "an ECR that does not answer is not taken for an image that is not there",
			commit: secondCommit, answers: map[string][]string{images: {"! An error occurred (ServerException)"}},
			result: "failure", says: "ServerException", released: secondCommit,
		},
		{
			name:   "what is no commit is not released",
			commit: "main",
			result: "failure", says: "main is not the SHA of a commit", released: secondCommit,
		},
	} {
		passed := t.Run(c.name, func(t *testing.T) {
			run := runner.run(t, c.commit, c.answers, c.cancelled)
			after := site.read(t)

			equal(t, "result", run.result, c.result)
			if !strings.Contains(run.said, c.says) {
				t.Errorf("it does not say %q", c.says)
			}
			equal(t, "released", after.released, c.released)
			equal(t, "pushes", run.count("docker push"), c.pushes)
			equal(t, "instance refreshes started", run.count("aws autoscaling start-instance-refresh"), c.starts)
			equal(t, "instance refreshes cancelled", run.count("aws autoscaling cancel-instance-refresh"), c.cancels)
			equal(t, "sleeps", run.count("sleep 15"), c.sleeps)
			if c.published {
				equal(t, "invalidations", len(after.invalidations), len(before.invalidations)+1)
				site.checkPage(t, c.commit, before, after)
			} else {
				equal(t, "invalidations", after.invalidations, before.invalidations)
				equal(t, "files", after.files, before.files)
			}
			before = after
			if t.Failed() {
				t.Logf("the run said:\n%s\nand called:\n%s", run.said, strings.Join(run.calls, "\n"))
			}
		})
		if !passed {
			return
		}
	}
	equalSets(t, "images", strings.Fields(site.ask(t, "ecr", "describe-images", "--repository-name", path.Base(site.output("ecr_repository_url")),
		"--query", "imageDetails[].imageTags[]", "--output", "text")), []string{firstCommit, secondCommit})
}

// releasedSite is what a release changes, as an administrator sees it.
type releasedSite struct {
	aws     *local.AWS
	outputs map[string]any
}

// siteState is that at one time.
type siteState struct {
	released      string            // the tag in the parameter
	files         map[string]string // of the bucket: when each was last written, by its key
	invalidations []string
}

func (s releasedSite) output(name string) string {
	value, _ := s.outputs[name].(string)
	return value
}

// ask is what the AWS command line answers.
func (s releasedSite) ask(t *testing.T, arguments ...string) string {
	t.Helper()
	said, err := awsCLI(t, s.aws.Env(), arguments...)
	if err != nil {
		t.Fatalf("%v: %v: %s", arguments, err, said)
	}
	return strings.TrimSpace(said)
}

func (s releasedSite) read(t *testing.T) siteState {
	t.Helper()
	state := siteState{
		released: s.ask(t, "ssm", "get-parameter", "--name", s.output("release_parameter"), "--query", "Parameter.Value", "--output", "text"),
		files:    map[string]string{},
		invalidations: strings.Fields(s.ask(t, "cloudfront", "list-invalidations", "--distribution-id", s.output("distribution_id"),
			"--query", "InvalidationList.Items[].Id || `[]`", "--output", "text")),
	}
	listed := s.ask(t, "s3api", "list-objects-v2", "--bucket", s.output("frontend_bucket"), "--query", "Contents[].[Key, LastModified]", "--output", "text")
	for line := range strings.Lines(listed) {
		if key, modified, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			state.files[key] = modified
		}
	}
	return state
}

const (
	forAYear   = "public, max-age=31536000, immutable"
	forAMinute = "public, max-age=60"
)

// contentTypes is by a file's extension. The AWS command line asks the machine that it runs on, and machines do not agree
// on scripts.
var contentTypes = map[string]string{
	".html": "^text/html$", ".svg": "^image/svg\\+xml$", ".txt": "^text/plain$", ".css": "^text/css$", ".js": "^(text|application)/javascript$",
}

// checkPage looks at the page of a commit: its files, how long browsers keep them, when they were written, and what a
// visitor gets.
func (s releasedSite) checkPage(t *testing.T, commit string, before, after siteState) {
	t.Helper()
	for key := range before.files {
		if after.files[key] == "" && strings.HasPrefix(key, "assets/") {
			t.Errorf("%s is gone, and pages that are open ask for it", key)
		}
	}
	for key := range after.files {
		if _, ok := commitPages[commit][key]; !ok && !strings.HasPrefix(key, "assets/") {
			t.Errorf("%s is still there", key)
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
		if err := json.Unmarshal([]byte(s.ask(t, "s3api", "head-object", "--bucket", s.output("frontend_bucket"), "--key", key)), &head); err != nil {
			t.Fatal(err)
		}
		want := forAMinute
		if strings.HasPrefix(key, "assets/") {
			want = forAYear
		} else if key == "index.html" {
			want = "no-cache"
		}
		equal(t, "Cache-Control of "+key, head.CacheControl, want)
		if !regexp.MustCompile(contentTypes[path.Ext(key)]).MatchString(head.ContentType) {
			t.Errorf("Content-Type of %s is %q", key, head.ContentType)
		}
	}

	for _, invalidation := range after.invalidations {
		paths := s.ask(t, "cloudfront", "get-invalidation", "--distribution-id", s.output("distribution_id"), "--id", invalidation,
			"--query", "Invalidation.InvalidationBatch.Paths.Items", "--output", "text")
		equalSets(t, "invalidated", strings.Fields(paths), []string{"/", "/index.html"})
	}

	host := strings.TrimPrefix(s.output("site_url"), "https://")
	for at, want := range map[string]string{
		"/todos":                              commitPages[commit]["index.html"],
		"/assets/index-" + commit[:1] + ".js": `fetch("` + s.output("site_url") + `/tasks")`,
	} {
		if _, got := request(t, s.aws, "GET", host, at, ""); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in it", at, got, want)
		}
	}
}

// jobRunner is what a run of the workflow's job has of GitHub and of the machine.
type jobRunner struct {
	shell    string // "bash -euo pipefail {0}"
	job      releaseJob
	contexts map[string]string // what expressions are: "vars.AWS_REGION"
	env      []string          // before the job's own
	aws      string            // the AWS command line, behind its stand-in
}

func newRunner(t *testing.T, environment string, outputs map[string]any, release map[string]string) jobRunner {
	t.Helper()
	w := readPage(t)
	job, ok := w.Jobs[environment]
	if !ok {
		t.Fatalf("the workflow has no job %s", environment)
	}
	contexts := map[string]string{"github.run_id": "1"}
	for name, output := range publishedOutputs() {
		value, ok := outputs[output].(string)
		if !ok {
			t.Fatalf("the stack has no output %s for %s", output, name)
		}
		contexts[name] = value
	}
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "AWS_") {
			env[name] = value
		}
	}
	maps.Copy(env, release)
	env["PATH"] = filepath.Join(root, "test", "testdata", "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	env["HOME"] = t.TempDir() // the AWS command line keeps credentials there
	var list []string
	for name, value := range env {
		if value != "" {
			list = append(list, name+"="+value)
		}
	}
	return jobRunner{shell: w.Defaults.Run.Shell, job: job, contexts: contexts, env: list, aws: cli}
}

// finishedRun is a run that has ended.
type finishedRun struct {
	result string   // "success", "failure" or "cancelled"
	said   string   // the steps' output
	calls  []string // of the stand-ins, in order
}

// count is how many calls begin so.
func (f finishedRun) count(begin string) int {
	n := 0
	for _, call := range f.calls {
		if strings.HasPrefix(call, begin) {
			n++
		}
	}
	return n
}

// rollsBack is the only condition of a step.
const rollsBack = "${{ (failure() || cancelled()) && steps.before.outputs.tag != '' }}"

// run runs the steps of a release in order. answers are AWS's to some of the calls; cancelled is the step in which the run
// is cancelled, before it has done anything.
func (r jobRunner) run(t *testing.T, commit string, answers map[string][]string, cancelled string) finishedRun {
	t.Helper()
	files := map[string]string{
		filepath.Join(r.job.Env["BACKEND"], "Dockerfile"):         "FROM scratch",
		filepath.Join(r.job.Env["FRONTEND"], "package-lock.json"): "{}",
	}
	for name, content := range commitPages[commit] {
		files[filepath.Join(r.job.Env["FRONTEND"], "page", name)] = content
	}
	workspace := writeFiles(t, files)
	laidOut := map[string]string{}
	for command, list := range answers {
		laidOut["answers/"+command] = strings.Join(list, "\n") + "\n"
	}
	standIns := writeFiles(t, laidOut)
	r.contexts = maps.Clone(r.contexts)
	r.contexts["inputs.commit || github.sha"], r.contexts["env.COMMIT"] = commit, commit
	r.env = append(slices.Clip(r.env), "STAND_IN="+standIns, "STAND_IN_AWS="+r.aws, "GITHUB_OUTPUT="+filepath.Join(standIns, "output"))

	run := finishedRun{result: "success"}
	for _, s := range r.job.Steps {
		r.contexts["job.status"] = run.result
		switch s.If {
		case "":
			if run.result != "success" {
				continue
			}
		case rollsBack:
			if run.result == "success" || r.contexts["steps.before.outputs.tag"] == "" {
				continue
			}
		default:
			t.Fatalf("%s: its condition is not known here: %s", s.Name, s.If)
		}
		if s.Name == cancelled {
			run.result = "cancelled"
			continue
		}
		var said string
		var err error
		if s.Uses != "" {
			r.use(t, s)
		} else {
			said, err = r.shellOut(t, s, workspace)
		}
		run.said += "== " + s.Name + "\n" + said
		if err != nil && run.result == "success" {
			run.result = "failure"
		}
		r.takeOutputs(t, s, filepath.Join(standIns, "output"))
	}
	calls, err := os.ReadFile(filepath.Join(standIns, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	run.calls = strings.Split(strings.TrimSpace(string(calls)), "\n")
	return run
}

// use stands in for the actions: what they would do is done.
func (r jobRunner) use(t *testing.T, s workflowStep) {
	t.Helper()
	action, _, _ := strings.Cut(s.Uses, "@")
	switch action {
	case "actions/checkout":
		equal(t, "commit", r.evaluate(t, s.With["ref"]), r.contexts["inputs.commit || github.sha"])
	case "actions/setup-node":
	case credentialsAction:
		equal(t, "role", r.evaluate(t, s.With["role-to-assume"]), r.contexts["secrets.RELEASE_ROLE"])
		equal(t, "region", r.evaluate(t, s.With["aws-region"]), r.contexts["vars.AWS_REGION"])
	default:
		t.Fatalf("%s: the action %s is not known here", s.Name, action)
	}
}

// shellOut runs the script of a step.
func (r jobRunner) shellOut(t *testing.T, s workflowStep, workspace string) (said string, err error) {
	t.Helper()
	shell := strings.Fields(r.shell)
	shell[len(shell)-1] = filepath.Join(writeFiles(t, map[string]string{"script.sh": s.Run}), "script.sh") // {0}
	command := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
	command.Dir = workspace
	command.Env = slices.Clone(r.env)
	for _, env := range []map[string]string{r.job.Env, s.Env} {
		for name, value := range env {
			command.Env = append(command.Env, name+"="+r.evaluate(t, value))
		}
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

var (
	workflowExpression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)
	outputsOfStep      = regexp.MustCompile(`^steps\.\w+\.outputs\.\w+$`)
)

// evaluate puts in values for expressions. The output of a step that did not come to it is empty.
func (r jobRunner) evaluate(t *testing.T, text string) string {
	t.Helper()
	return workflowExpression.ReplaceAllStringFunc(text, func(found string) string {
		inner := workflowExpression.FindStringSubmatch(found)[1]
		value, known := r.contexts[inner]
		if !known && !outputsOfStep.MatchString(inner) {
			t.Fatalf("the expression %s is not known here", found)
		}
		return value
	})
}

// takeOutputs moves what a step wrote to its outputs into the contexts.
func (r jobRunner) takeOutputs(t *testing.T, s workflowStep, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		r.contexts["steps."+s.ID+".outputs."+name] = value
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}
