package lint

import (
	"go/version"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/internal/github"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/internal/tools"
	"github.com/starttech/infrastructure/test/internal/harness"
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
)

// githubFiles reads every file of .github, by its path.
func githubFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(harness.Root), ".github", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[path] = harness.ReadFile(t, path)
		}
		return err
	})
	return harness.Must(t, files, err)
}

func parseFile(t *testing.T, file string) harness.Workflow {
	t.Helper()
	return harness.ParseWorkflow(t, file, harness.ReadFile(t, file))
}

// findAction returns the first step of a job that is an action.
func findAction(j harness.WorkflowJob, action string) harness.WorkflowStep {
	for _, s := range j.Steps {
		if s.IsAction(action) {
			return s
		}
	}
	return harness.WorkflowStep{}
}

// joinScripts returns the shell of all steps.
func joinScripts(j harness.WorkflowJob) string {
	var all []string
	for _, s := range j.Steps {
		all = append(all, s.Run)
	}
	return strings.Join(all, "\n")
}

// TestWorkflowSettings pins settings that no linter requires.
func TestWorkflowSettings(t *testing.T) {
	files := githubFiles(t)
	for _, row := range []struct {
		file, reason string
		path         []any
		want         any
	}{
		{deployFile, "main is deployed", []any{"on", "push", "branches"}, []any{"main"}},
		{deployFile, "a cancelled apply leaves the state locked", []any{"concurrency", "cancel-in-progress"}, false},
		{deployFile, "one deploy at a time", []any{"concurrency", "group"}, "deploy"},
		{deployOneFile, "its reviewers, secrets and variables apply", []any{"jobs", "deploy", "environment"}, "${{ inputs.environment }}"},
		{deployOneFile, "every step gets it, so it must not be the token", []any{"jobs", "deploy", "env", "PUBLISH"}, "${{ secrets.APPLICATION_REPOSITORY_TOKEN != '' }}"},
		{deployOneFile, "without the token, it would fail", []any{"jobs", "deploy", "steps", 6, "if"}, "${{ env.PUBLISH == 'true' }}"},
		{deployOneFile, "starttech publish-outputs requires it", []any{"jobs", "deploy", "steps", 6, "env", "APPLICATION_REPOSITORY_TOKEN"}, "${{ secrets.APPLICATION_REPOSITORY_TOKEN }}"},
		{deployOneFile, "nothing else reports that the outputs are not published", []any{"jobs", "deploy", "steps", 7, "if"}, "${{ env.PUBLISH != 'true' }}"},
		{driftFile, "a cancelled plan leaves the state locked", []any{"concurrency", "cancel-in-progress"}, false},
		{driftFile, "it would replace a waiting deploy in the same group", []any{"concurrency", "group"}, "drift"},
		{driftFile, "a manual run can be on any branch", []any{"jobs", "drift", "if"}, "github.ref == 'refs/heads/main'"},
		{driftFile, "a failed stack must not cancel the others", []any{"jobs", "drift", "strategy", "fail-fast"}, false},
		{driftFile, "drift is unknown if the plan failed", []any{"jobs", "drift", "steps", 4, "if"}, evenIfFailed},
		{driftFile, "starttech drift requires it", []any{"jobs", "drift", "steps", 4, "env", "GITHUB_TOKEN"}, "${{ github.token }}"},
		{pullRequestFile, "a failed stack must not cancel the others", []any{"jobs", "plan", "strategy", "fail-fast"}, false},
		{pullRequestFile, "a cancelled plan leaves the state locked", []any{"jobs", "plan", "concurrency", "cancel-in-progress"}, false},
		{pullRequestFile, "a run of the tests would cancel it in the same group", []any{"jobs", "plan", "concurrency", "group"}, "plan-${{ github.event.pull_request.number }}-${{ matrix.stack }}"},
		{pullRequestFile, "a failed plan is a comment, too", []any{"jobs", "plan", "steps", 4, "if"}, evenIfFailed},
		{pullRequestFile, "starttech comment-plan requires it", []any{"jobs", "plan", "steps", 4, "env", "GITHUB_TOKEN"}, "${{ github.token }}"},
		{pullRequestFile, "a plan contains values of the state", []any{"jobs", "plan", "steps", 6, "with", "retention-days"}, 30},
		{pullRequestFile, "another run would cancel the required check", []any{"jobs", "passed", "concurrency"}, nil},
		{pullRequestFile, "as above", []any{"concurrency"}, nil},
		{pullRequestFile, "cdktf synth has to work without make", []any{"jobs", "test", "steps", 4, "run"}, "node_modules/.bin/cdktf synth"},
		{pullRequestFile, "it runs every test", []any{"jobs", "test", "steps", 6, "run"}, "make -o lint test"},
		{setupFile, "TestSetupInstallsTheProjectsVersions compares it with tools.mod", []any{"runs", "steps", 1, "with", "go-version-file"}, "go.mod"},
		{setupFile, "the wrapper changes Terraform's output", []any{"runs", "steps", 4, "with", "terraform_wrapper"}, false},
		{setupFile, "it is the cache of this module", []any{"runs", "steps", 5, "run"}, `echo "key=$(go run github.com/starttech/infrastructure/packagecache/cmd/packagecache -key .)" >> "$GITHUB_OUTPUT"`},
		{setupFile, "GitHub never replaces a cache with the same key", []any{"runs", "steps", 6, "with", "key"}, "packagecache-${{ runner.os }}-${{ steps.packagecache.outputs.key }}"},
		{setupFile, "synth reads it there", []any{"runs", "steps", 6, "with", "path"}, ".local/packagecache"},
		{setupFile, "it is the last step", []any{"runs", "steps", 9, "run"}, "make install"},
	} {
		var body map[string]any
		harness.Must(t, 0, yaml.Unmarshal([]byte(files[row.file]), &body))
		if got := resource(body).Get(row.path...); !cmp.Equal(got, row.want) {
			t.Errorf("%s: %v is %v, want %v: %s", row.file, row.path, got, row.want, row.reason)
		}
	}
}

const evenIfFailed = "${{ !cancelled() && steps.plan.outcome != 'skipped' }}"

func TestEveryJobHasATimeoutAndAPinnedRunner(t *testing.T) {
	for file := range githubFiles(t) {
		for name, j := range parseFile(t, file).Jobs {
			if j.Uses == "" && (j.Minutes < 1 || j.RunsOn != "ubuntu-24.04") {
				t.Errorf("%s: %s has %d minutes on %s", file, name, j.Minutes, j.RunsOn)
			}
		}
	}
}

// The commits cannot be compared with GitHub's tags here, but with each other.
func TestEveryActionHasOneCommit(t *testing.T) {
	files := githubFiles(t)
	files[harness.ReleasePage] = harness.ReleaseWorkflow(t).Text
	pins, pinned := map[string]string{}, regexp.MustCompile(`uses: ((?:actions|aws-actions|hashicorp)/[a-z-]+)@([0-9a-f]{40} # v[0-9.]+)\n`)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for _, found := range pinned.FindAllStringSubmatch(files[file], -1) {
			if other := pins[found[1]]; other != "" && other != found[2] {
				t.Errorf("%s: %s is pinned to %s, elsewhere to %s", file, found[1], found[2], other)
			}
			pins[found[1]] = found[2]
		}
		if pinned, all := len(pinned.FindAllString(files[file], -1)), strings.Count(files[file], "uses: ")-strings.Count(files[file], "uses: ./"); pinned != all {
			t.Errorf("%s: %d of %d actions have a known owner, a commit and a version", file, pinned, all)
		}
	}
}

func TestWorkflowsUseFilesAndCommandsThatExist(t *testing.T) {
	files, makefile := githubFiles(t), harness.ReadFile(t, "Makefile")
	commands := ""
	for _, source := range harness.Must2(t, func() ([]string, error) { return fs.Glob(os.DirFS(harness.Root), "cmd/starttech/*.go") }) {
		commands += harness.ReadFile(t, source)
	}
	for file, content := range files {
		for _, found := range regexp.MustCompile(`uses: \./(\S+)`).FindAllStringSubmatch(content, -1) {
			if files[found[1]] == "" && files[found[1]+"/action.yml"] == "" {
				t.Errorf("%s: there is no %s", file, found[1])
			}
		}
		// hashFiles ignores a file that does not exist.
		for _, list := range regexp.MustCompile(`hashFiles\((.*?)\)`).FindAllString(content, -1) {
			for _, found := range regexp.MustCompile(`'(.+?)'`).FindAllStringSubmatch(list, -1) {
				if _, err := fs.Stat(os.DirFS(harness.Root), found[1]); err != nil && found[1] != terraform.LockFile { // make providers-lock writes it
					t.Errorf("%s: %v", file, err)
				}
			}
		}
		w := parseFile(t, file)
		scripts := joinScripts(harness.WorkflowJob{Steps: w.Runs.Steps})
		for _, j := range w.Jobs {
			scripts += "\n" + joinScripts(j)
		}
		for _, found := range regexp.MustCompile(`\bmake (?:-o lint )?([a-z-]+)`).FindAllStringSubmatch(scripts, -1) {
			if !strings.Contains(makefile, "\n"+found[1]+":") {
				t.Errorf("%s: the Makefile has no target %s", file, found[1])
			}
		}
		for _, found := range regexp.MustCompile(`\bstarttech ([a-z-]+)`).FindAllStringSubmatch(scripts, -1) {
			if !regexp.MustCompile(`Use: +"` + found[1] + `"`).MatchString(commands) {
				t.Errorf("%s: starttech has no command %s", file, found[1])
			}
		}
	}
}

func TestJobsHaveOnlyThePermissionsThatTheyNeed(t *testing.T) {
	got := map[string]any{}
	for file := range githubFiles(t) {
		for name, j := range parseFile(t, file).Jobs {
			got[file+" "+name] = j.Permissions
		}
	}
	deploy := map[string]any{"contents": "read", "id-token": "write"}
	harness.Equal(t, "permissions", got, map[string]any{
		pullRequestFile + " test":   map[string]any{"contents": "read"},
		pullRequestFile + " plan":   map[string]any{"contents": "read", "id-token": "write", "pull-requests": "write"},
		pullRequestFile + " passed": map[string]any{},
		deployFile + " staging":     deploy,
		deployFile + " production":  deploy,
		deployOneFile + " deploy":   deploy,
		driftFile + " drift":        map[string]any{"contents": "read", "id-token": "write", "issues": "write"},
	})
}

// Steps run code of packages, which could read a secret in their environment.
func TestOnlyThePublishingStepGetsTheToken(t *testing.T) {
	var uses []string
	for file, content := range githubFiles(t) {
		for _, found := range regexp.MustCompile(`\w+: \$\{\{ secrets\..*?\}\}`).FindAllString(content, -1) {
			uses = append(uses, file+" "+found)
		}
	}
	const token = " APPLICATION_REPOSITORY_TOKEN: ${{ secrets.APPLICATION_REPOSITORY_TOKEN }}"
	harness.EqualSets(t, "uses", uses, []string{
		deployFile + token, deployFile + token, // for staging and production
		deployOneFile + " PUBLISH: ${{ secrets.APPLICATION_REPOSITORY_TOKEN != '' }}", deployOneFile + token,
	})
}

func TestJobsAssumeTheirRole(t *testing.T) {
	for file, want := range map[string]struct{ job, role string }{
		pullRequestFile: {"plan", "PLAN_ROLE"}, driftFile: {"drift", "PLAN_ROLE"}, deployOneFile: {"deploy", "DEPLOY_ROLE"},
	} {
		j := parseFile(t, file).Jobs[want.job]
		credentials := findAction(j, harness.CredentialsAction).With
		harness.Equal(t, "role of "+file, credentials["role-to-assume"], "${{ vars."+want.role+" }}")
		harness.Equal(t, "region of "+file, credentials["aws-region"], "${{ vars.AWS_REGION }}")
		harness.Equal(t, "variables that "+file+" checks", strings.Fields(strings.ReplaceAll(j.Steps[1].With["variables"], " ", "")), []string{
			want.role + "=${{vars." + want.role + "}}", "AWS_REGION=${{vars.AWS_REGION}}",
		})
	}
}

// An operator who adds an environment has to edit these workflows.
func TestWorkflowsPlanEveryStack(t *testing.T) {
	t.Parallel()
	stacks := slices.Collect(maps.Keys(harness.Operator(t).Stacks))
	for file, job := range map[string]string{pullRequestFile: "plan", driftFile: "drift"} {
		j := parseFile(t, file).Jobs[job]
		harness.EqualSets(t, "stacks that "+file+" plans; edit jobs."+job+".strategy.matrix.stack", j.Strategy.Matrix.Stack, stacks)
		if !strings.Contains(joinScripts(j), `make plan ENV="$STACK"`) {
			t.Errorf("%s does not plan the stacks of its matrix", file)
		}
	}
}

func TestWorkflowDeploysEveryEnvironmentStagingFirst(t *testing.T) {
	t.Parallel()
	var environments []string
	for name, s := range harness.Operator(t).Stacks {
		if !s.IsBootstrap() {
			environments = append(environments, name)
		}
	}
	jobs := parseFile(t, deployFile).Jobs
	harness.EqualSets(t, "environments that "+deployFile+" deploys; edit jobs", slices.Collect(maps.Keys(jobs)), environments)
	for name, j := range jobs {
		harness.Equal(t, "environment of "+name, j.With["environment"], name)
		harness.Equal(t, "condition of "+name, j.If, "github.ref == 'refs/heads/main'")
		harness.Equal(t, "workflow of "+name, j.Uses, "./"+deployOneFile)
	}
	if slices.Contains(environments, "staging") && slices.Contains(environments, "production") {
		harness.Equal(t, "needs of production", jobs["production"].Needs, "staging")
	}
}

func TestDeployTestsTheSiteBeforeItPublishes(t *testing.T) {
	scripts := joinScripts(parseFile(t, deployOneFile).Jobs["deploy"])
	last := -1
	for _, command := range []string{`make deploy ENV="$STACK"`, `make smoke-test ENV="$STACK"`, `starttech publish-outputs --env "$STACK"`} {
		at := strings.Index(scripts, command)
		if at <= last {
			t.Errorf("%s is missing or too early", command)
		}
		last = at
	}
}

// A fork gets no OIDC token, so its plan would fail. Unreviewed code of Dependabot must not get one.
func TestForksAndDependabotDoNotPlan(t *testing.T) {
	condition := parseFile(t, pullRequestFile).Jobs["plan"].If
	harness.Has(t, "condition of the plan", condition, "github.event.pull_request.head.repo.full_name == github.repository &&",
		"github.event.pull_request.user.login != 'dependabot[bot]'")
}

func TestDeployCredentialsLastAsLongAsTheJob(t *testing.T) {
	t.Parallel()
	j := parseFile(t, deployOneFile).Jobs["deploy"]
	seconds, err := strconv.Atoi(findAction(j, harness.CredentialsAction).With["role-duration-seconds"])
	longest, _ := harness.Reference(t).Stack(t, "bootstrap").Resource(t, deployRole).Get("max_session_duration").(float64)
	if err != nil || seconds < j.Minutes*60 || float64(seconds) > longest {
		t.Errorf("credentials last %d s, the job %d min, a session of the role at most %v s", seconds, j.Minutes, longest)
	}
	if j.Minutes < 100 {
		t.Errorf("%d minutes: CloudFront and Redis take half an hour, a failing instance refresh an hour, and the smoke test five minutes", j.Minutes)
	}
}

// The branch protection requires this check only.
func TestPassedWaitsForEveryOtherJob(t *testing.T) {
	jobs := parseFile(t, pullRequestFile).Jobs
	passed := jobs["passed"]
	var needs []string
	for _, need := range passed.Needs.([]any) {
		needs = append(needs, need.(string))
	}
	delete(jobs, "passed")
	harness.EqualSets(t, "needs", needs, slices.Collect(maps.Keys(jobs)))
	harness.Equal(t, "condition", passed.If, "${{ always() }}") // a skipped check counts as passed
	for name := range jobs {
		if !strings.Contains(passed.Steps[0].If, "needs."+name+".result != 'success'") {
			t.Errorf("it does not check the result of %s", name)
		}
	}
}

func TestArtifactContainsOnlyThePlanAndItsStack(t *testing.T) {
	upload := findAction(parseFile(t, pullRequestFile).Jobs["plan"], "actions/upload-artifact")
	files := strings.Fields(strings.ReplaceAll(upload.With["path"], "cdktf.out/stacks/${{ matrix.stack }}/", ""))
	harness.Equal(t, "files", files, []string{"plan", "plan.txt", "plan.json", "cdk.tf.json"})
}

func TestSetupInstallsTheProjectsVersions(t *testing.T) {
	for _, s := range parseFile(t, setupFile).Runs.Steps {
		if s.IsAction("hashicorp/setup-terraform") {
			harness.Equal(t, "Terraform", s.With["terraform_version"], tools.Terraform)
		}
	}
	// setup-go sets GOTOOLCHAIN=local, so that the tools must not need a newer Go
	// (https://github.com/actions/setup-go/releases/tag/v6.0.0).
	has, needs := goVersion(t, "go.mod"), goVersion(t, "tools.mod")
	if !version.IsValid(has) || version.Compare(has, needs) < 0 {
		t.Errorf("go.mod installs %s, but tools.mod needs %s", has, needs)
	}
}

// goVersion is the version of Go that a module file requires: its toolchain's if it names one.
func goVersion(t *testing.T, file string) string {
	t.Helper()
	content := harness.ReadFile(t, file)
	for _, line := range []string{`(?m)^toolchain (go\S+)`, `(?m)^go (\S+)`} {
		if found := regexp.MustCompile(line).FindStringSubmatch(content); found != nil {
			return "go" + strings.TrimPrefix(found[1], "go")
		}
	}
	return ""
}

// Without this check, the error of a missing variable would be AWS's about a role without a name.
func TestSetupReportsAMissingVariable(t *testing.T) {
	script := parseFile(t, setupFile).Runs.Steps[0].Run
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

func TestDeployingPageNamesEverySetting(t *testing.T) {
	page := harness.ReadFile(t, "docs/deploying.md")
	// The commands on the page create the environments, so the token needs no permission to do that.
	permissions, _, _ := strings.Cut(github.PublishPermissions, ",")
	settings := map[string]bool{permissions: true, "`passed`": true, `"context": "passed"`: true}
	for _, content := range githubFiles(t) {
		for _, found := range regexp.MustCompile(`\b(var|secret)s\.([A-Z_]+)`).FindAllStringSubmatch(content, -1) {
			settings["gh "+strings.Replace(found[1], "var", "variable", 1)+" set "+found[2]+" "] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !strings.Contains(page, name) {
			t.Errorf("docs/deploying.md does not contain %q", name)
		}
	}
}
