package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/starttech/infrastructure/internal/github/githubtest"
	"github.com/starttech/infrastructure/internal/synth"
	"github.com/starttech/infrastructure/internal/terraform"
)

// The commands that a workflow calls, as it calls them: the built program, with Terraform itself, on a stack so small
// that it needs no provider. GitHub, AWS's answer to who is calling, and the site are servers of the test.

// pipeline is a checkout that has one synthesized stack, production, and the environment of a step.
type pipeline struct {
	dir  string
	step map[string]string
}

func newPipeline(t *testing.T) pipeline {
	t.Helper()
	terraform, err := pipelineTerraform()
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline{dir: t.TempDir()}
	p.copy(t, "cdktf.json", "environments/production.yaml")
	p.write(t, "bin/terraform", terraform) // and nothing else of the machine's
	if err := os.Chmod(filepath.Join(p.dir, "bin", "terraform"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.step = map[string]string{
		"PATH":                      filepath.Join(p.dir, "bin"),
		"HOME":                      t.TempDir(),
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID":         "test",
		"AWS_SECRET_ACCESS_KEY":     "test",
		"AWS_ENDPOINT_URL":          callerIdentity(t, "123456789012"),
		"GITHUB_STEP_SUMMARY":       filepath.Join(p.dir, "summary.md"),
	}
	p.stack(t, "a", nil)
	return p
}

// pipelineTerraform is a script that runs Terraform. Its version, which every command asks for twice, the script knows.
var pipelineTerraform = sync.OnceValues(func() (string, error) {
	binary, err := terraform.Find(context.Background(), root)
	if err != nil {
		return "", err
	}
	version, err := exec.Command(binary, "version", "-json").Output()
	if err != nil {
		return "", fmt.Errorf("terraform version: %w", err)
	}
	return fmt.Sprintf("#!/bin/sh\nif [ \"$*\" = 'version -json' ]; then printf %%s '%s'; else exec '%s' \"$@\"; fi\n", version, binary), nil
})

// callerIdentity plays the part of AWS that tells the account of the credentials.
func callerIdentity(t *testing.T, account string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
			<Arn>arn:aws:iam::%[1]s:user/somebody</Arn><UserId>AIDA</UserId><Account>%[1]s</Account>
			</GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// gitHub starts a GitHub with a repository, and gives the step of a pull request its address and token.
func (p pipeline) gitHub(t *testing.T, repository string) *githubtest.Server {
	t.Helper()
	server := githubtest.Start(t, repository)
	maps.Copy(p.step, map[string]string{
		"GITHUB_API_URL": server.URL, "GITHUB_TOKEN": githubtest.Token, "GITHUB_REPOSITORY": repository, "GITHUB_REF": "refs/pull/12/merge",
	})
	return server
}

func (p pipeline) write(t *testing.T, file, content string) {
	t.Helper()
	path := filepath.Join(p.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copy takes files over from the project's own checkout.
func (p pipeline) copy(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, file, string(content))
	}
}

// read is a file of the checkout; empty where there is none.
func (p pipeline) read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

const productionDir = "cdktf.out/stacks/production/"

// stack writes the synthesized stack: one resource with an input, and outputs.
func (p pipeline) stack(t *testing.T, input string, outputs map[string]string) {
	t.Helper()
	synthesized := map[string]any{
		"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{}}},
		"resource":  map[string]any{"terraform_data": map[string]any{"thing": map[string]any{"input": input}}},
	}
	if len(outputs) > 0 { // Terraform takes no empty block
		values := map[string]any{}
		for name, value := range outputs {
			values[name] = map[string]any{"value": value}
		}
		synthesized["output"] = values
	}
	body, err := json.Marshal(synthesized)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, productionDir+"cdk.tf.json", string(body))
	if err := synth.Record(p.dir); err != nil { // nothing else in this checkout is synthesized
		t.Fatal(err)
	}
}

// run runs a command line as a step does, without standard input.
func (p pipeline) run(t *testing.T, arguments ...string) (said string, failed bool) {
	t.Helper()
	run := p.command(t, arguments...)
	out, err := run.CombinedOutput()
	if strings.Contains(string(out), "goroutine") {
		t.Errorf("a stack trace reaches the user:\n%s", out)
	}
	if strings.Contains(string(out), githubtest.Token) {
		t.Errorf("the token is in the log:\n%s", out)
	}
	return string(out), err != nil
}

func (p pipeline) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := commandLine()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@" <&-`, path}, arguments...)...)
	run.Dir = p.dir
	for name, value := range p.step {
		run.Env = append(run.Env, name+"="+value)
	}
	return run
}

// works fails the test unless a command line ends well and says something.
func (p pipeline) works(t *testing.T, want string, arguments ...string) {
	t.Helper()
	if said, failed := p.run(t, arguments...); failed || !strings.Contains(said, want) {
		t.Fatalf("%v:\n%s\nwant %q", arguments, said, want)
	}
}

// fails fails the test unless a command line fails and its last line says something.
func (p pipeline) fails(t *testing.T, want string, arguments ...string) {
	t.Helper()
	said, failed := p.run(t, arguments...)
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if !failed || !strings.Contains(lines[len(lines)-1], want) {
		t.Errorf("%v:\n%s\nwant a failure with %q", arguments, said, want)
	}
}

// apply applies the plan that lies there.
func (p pipeline) apply(t *testing.T) {
	t.Helper()
	apply := exec.Command(filepath.Join(p.dir, "bin", "terraform"), "apply", "-no-color", "plan")
	apply.Dir = filepath.Join(p.dir, productionDir)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func has(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, part := range want {
		if !strings.Contains(got, part) {
			t.Errorf("%s:\n%s\nwant %q in it", what, got, part)
		}
	}
}

const planMarker = "<!-- starttech plan production -->\n"

func TestThePlanIsTheOneCommentOnThePullRequest(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	gitHub := p.gitHub(t, "starttech/infrastructure")

	p.works(t, "To plan again and apply:   make deploy ENV=production", "plan", "--env", "production")
	p.works(t, "The plan of production is in a comment on starttech/infrastructure#12.", "comment-plan", "--env", "production")
	p.works(t, "", "comment-plan", "--env", "production")
	p.apply(t)
	p.stack(t, "b", nil)
	p.works(t, "", "plan", "--env", "production")
	for _, secret := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} {
		delete(p.step, secret) // to read a plan takes none
	}
	p.works(t, "", "comment-plan", "--env", "production")

	equal(t, "comments", len(gitHub.Comments), 1)
	has(t, "the comment", gitHub.Comments[0].Body, planMarker, "0 to add, 1 to change, 0 to destroy", "terraform_data.thing")
	equal(t, "requests that changed something", gitHub.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1000",
	})
	has(t, "the run's summary", p.read(t, "summary.md"), "1 to add, 0 to change, 0 to destroy", "0 to add, 1 to change, 0 to destroy")
}

func TestAFailedPlanIsTheCommentAndNoOldPlanSurvivesIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		breaks func(t *testing.T, p pipeline)
		// message is what to do, output Terraform's own words.
		message, output string
	}{
		"no credentials": {
			breaks:  func(t *testing.T, p pipeline) { delete(p.step, "AWS_ACCESS_KEY_ID") },
			message: "no AWS credentials: sign in (aws sso login) and set AWS_PROFILE",
		},
		"another account": {
			breaks:  func(t *testing.T, p pipeline) { p.step["AWS_ENDPOINT_URL"] = callerIdentity(t, "999999999999") },
			message: `account: "123456789012", but the credentials are for account 999999999999`,
		},
		"Terraform refuses": {
			breaks:  func(t *testing.T, p pipeline) { p.stack(t, "${file(\"missing.txt\")}", nil) },
			message: "plan production: Invalid function argument", output: "missing.txt",
		},
		"Terraform refuses to begin": {
			breaks: func(t *testing.T, p pipeline) {
				p.write(t, productionDir+"more.tf.json", `{"terraform": {"required_version": "< 1.0.0"}}`)
			},
			message: "init production: Unsupported Terraform Core version", output: "< 1.0.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t)
			gitHub := p.gitHub(t, "starttech/infrastructure")
			p.works(t, "", "plan", "--env", "production")
			p.works(t, "", "comment-plan", "--env", "production")
			test.breaks(t, p)
			p.fails(t, test.message, "plan", "--env", "production")

			if p.read(t, productionDir+"plan") != "" {
				t.Error("the old plan is still there")
			}
			var failure struct{ Message, Output string }
			if err := json.Unmarshal([]byte(p.read(t, productionDir+"plan.failed")), &failure); err != nil {
				t.Fatal(err)
			}
			has(t, "the message", failure.Message, test.message)
			has(t, "the output", failure.Output, test.output)

			p.works(t, "", "comment-plan", "--env", "production")
			equal(t, "comments", len(gitHub.Comments), 1)
			has(t, "the comment", gitHub.Comments[0].Body, planMarker, "failed", test.output)
		})
	}
}

func TestAPlanAfterAFailedOneTakesItsPlace(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	gitHub := p.gitHub(t, "starttech/infrastructure")
	p.stack(t, "${file(\"missing.txt\")}", nil)
	p.fails(t, "plan production: ", "plan", "--env", "production")
	p.stack(t, "a", nil)
	p.works(t, "", "plan", "--env", "production")
	equal(t, "plan.failed", p.read(t, productionDir+"plan.failed"), "")
	p.works(t, "", "comment-plan", "--env", "production")
	has(t, "the comment", gitHub.Comments[0].Body, "1 to add, 0 to change, 0 to destroy")
}

func TestDriftIsOneIssueWhileThereIsAny(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	gitHub := p.gitHub(t, "starttech/infrastructure")
	delete(p.step, "GITHUB_REF")
	replan := func(input string, outputs map[string]string) {
		t.Helper()
		p.stack(t, input, outputs)
		p.works(t, "", "plan", "--env", "production")
	}

	replan("a", nil)
	p.works(t, `The issue "Drift in production" in starttech/infrastructure has the plan.`, "drift", "--env", "production")
	replan("b", nil)
	p.works(t, "", "drift", "--env", "production")
	equal(t, "issues", len(gitHub.Issues), 2) // with the pull request
	issue := gitHub.Issues[1]
	equal(t, "its title", issue.Title, "Drift in production")
	has(t, "its text", issue.Body, "<!-- starttech drift production -->\n", "`make deploy ENV=production` reverts it", "1 to add", `"b"`)

	p.apply(t)
	replan("b", nil)
	p.works(t, "There is no drift in production.", "drift", "--env", "production")
	equal(t, "its state", issue.State, "closed")
	has(t, "the comment on it", gitHub.Comments[0].Body, "The plan of `production` has no changes any more.")
	p.works(t, "There is no drift in production.", "drift", "--env", "production")
	equal(t, "comments", len(gitHub.Comments), 1)

	replan("b", map[string]string{"site_url": "https://x"})
	p.works(t, "", "drift", "--env", "production")
	equal(t, "issues, when only an output changes", len(gitHub.Issues), 3)
	p.apply(t)
	replan("b", map[string]string{"site_url": "https://x"})
	p.works(t, "", "drift", "--env", "production")
	equal(t, "the second one's state", gitHub.Issues[2].State, "closed")

	p.stack(t, "${file(\"missing.txt\")}", nil)
	p.fails(t, "plan production: ", "plan", "--env", "production")
	p.works(t, "has the plan", "drift", "--env", "production")
	equal(t, "issues, when the plan fails", len(gitHub.Issues), 4)
	has(t, "its text", gitHub.Issues[3].Body, "it is not known whether code and AWS differ", "missing.txt")
	has(t, "the run's summary", p.read(t, "summary.md"), "1 to add", "missing.txt")
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	p.write(t, "bin/cdktf", "#!/bin/sh\necho \"$@\" > arguments\necho deployed\n") // the real one asks a registry for providers
	if err := os.Chmod(filepath.Join(p.dir, "bin", "cdktf"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.deployed(t, map[string]string{"site_url": "https://x"})
	p.fails(t, "deploy asks for approval, but standard input is not a terminal; in a pipeline that has its own approval, set CI=true", "deploy", "--env", "production")
	p.step["CI"] = "false"
	p.fails(t, "deploy asks for approval, but standard input is not a terminal", "deploy", "--env", "production")
	p.step["CI"] = "true"
	p.works(t, "production: no changes", "deploy", "--env", "production")
	equal(t, "arguments of cdktf", p.read(t, "arguments"), "")

	p.stack(t, "b", map[string]string{"site_url": "https://x"})
	said, failed := p.run(t, "deploy", "--env", "production")
	if failed {
		t.Error("it failed")
	}
	has(t, "output", said, "Plan of production: 0 to add, 1 to change, 0 to destroy", "deployed", "production is deployed.")
	if strings.Contains(said, "format_version") {
		t.Errorf("it prints the state:\n%s", said)
	}
	equal(t, "arguments of cdktf", p.read(t, "arguments"), "deploy production --skip-synth --auto-approve\n")
	p.fails(t, "deploy: name the environment: --env NAME, or make deploy ENV=NAME", "deploy")
	p.fails(t, "destroy: name the environment", "destroy")
	p.fails(t, "destroy asks a person at a terminal; it does not run in a pipeline (CI is set)", "destroy", "--env", "production")
	p.fails(t, "bootstrap is not destroyed: it contains the Terraform state", "destroy", "--env", "bootstrap")
}

func TestOutputsAreInTheRunsSummary(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	p.stack(t, "a", map[string]string{"site_url": "https://x", "frontend_bucket": "a-bucket"})
	p.works(t, "", "plan", "--env", "production")
	p.apply(t)
	p.works(t, "  frontend_bucket  a-bucket\n  site_url         https://x\n", "outputs", "--env", "production")
	has(t, "the run's summary", p.read(t, "summary.md"), "| `frontend_bucket` | `a-bucket` |\n")
	delete(p.step, "GITHUB_STEP_SUMMARY")
	p.works(t, "  site_url         https://x\n", "outputs", "--env", "production")
}

// deployed applies production with outputs.
func (p pipeline) deployed(t *testing.T, outputs map[string]string) {
	t.Helper()
	p.stack(t, "a", outputs)
	p.works(t, "", "plan", "--env", "production")
	p.apply(t)
}

func TestHealthAsksTheSiteThatIsDeployed(t *testing.T) {
	t.Parallel()
	var page atomic.Int64 // status of its page
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ping" {
			w.WriteHeader(int(page.Load()))
		}
	}))
	defer site.Close()
	p := newPipeline(t)
	p.deployed(t, map[string]string{"site_url": site.URL})
	for name, test := range map[string]struct {
		page int64
		want string
	}{
		"a site with its page":          {200, "SITE/ping answers.\nSITE/ answers.\n"},
		"a site that is not published":  {403, "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 403 Forbidden\n"},
		"a site whose page was removed": {404, "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 404 Not Found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			page.Store(test.page)
			p.works(t, strings.ReplaceAll(test.want, "SITE", site.URL), "smoke-test", "--env", "production")
		})
	}
}

func TestHealthKeepsAskingUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		asked <- struct{}{}
	}))
	defer site.Close()
	p := newPipeline(t)
	p.deployed(t, map[string]string{"site_url": site.URL})
	run := p.command(t, "smoke-test", "--env", "production")
	said, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	line, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err == nil {
		t.Error("it ended well")
	}
	has(t, "what it says", string(line), "interrupted: "+site.URL+"/ping ")
}

// everyOutput is what a deployed environment has, of what is published.
var everyOutput = map[string]string{
	"aws_region":              "eu-west-1",
	"site_url":                "https://d111111abcdef8.cloudfront.net",
	"ecr_repository_url":      "123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend",
	"release_parameter":       "/starttech/production/release",
	"auto_scaling_group_name": "starttech-production-backend",
	"frontend_bucket":         "starttech-production-frontend-123456789012",
	"distribution_id":         "EDFDVBD6EXAMPLE",
	"release_role_arn":        "arn:aws:iam::123456789012:role/starttech-production-release",
}

// publisher is a pipeline with a deployed production, and the application's repository.
func publisher(t *testing.T) (pipeline, *githubtest.Server) {
	t.Helper()
	p := newPipeline(t)
	gitHub := githubtest.Start(t, "starttech/application")
	maps.Copy(p.step, map[string]string{"GITHUB_API_URL": gitHub.URL, "APPLICATION_REPOSITORY_TOKEN": githubtest.Token})
	p.deployed(t, everyOutput)
	return p, gitHub
}

func TestPublishTellsTheApplicationWhereItLives(t *testing.T) {
	t.Parallel()
	p, gitHub := publisher(t)
	const want = "The environment production of starttech/application has the outputs: 8 variables, 1 secret.\n"
	p.works(t, want, "publish-outputs", "--env", "production")
	equal(t, "the environment", *gitHub.Environments["production"], githubtest.Environment{
		Variables: map[string]string{
			"AWS_REGION":         everyOutput["aws_region"],
			"SITE_URL":           everyOutput["site_url"],
			"ECR_REPOSITORY":     everyOutput["ecr_repository_url"],
			"RELEASE_PARAMETER":  everyOutput["release_parameter"],
			"AUTO_SCALING_GROUP": everyOutput["auto_scaling_group_name"],
			"FRONTEND_BUCKET":    everyOutput["frontend_bucket"],
			"DISTRIBUTION_ID":    everyOutput["distribution_id"],
			"VITE_API_BASE_URL":  everyOutput["site_url"],
		},
		Secrets: map[string]string{"RELEASE_ROLE": everyOutput["release_role_arn"]},
	})

	before := len(gitHub.Changes())
	p.works(t, want, "publish-outputs", "--env", "production")
	equal(t, "what the second time changes", gitHub.Changes()[before:], []string{
		"PUT /repos/starttech/application/environments/production/secrets/RELEASE_ROLE",
	})
}

func TestEveryOutputThatIsPublishedExists(t *testing.T) {
	for _, name := range []string{"production", "staging"} {
		outputs := resource(shipped.stack(t, name).body).get("output")
		have, ok := outputs.(map[string]any)
		if !ok {
			t.Fatalf("%s has outputs %v", name, outputs)
		}
		for _, output := range slices.Sorted(maps.Keys(everyOutput)) {
			if _, ok := have[output]; !ok {
				t.Errorf("%s has no output %s", name, output)
			}
		}
	}
}

func TestPublishSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	p, gitHub := publisher(t)
	with := func(name, value, want string) {
		t.Helper()
		old := p.step[name]
		p.step[name] = value
		p.fails(t, want, "publish-outputs", "--env", "production")
		p.step[name] = old
	}
	const rights = "Actions: read and Environments: write, and, if the environment does not exist yet, Administration: write"
	with("APPLICATION_REPOSITORY_TOKEN", "", "APPLICATION_REPOSITORY_TOKEN is not set: a fine-grained token for starttech/application with "+rights)
	with("APPLICATION_REPOSITORY_TOKEN", "expired", "publish to starttech/application: GitHub rejects the token (401 Unauthorized: Bad credentials)")
	with("GITHUB_API_URL", githubtest.Start(t, "somebody/else").URL, "publish to starttech/application: the token has no write access (404 Not Found): it needs a fine-grained token for that repository with "+rights)
	with("GITHUB_API_URL", "http://127.0.0.1:1", "publish to starttech/application: GitHub cannot be reached at http://127.0.0.1:1/ (")
	with("AWS_ACCESS_KEY_ID", "", "no AWS credentials")
	p.fails(t, "bootstrap has nothing to publish; name an environment", "publish-outputs", "--env", "bootstrap")

	withoutRole := maps.Clone(everyOutput)
	delete(withoutRole, "release_role_arn")
	p.deployed(t, withoutRole)
	p.fails(t, "production has no output release_role_arn: deploy it first", "publish-outputs", "--env", "production")
	p.deployed(t, nil)
	p.fails(t, "production has no outputs: it is not deployed", "publish-outputs", "--env", "production")
	equal(t, "requests that changed something", len(gitHub.Changes()), 0)
}

func TestACommandOfAPipelineSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	planned := newPipeline(t)
	planned.works(t, "", "plan", "--env", "production")
	plan := planned.read(t, productionDir+"plan")

	for name, test := range map[string]struct {
		step      map[string]string // empty: not set
		change    func(t *testing.T, p pipeline)
		arguments []string
		want      string
	}{
		"comment-plan without a stack":       {arguments: []string{"comment-plan"}, want: "comment-plan: name the environment: --env NAME, or make comment-plan ENV=NAME"},
		"drift with too much":                {arguments: []string{"drift", "--env", "production", "staging"}, want: `unknown command "staging" for "starttech drift"`},
		"comment without a token":            {step: map[string]string{"GITHUB_TOKEN": ""}, arguments: []string{"comment-plan", "--env", "production"}, want: "GITHUB_TOKEN is not set: give the step the job's token, env: GITHUB_TOKEN: ${{ github.token }}"},
		"drift without a token":              {step: map[string]string{"GITHUB_TOKEN": " "}, arguments: []string{"drift", "--env", "production"}, want: "GITHUB_TOKEN is not set: "},
		"comment without a repository":       {step: map[string]string{"GITHUB_REPOSITORY": ""}, arguments: []string{"comment-plan", "--env", "production"}, want: "GITHUB_REPOSITORY is not set: a workflow sets it; by hand it is owner/name"},
		"comment with half a repository":     {step: map[string]string{"GITHUB_REPOSITORY": "starttech"}, arguments: []string{"comment-plan", "--env", "production"}, want: `"starttech" is not a GitHub repository: want owner/name`},
		"comment on a push":                  {step: map[string]string{"GITHUB_REF": "refs/heads/main"}, arguments: []string{"comment-plan", "--env", "production"}, want: `GITHUB_REF: "refs/heads/main" is not a pull request, refs/pull/12/merge: comment-plan runs in workflows on pull_request`},
		"comment outside a workflow":         {step: map[string]string{"GITHUB_REF": ""}, arguments: []string{"comment-plan", "--env", "production"}, want: `GITHUB_REF: "" is not a pull request`},
		"comment on a pull request too many": {step: map[string]string{"GITHUB_REF": "refs/pull/99/merge"}, arguments: []string{"comment-plan", "--env", "production"}, want: "comment on starttech/infrastructure#99: the pull request does not exist"},
		"an address that is not GitHub's":    {step: map[string]string{"GITHUB_API_URL": "api.github.com"}, arguments: []string{"comment-plan", "--env", "production"}, want: `GITHUB_API_URL: "api.github.com" is not a URL such as https://api.github.com`},
		"an unknown stack":                   {arguments: []string{"comment-plan", "--env", "prod"}, want: `"prod" is not a stack; the stacks are bootstrap, production`},
		"a stack outside the folder":         {arguments: []string{"plan", "--env", "../.."}, want: `"../.." is not a stack; the stacks are bootstrap, production`},
		"drift of an unknown stack":          {arguments: []string{"drift", "--env", "prod"}, want: `"prod" is not a stack`},
		"health of an unknown stack":         {arguments: []string{"smoke-test", "--env", "prod"}, want: `"prod" is not a stack`},
		"publish of an unknown stack":        {arguments: []string{"publish-outputs", "--env", "prod"}, want: `"prod" is not a stack`},
		"comment without a plan": {
			change:    func(t *testing.T, p pipeline) { remove(t, filepath.Join(p.dir, productionDir, "plan")) },
			arguments: []string{"comment-plan", "--env", "production"}, want: "there is no plan of production; run make plan ENV=production first",
		},
		"drift without a plan": {
			change:    func(t *testing.T, p pipeline) { remove(t, filepath.Join(p.dir, productionDir, "plan")) },
			arguments: []string{"drift", "--env", "production"}, want: "there is no plan of production; run make plan ENV=production first",
		},
		"a plan that is none": {
			change:    func(t *testing.T, p pipeline) { p.write(t, productionDir+"plan", "nothing") },
			arguments: []string{"comment-plan", "--env", "production"}, want: "show the plan of production: Failed to read the given file as a state or plan file; run make plan ENV=production here first",
		},
		"a failure that is none": {
			change:    func(t *testing.T, p pipeline) { p.write(t, productionDir+"plan.failed", "nothing") },
			arguments: []string{"comment-plan", "--env", "production"}, want: productionDir + "plan.failed: invalid character",
		},
		"a summary that cannot be written": {
			step:      map[string]string{"GITHUB_STEP_SUMMARY": "/nowhere/summary.md"},
			arguments: []string{"comment-plan", "--env", "production"}, want: "GITHUB_STEP_SUMMARY: open /nowhere/summary.md: no such file or directory",
		},
		"health of bootstrap":          {arguments: []string{"smoke-test", "--env", "bootstrap"}, want: "bootstrap has no site; name an environment"},
		"health of what is not there":  {arguments: []string{"smoke-test", "--env", "production"}, want: "production has no outputs: it is not deployed"},
		"health without credentials":   {step: map[string]string{"AWS_ACCESS_KEY_ID": ""}, arguments: []string{"smoke-test", "--env", "production"}, want: "no AWS credentials: "},
		"outputs of what is not there": {arguments: []string{"outputs", "--env", "production"}, want: "production has no outputs: it is not deployed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t)
			p.gitHub(t, "starttech/infrastructure")
			p.write(t, productionDir+"plan", plan)
			if test.change != nil {
				test.change(t, p)
			}
			for name, value := range test.step {
				if p.step[name] = value; value == "" {
					delete(p.step, name)
				}
			}
			if test.want == "" {
				if said, failed := p.run(t, test.arguments...); !failed || !strings.HasPrefix(said, "usage: starttech COMMAND") {
					t.Errorf("%v:\n%s\nwant the usage", test.arguments, said)
				}
				return
			}
			p.fails(t, test.want, test.arguments...)
		})
	}
}
