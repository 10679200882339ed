package test

import (
	"go/version"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github"
	"github.com/starttech/infrastructure/internal/tools"
)

// actionlint and zizmor check the workflows: syntax, expressions, shell, pinned actions, permissions, triggers, injection. The
// tests below check what relates the workflows to the rest of the project.

const (
	pullRequestFile = ".github/workflows/pull-request.yml"
	deployFile      = ".github/workflows/deploy.yml"
	deployOneFile   = ".github/workflows/deploy-environment.yml"
	driftFile       = ".github/workflows/drift.yml"
	setupFile       = ".github/actions/setup/action.yml"
	dependabotFile  = ".github/dependabot.yml"

	credentialsAction = "aws-actions/configure-aws-credentials"
)

// workflow is the parts of a workflow that the tests read.
type workflow struct {
	On   map[string]any
	Jobs map[string]workflowJob
}

type workflowJob struct {
	Needs    any
	If, Uses string
	RunsOn   string `yaml:"runs-on"`
	Minutes  int    `yaml:"timeout-minutes"`
	Strategy struct {
		Matrix struct{ Stack []string }
	}
	With  map[string]string
	Steps []workflowStep
}

type workflowStep struct {
	Name, ID, If, Uses, Run string
	Env, With               map[string]string
}

// uses reports whether a step is the action of that name, at any commit.
func (s workflowStep) uses(action string) bool { return strings.HasPrefix(s.Uses, action+"@") }

// step is the first step that is the action of that name.
func (j workflowJob) step(action string) workflowStep {
	if i := slices.IndexFunc(j.Steps, func(s workflowStep) bool { return s.uses(action) }); i >= 0 {
		return j.Steps[i]
	}
	return workflowStep{}
}

// scripts is the shell of all steps.
func (j workflowJob) scripts() string {
	var all []string
	for _, s := range j.Steps {
		all = append(all, s.Run)
	}
	return strings.Join(all, "\n")
}

// readGitHubFiles reads every file of .github, by its path.
func readGitHubFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, ".github"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readWorkflow(t *testing.T, file string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(readGitHubFiles(t)[file]), &w); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return w
}

// TestWorkflowSettings pins settings that no linter requires.
func TestWorkflowSettings(t *testing.T) {
	files := readGitHubFiles(t)
	for _, row := range []struct {
		file, reason string
		path         []any
		want         any
	}{
		{deployFile, "main is deployed", []any{"on", "push", "branches"}, []any{"main"}},
		{deployFile, "a cancelled apply leaves the state locked", []any{"concurrency", "cancel-in-progress"}, false},
		{deployFile, "one deploy at a time", []any{"concurrency", "group"}, "deploy"},
		{driftFile, "a cancelled plan leaves the state locked", []any{"concurrency", "cancel-in-progress"}, false},
		{driftFile, "it would replace a waiting deploy in the same group", []any{"concurrency", "group"}, "drift"},
		{driftFile, "a manual run can be on any branch", []any{"jobs", "drift", "if"}, "github.ref == 'refs/heads/main'"},
		{driftFile, "a failed stack must not cancel the others", []any{"jobs", "drift", "strategy", "fail-fast"}, false},
		{driftFile, "drift is unknown if the plan failed", []any{"jobs", "drift", "steps", 4, "if"}, evenIfFailed},
		{pullRequestFile, "a failed stack must not cancel the others", []any{"jobs", "plan", "strategy", "fail-fast"}, false},
		{pullRequestFile, "a cancelled plan leaves the state locked", []any{"jobs", "plan", "concurrency", "cancel-in-progress"}, false},
		{pullRequestFile, "a failed plan is a comment, too", []any{"jobs", "plan", "steps", 4, "if"}, evenIfFailed},
		{pullRequestFile, "another run would cancel the required check", []any{"jobs", "passed", "concurrency"}, nil},
		{pullRequestFile, "the same", []any{"concurrency"}, nil},
		{pullRequestFile, "the user's pipeline synthesizes so", []any{"jobs", "test", "steps", 4, "run"}, "node_modules/.bin/cdktf synth"},
		{pullRequestFile, "it runs every test", []any{"jobs", "test", "steps", 6, "run"}, "make -o lint test"},
		{setupFile, "the wrapper changes Terraform's output", []any{"runs", "steps", 4, "with", "terraform_wrapper"}, false},
		{setupFile, "synth looks there", []any{"runs", "steps", 6, "with", "path"}, ".local/packagecache"},
		{setupFile, "it is the last step", []any{"runs", "steps", 9, "run"}, "make install"},
	} {
		var body map[string]any
		if err := yaml.Unmarshal([]byte(files[row.file]), &body); err != nil {
			t.Fatal(err)
		}
		if got := resource(body).get(row.path...); !cmp.Equal(got, row.want) {
			t.Errorf("%s: %v is %v, want %v: %s", row.file, row.path, got, row.want, row.reason)
		}
	}
}

const evenIfFailed = "${{ !cancelled() && steps.plan.outcome != 'skipped' }}"

func TestEveryJobHasATimeoutAndAPinnedRunner(t *testing.T) {
	for file := range readGitHubFiles(t) {
		for name, j := range readWorkflow(t, file).Jobs {
			if j.Uses == "" && (j.Minutes < 1 || j.RunsOn != "ubuntu-24.04") {
				t.Errorf("%s: %s has %d minutes on %s", file, name, j.Minutes, j.RunsOn)
			}
		}
	}
}

// The commits cannot be compared with GitHub's tags here, but with each other.
func TestEveryActionHasOneCommit(t *testing.T) {
	files := readGitHubFiles(t)
	files[releasePage] = readPage(t).text
	pins, pinned := map[string]string{}, regexp.MustCompile(`uses: ([a-z-]+/[a-z-]+)@([0-9a-f]{40} # v[0-9.]+)\n`)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for _, found := range pinned.FindAllStringSubmatch(files[file], -1) {
			if other := pins[found[1]]; other != "" && other != found[2] {
				t.Errorf("%s: %s is pinned to %s, elsewhere to %s", file, found[1], found[2], other)
			}
			pins[found[1]] = found[2]
		}
		if pinned, all := len(pinned.FindAllString(files[file], -1)), strings.Count(files[file], "uses: ")-strings.Count(files[file], "uses: ./"); pinned != all {
			t.Errorf("%s: %d of %d actions have a commit and a version", file, pinned, all)
		}
	}
}

func TestWorkflowsPlanAndWatchEveryStack(t *testing.T) {
	for file, job := range map[string]string{pullRequestFile: "plan", driftFile: "drift"} {
		j := readWorkflow(t, file).Jobs[job]
		equalSets(t, "stacks in "+file, j.Strategy.Matrix.Stack, slices.Collect(maps.Keys(shipped.stacks)))
		if !strings.Contains(j.scripts(), `make plan ENV="$STACK"`) {
			t.Errorf("%s does not plan the stacks of its matrix", file)
		}
	}
}

func TestMainDeploysEveryEnvironmentStagingFirst(t *testing.T) {
	var environments []string
	for name := range shipped.stacks {
		if !strings.HasPrefix(name, config.BootstrapStack) {
			environments = append(environments, name)
		}
	}
	jobs := readWorkflow(t, deployFile).Jobs
	equalSets(t, "jobs", slices.Collect(maps.Keys(jobs)), environments)
	for name, j := range jobs {
		equal(t, "environment of "+name, j.With["environment"], name)
		equal(t, "condition of "+name, j.If, "github.ref == 'refs/heads/main'")
		equal(t, "workflow of "+name, j.Uses, "./"+deployOneFile)
	}
	equal(t, "production waits for", jobs["production"].Needs, any("staging"))
}

func TestDeployTestsTheSiteBeforeItPublishes(t *testing.T) {
	scripts := readWorkflow(t, deployOneFile).Jobs["deploy"].scripts()
	last := -1
	for _, command := range []string{`make deploy ENV="$STACK"`, `make smoke-test ENV="$STACK"`, `starttech publish-outputs --env "$STACK"`} {
		at := strings.Index(scripts, command)
		if at <= last {
			t.Errorf("%s is missing, or too early", command)
		}
		last = at
	}
}

// A fork gets no OIDC token, so that its plan would fail. Unreviewed code of Dependabot gets none either.
func TestForksAndDependabotDoNotPlan(t *testing.T) {
	condition := readWorkflow(t, pullRequestFile).Jobs["plan"].If
	for _, want := range []string{
		"github.event.pull_request.head.repo.full_name == github.repository &&",
		"github.event.pull_request.user.login != 'dependabot[bot]'",
	} {
		if !strings.Contains(condition, want) {
			t.Errorf("the plan runs if %q, want %q in it", condition, want)
		}
	}
}

func TestCredentialsOfADeployLastAsLongAsItsJob(t *testing.T) {
	j := readWorkflow(t, deployOneFile).Jobs["deploy"]
	seconds, err := strconv.Atoi(j.step(credentialsAction).With["role-duration-seconds"])
	longest, _ := shipped.stack(t, "bootstrap").resource(t, "aws_iam_role.deploy_role").get("max_session_duration").(float64)
	if err != nil || seconds < j.Minutes*60 || float64(seconds) > longest {
		t.Errorf("%d seconds, for a job of %d minutes, of a role with %v seconds", seconds, j.Minutes, longest)
	}
	if j.Minutes < 60 {
		t.Errorf("%d minutes: CloudFront and Redis take half an hour", j.Minutes)
	}
}

// The branch protection requires this check only.
func TestPassedWaitsForEveryOtherJob(t *testing.T) {
	jobs := readWorkflow(t, pullRequestFile).Jobs
	passed := jobs["passed"]
	var needs []string
	for _, need := range passed.Needs.([]any) {
		needs = append(needs, need.(string))
	}
	delete(jobs, "passed")
	equalSets(t, "needs", needs, slices.Collect(maps.Keys(jobs)))
	equal(t, "condition", passed.If, "${{ always() }}") // a skipped check counts as passed
	for name := range jobs {
		if !strings.Contains(passed.Steps[0].If, "needs."+name+".result != 'success'") {
			t.Errorf("it does not look at %s", name)
		}
	}
}

func TestTheUploadedPlanIsNothingButThePlan(t *testing.T) {
	upload := readWorkflow(t, pullRequestFile).Jobs["plan"].step("actions/upload-artifact")
	files := strings.Fields(strings.ReplaceAll(upload.With["path"], "cdktf.out/stacks/${{ matrix.stack }}/", ""))
	equal(t, "files", files, []string{"plan", "plan.txt", "plan.json", "cdk.tf.json"})
}

func TestSetupInstallsTheVersionsOfTheProject(t *testing.T) {
	for _, s := range readSetup(t) {
		if s.uses("hashicorp/setup-terraform") {
			equal(t, "Terraform", s.With["terraform_version"], tools.Terraform)
		}
	}
	// setup-go sets GOTOOLCHAIN=local, so that the tools must not need a newer Go
	// (https://github.com/actions/setup-go/releases/tag/v6.0.0).
	has, needs := goVersion(t, "go.mod"), goVersion(t, "tools.mod")
	if !version.IsValid(has) || version.Compare(has, needs) < 0 {
		t.Errorf("go.mod installs %s, but tools.mod needs %s", has, needs)
	}
}

func readSetup(t *testing.T) []workflowStep {
	t.Helper()
	var action struct {
		Runs struct{ Steps []workflowStep }
	}
	if err := yaml.Unmarshal([]byte(readGitHubFiles(t)[setupFile]), &action); err != nil {
		t.Fatal(err)
	}
	return action.Runs.Steps
}

// goVersion is the version of Go that a module file asks for: its toolchain's if it names one.
func goVersion(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`(?m)^toolchain (go\S+)`, `(?m)^go (\S+)`} {
		if found := regexp.MustCompile(line).FindSubmatch(content); found != nil {
			return "go" + strings.TrimPrefix(string(found[1]), "go")
		}
	}
	return ""
}

// Without the variables, AWS would reject a role without a name.
func TestAMissingVariableIsOneLine(t *testing.T) {
	script := readSetup(t)[0].Run
	for variables, want := range map[string]string{
		"":                                       "",
		"PLAN_ROLE=arn:x=y\nAWS_REGION=eu\n":     "",
		"PLAN_ROLE=\nAWS_REGION=eu-west-1\n":     "::error::the variable PLAN_ROLE is not set, see docs/deploying.md\n",
		"PLAN_ROLE=arn:aws:x\nAWS_REGION=\n":     "::error::the variable AWS_REGION is not set, see docs/deploying.md\n",
		"DEPLOY_ROLE=arn:aws:x\nAWS_REGION=  \n": "",
	} {
		command := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", script)
		command.Env = []string{"VARIABLES=" + variables}
		out, err := command.CombinedOutput()
		if string(out) != want || (err == nil) != (want == "") {
			t.Errorf("%q: %v, %q", variables, err, out)
		}
	}
}

func TestThePageOnDeployingNamesEverySetting(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "deploying.md"))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]bool{github.PublishPermissions: true, "`passed`": true}
	for _, content := range readGitHubFiles(t) {
		for _, found := range regexp.MustCompile(`\b(?:vars|secrets)\.([A-Z_]+)`).FindAllStringSubmatch(content, -1) {
			settings["`"+found[1]+"`"] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/deploying.md does not name %s", name)
		}
	}
}

// seededFault is a change to a file of .github, and a part of the finding.
type seededFault struct{ file, old, new, want string }

// seed is the file with the fault, and the composite action, which all workflows use.
func (f seededFault) seed(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	if !strings.Contains(files[f.file], f.old) {
		t.Fatalf("%s has no %q", f.file, f.old)
	}
	seeded := map[string]string{setupFile: files[setupFile]}
	seeded[f.file] = strings.Replace(files[f.file], f.old, f.new, 1)
	return seeded
}

func TestActionlint(t *testing.T) {
	t.Parallel()
	files := readGitHubFiles(t)
	if out, err := actionlint(t, files); err != nil || out != "" {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
	for _, f := range []seededFault{
		{driftFile, "steps.plan.outcome", "steps.plane.outcome", "[expression]"},
		{pullRequestFile, `make plan ENV="$STACK"`, `make plan ENV=$STACK`, "[shellcheck]"},
		{setupFile, "cache: npm", "cash: npm", "[action]"}, // the composite action is checked as well
	} {
		if out, err := actionlint(t, f.seed(t, files)); err == nil || !strings.Contains(out, f.want) {
			t.Errorf("%s: %v, found %q, want %s", f.new, err, out, f.want)
		}
	}
}

var pinnedAction = regexp.MustCompile(`@[0-9a-f]{40} # (v[0-9]+)[0-9.]*`)

// actionlint checks a copy, in which actions have their major versions, whose inputs it knows. The steps of the composite
// action, which it does not read, are in an additional workflow.
func actionlint(t *testing.T, files map[string]string) (out string, err error) {
	t.Helper()
	copied := map[string]string{".git/": ""} // it looks for a repository
	for name, content := range files {
		copied[name] = pinnedAction.ReplaceAllString(content, "@$1")
	}
	var action struct{ Runs struct{ Steps []any } }
	if err := yaml.Unmarshal([]byte(copied[setupFile]), &action); err != nil {
		t.Fatal(err)
	}
	steps, err := yaml.Marshal(map[string]any{
		"on": map[string]any{"workflow_call": map[string]any{"inputs": map[string]any{"variables": map[string]any{"type": "string"}}}},
		"jobs": map[string]any{
			"setup": map[string]any{"runs-on": "ubuntu-24.04", "steps": action.Runs.Steps},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	copied[".github/workflows/setup.yml"] = string(steps)

	path, err := findActionlint()
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), path, "-no-color")
	check.Dir = writeFiles(t, copied)
	found, err := check.CombinedOutput()
	return string(found), err
}

// findActionlint builds actionlint if necessary, and returns its path.
var findActionlint = sync.OnceValues(func() (string, error) {
	find := exec.Command("go", "tool", "-modfile=tools.mod", "-n", "actionlint")
	find.Dir = root
	path, err := find.Output()
	return strings.TrimSpace(string(path)), err
})

func TestZizmor(t *testing.T) {
	t.Parallel()
	files := readGitHubFiles(t)
	if out, err := zizmor(t, files); err != nil || !strings.HasPrefix(out, "No findings to report.") {
		t.Errorf("zizmor: %v\n%s", err, out)
	}
	for _, f := range []seededFault{
		{setupFile, "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5", "actions/cache@main", "[unpinned-uses]"},
		{pullRequestFile, "pull_request:", "pull_request_target:", "[dangerous-triggers]"},
		{dependabotFile, "    cooldown: {default-days: 7}\n", "", "[dependabot-cooldown]"},
	} {
		if out, err := zizmor(t, f.seed(t, files)); err == nil || !strings.Contains(out, f.want) {
			t.Errorf("%s: %v, found %q, want %s", f.new, err, out, f.want)
		}
	}
}

// zizmor audits a copy with the strictest persona that works without asking GitHub.
func zizmor(t *testing.T, files map[string]string) (out string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "zizmor", "--offline", "--quiet", "--no-progress", "--color=never", "--persona=auditor", ".github")
	command.Dir = writeFiles(t, files)
	found, err := command.CombinedOutput()
	return string(found), err
}
