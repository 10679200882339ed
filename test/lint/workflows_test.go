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
	"github.com/starttech/infrastructure/test/internal/harness"
)

// actionlint and zizmor check the workflows: syntax, expressions, shell, pinned actions, permissions, triggers, injection. The
// tests below check what relates the workflows to the rest of the project.

const (
	pullRequestFile = ".github/workflows/pull-request.yml"
	deployFile      = ".github/workflows/deploy.yml"
	deployOneFile   = ".github/workflows/deploy-environment.yml"
	driftFile       = ".github/workflows/drift.yml"
	reviewFile      = ".github/workflows/review.yml"
	setupFile       = ".github/actions/setup/action.yml"
	dependabotFile  = ".github/dependabot.yml"
	actionlintFile  = ".github/actionlint.yaml"
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
		{deployOneFile, "the reviewers see it before they approve", []any{"jobs", "plan", "environment"}, nil},
		{deployOneFile, "a failed plan is in the summary, too", []any{"jobs", "plan", "steps", 4, "if"}, evenIfFailed},
		{deployOneFile, "the plan is shown before it is approved", []any{"jobs", "deploy", "needs"}, "plan"},
		{deployOneFile, "what was shown", []any{"jobs", "plan", "outputs", "digest"}, "${{ steps.digest.outputs.digest }}"},
		{deployOneFile, "what was shown", []any{"jobs", "plan", "steps", 7, "run"}, `echo "digest=$(cat "cdktf.out/stacks/$STACK/plan.digest")" >> "$GITHUB_OUTPUT"`},
		{deployOneFile, "other changes are refused", []any{"jobs", "deploy", "steps", 3, "env", "APPROVED"}, "${{ needs.plan.outputs.digest }}"},
		{deployOneFile, "other changes are refused", []any{"jobs", "deploy", "steps", 3, "run"}, `make deploy ENV="$STACK" APPROVED="$APPROVED"`},
		{deployOneFile, "its reviewers, secrets and variables apply", []any{"jobs", "deploy", "environment"}, "${{ inputs.environment }}"},
		{deployOneFile, "every step gets it, so it must not be the token", []any{"jobs", "deploy", "env", "PUBLISH"}, "${{ secrets.APPLICATION_REPOSITORY_TOKEN != '' }}"},
		{deployOneFile, "without the token, it would fail", []any{"jobs", "deploy", "steps", 6, "if"}, "${{ env.PUBLISH == 'true' }}"},
		{deployOneFile, "starttech publish-outputs requires it", []any{"jobs", "deploy", "steps", 6, "env", "APPLICATION_REPOSITORY_TOKEN"}, "${{ secrets.APPLICATION_REPOSITORY_TOKEN }}"},
		{deployOneFile, "nothing else reports that the outputs are not published", []any{"jobs", "deploy", "steps", 7, "if"}, "${{ env.PUBLISH != 'true' }}"},
		{driftFile, "a cancelled run could leave an issue half written", []any{"concurrency", "cancel-in-progress"}, false},
		{driftFile, "it would replace a waiting deploy in the same group", []any{"concurrency", "group"}, "drift"},
		{driftFile, "a manual run can be on any branch", []any{"jobs", "drift", "if"}, "github.ref == 'refs/heads/main'"},
		{driftFile, "a failed stack must not cancel the others", []any{"jobs", "drift", "strategy", "fail-fast"}, false},
		{driftFile, "drift is unknown if the plan failed", []any{"jobs", "drift", "steps", 4, "if"}, evenIfFailed},
		{driftFile, "starttech drift requires it", []any{"jobs", "drift", "steps", 4, "env", "GITHUB_TOKEN"}, "${{ github.token }}"},
		{reviewFile, "a cancelled run could leave an issue half written", []any{"concurrency", "cancel-in-progress"}, false},
		{reviewFile, "a manual run can be on any branch", []any{"jobs", "review", "if"}, "github.ref == 'refs/heads/main'"},
		{reviewFile, "a failed stack must not cancel the others", []any{"jobs", "review", "strategy", "fail-fast"}, false},
		{reviewFile, "starttech review --issue requires it", []any{"jobs", "review", "steps", 3, "env", "GITHUB_TOKEN"}, "${{ github.token }}"},
		{pullRequestFile, "a failed stack must not cancel the others", []any{"jobs", "plan", "strategy", "fail-fast"}, false},
		{pullRequestFile, "only the newest plan is of interest", []any{"jobs", "plan", "concurrency", "cancel-in-progress"}, true},
		{pullRequestFile, "a run of the tests would cancel it in the same group", []any{"jobs", "plan", "concurrency", "group"}, "plan-${{ github.event.pull_request.number }}-${{ matrix.stack }}"},
		{pullRequestFile, "a failed plan is a comment, too", []any{"jobs", "plan", "steps", 4, "if"}, evenIfFailed},
		{pullRequestFile, "a failed plan is a comment, too", []any{"jobs", "plan", "steps", 5, "if"}, evenIfFailed},
		{pullRequestFile, "a failed plan is a comment, too", []any{"jobs", "comment", "if"}, "${{ !cancelled() && (needs.plan.result == 'success' || needs.plan.result == 'failure') }}"},
		{pullRequestFile, "a plan contains values of the state", []any{"jobs", "plan", "steps", 7, "with", "retention-days"}, 30},
		{pullRequestFile, "another run would cancel the required check", []any{"jobs", "passed", "concurrency"}, nil},
		{pullRequestFile, "as above", []any{"concurrency"}, nil},
		{pullRequestFile, "cdktf synth has to work without make", []any{"jobs", "test", "steps", 5, "run"}, "node_modules/.bin/cdktf synth"},
		{pullRequestFile, "it runs every test", []any{"jobs", "test", "steps", 7, "run"}, "make -o lint test"},
		{setupFile, "TestSetupInstallsTheProjectsVersions compares it with tools.mod", []any{"runs", "steps", 1, "with", "go-version-file"}, "go.mod"},
		{setupFile, "it is the cache of this module", []any{"runs", "steps", 3, "run"}, `echo "key=$(go run github.com/starttech/infrastructure/packagecache/cmd/packagecache -key .)" >> "$GITHUB_OUTPUT"`},
		{setupFile, "GitHub never replaces a cache with the same key", []any{"runs", "steps", 4, "with", "key"}, "packagecache-${{ runner.os }}-${{ steps.packagecache.outputs.key }}"},
		{setupFile, "synth reads it there", []any{"runs", "steps", 4, "with", "path"}, ".local/packagecache"},
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
		pullRequestFile + " test":    map[string]any{"contents": "read"},
		pullRequestFile + " plan":    deploy,
		pullRequestFile + " comment": map[string]any{"contents": "read", "pull-requests": "write"},
		pullRequestFile + " passed":  map[string]any{},
		deployFile + " staging":      deploy,
		deployFile + " production":   deploy,
		deployOneFile + " plan":      deploy,
		deployOneFile + " deploy":    deploy,
		releaseFile + " release":     deploy,
		driftFile + " drift":         map[string]any{"contents": "read", "id-token": "write", "issues": "write"},
		reviewFile + " review":       map[string]any{"contents": "read", "id-token": "write", "issues": "write"},
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
		releaseFile + " token: ${{ secrets.INFRASTRUCTURE_TOKEN || github.token }}",
	})
}

func TestJobsAssumeTheirRole(t *testing.T) {
	roles := map[string]string{
		pullRequestFile + " plan": "PLAN_ROLE", driftFile + " drift": "PLAN_ROLE", deployOneFile + " plan": "PLAN_ROLE", deployOneFile + " deploy": "DEPLOY_ROLE",
		reviewFile + " review": "REVIEW_ROLE",
	}
	for name, j := range jobsWithCredentials(t) {
		if strings.HasPrefix(name, releaseFile) { // whose role is a secret of the application's repository
			continue
		}
		role := roles[name]
		credentials := findAction(j, harness.CredentialsAction).With
		harness.Equal(t, "role of "+name, credentials["role-to-assume"], "${{ vars."+role+" }}")
		harness.Equal(t, "region of "+name, credentials["aws-region"], "${{ vars.AWS_REGION }}")
		harness.Equal(t, "variables that "+name+" checks", strings.Fields(strings.ReplaceAll(j.Steps[1].With["variables"], " ", "")), []string{
			role + "=${{vars." + role + "}}", "AWS_REGION=${{vars.AWS_REGION}}",
		})
		delete(roles, name)
	}
	harness.Equal(t, "jobs without credentials", roles, map[string]string{})
}

// An operator who adds an environment has to edit these workflows.
func TestWorkflowsPlanEveryStack(t *testing.T) {
	t.Parallel()
	stacks := slices.Collect(maps.Keys(harness.Operator(t).Stacks))
	for _, in := range []struct{ file, job, command string }{
		{pullRequestFile, "plan", `make plan ENV="$STACK"`}, {pullRequestFile, "comment", `comment-plan --env "$STACK"`}, {driftFile, "drift", `make plan ENV="$STACK"`},
	} {
		j := parseFile(t, in.file).Jobs[in.job]
		harness.EqualSets(t, "stacks of "+in.file+"; edit jobs."+in.job+".strategy.matrix.stack", j.Strategy.Matrix.Stack, stacks)
		if !strings.Contains(joinScripts(j), in.command) {
			t.Errorf("%s: %s does not run %s for the stacks of its matrix", in.file, in.job, in.command)
		}
	}
}

func TestWorkflowReviewsEveryEnvironment(t *testing.T) {
	t.Parallel()
	var environments []string
	for name, s := range harness.Operator(t).Stacks {
		if !s.IsBootstrap() {
			environments = append(environments, name)
		}
	}
	j := parseFile(t, reviewFile).Jobs["review"]
	harness.EqualSets(t, "environments of "+reviewFile+"; edit jobs.review.strategy.matrix.stack", j.Strategy.Matrix.Stack, environments)
	harness.Has(t, "scripts", joinScripts(j), `starttech review --env "$STACK" --purchases --issue`)
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
	for _, command := range []string{`make deploy ENV="$STACK"`, `make outputs ENV="$STACK"`, `make smoke-test ENV="$STACK"`, `starttech publish-outputs --env "$STACK"`} {
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

// Reports and drift issues refer to an artifact of their run.
func TestEveryPlanIsAnArtifactWithoutTheState(t *testing.T) {
	for file, stack := range map[string]string{pullRequestFile: "matrix.stack", driftFile: "matrix.stack", deployOneFile: "inputs.environment"} {
		for name, job := range parseFile(t, file).Jobs {
			var files []string
			plans := false
			for _, s := range job.Steps {
				plans = plans || strings.HasPrefix(s.Run, "make plan ")
				if s.With["name"] == "plan-${{ "+stack+" }}" {
					files = strings.Fields(strings.ReplaceAll(s.With["path"], "cdktf.out/stacks/${{ "+stack+" }}/", ""))
				}
			}
			if plans || files != nil {
				harness.Equal(t, "artifact of "+file+", "+name, files, []string{"plan.txt", "cdk.tf.json"})
			}
		}
	}
}

func TestSetupInstallsTheProjectsVersions(t *testing.T) {
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
	published := harness.PublishedOutputs()
	for _, content := range githubFiles(t) {
		for _, found := range regexp.MustCompile(`\b(var|secret)s\.([A-Z_]+)`).FindAllStringSubmatch(content, -1) {
			if published[found[0]] != "" && found[0] != "vars.AWS_REGION" {
				continue
			}
			settings["gh "+strings.Replace(found[1], "var", "variable", 1)+" set "+found[2]+" "] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !strings.Contains(page, name) {
			t.Errorf("docs/deploying.md does not contain %q", name)
		}
	}
}

// jobsWithCredentials is the jobs that assume a role, by file and name.
func jobsWithCredentials(t *testing.T) map[string]harness.WorkflowJob {
	t.Helper()
	found := map[string]harness.WorkflowJob{}
	for file := range githubFiles(t) {
		for name, j := range parseFile(t, file).Jobs {
			if findAction(j, harness.CredentialsAction).Uses != "" {
				found[file+" "+name] = j
			}
		}
	}
	return found
}

// trustClaims is claims about the workflows that protect the credentials and the right to write. A check returns what contradicts
// its claim. The fault is a change of a file that it has to find.
var trustClaims = []struct {
	claim          string
	check          func(t *testing.T, files map[string]string) []string
	file, old, new string
}{
	{"everything is installed before there are credentials, and only what a plan and a deploy need", func(t *testing.T, files map[string]string) (wrong []string) {
		setup := harness.ParseWorkflow(t, setupFile, files[setupFile]).Runs.Steps
		wrong = diff("last step of the setup", setup[len(setup)-1].Run, "make install DEPLOY=1")
		for _, s := range setup {
			if s.IsAction("actions/setup-python") || s.IsAction("hashicorp/setup-terraform") {
				wrong = append(wrong, s.Uses)
			}
		}
		return wrong
	}, setupFile, "make install DEPLOY=1", "make install"},

	{"a job with credentials runs the project's own commands only, and installs nothing", func(t *testing.T, files map[string]string) (wrong []string) {
		for _, file := range slices.Sorted(maps.Keys(files)) {
			for name, j := range harness.ParseWorkflow(t, file, files[file]).Jobs {
				assumes := slices.IndexFunc(j.Steps, func(s harness.WorkflowStep) bool { return s.IsAction(harness.CredentialsAction) })
				if assumes < 0 {
					continue
				}
				for _, s := range j.Steps[assumes+1:] {
					if !s.IsAction("actions/upload-artifact") && !s.IsAction(harness.CredentialsAction) && s.Uses != "" || regexp.MustCompile(`\b(npm|npx|pip|go|curl|make (install|lint|test))\b`).MatchString(s.Run) {
						wrong = append(wrong, file+" "+name+": "+s.Name)
					}
				}
			}
		}
		return wrong
	}, deployOneFile, `make outputs ENV="$STACK"`, "make lint"},

	{"a job that may write runs no code of a pull request", func(t *testing.T, files map[string]string) (wrong []string) {
		for name, j := range harness.ParseWorkflow(t, pullRequestFile, files[pullRequestFile]).Jobs {
			permissions, _ := j.Permissions.(map[string]any)
			writes := slices.DeleteFunc(slices.Collect(maps.Keys(permissions)), func(scope string) bool {
				return permissions[scope] != "write" || scope == "id-token" // which only gives the plan role
			})
			if len(writes) == 0 {
				continue
			}
			for _, s := range j.Steps {
				isMain := s.IsAction("actions/checkout") && s.With["ref"] == "main"
				isOther := s.IsAction("actions/setup-go") && s.With["cache"] == "false" || s.IsAction("actions/download-artifact")
				if s.Uses != "" && !isMain && !isOther {
					wrong = append(wrong, name+": "+s.Name+" with "+strings.Join(writes, ", "))
				}
			}
			if strings.Contains(joinScripts(j), "report/") && !strings.Contains(joinScripts(j), `--report "$RUNNER_TEMP/report/report.md"`) {
				wrong = append(wrong, name+": the report is used otherwise than as a text")
			}
		}
		return wrong
	}, pullRequestFile, "          ref: main\n", "          ref: ${{ github.head_ref }}\n"},

	{"the plan of a pull request may not write", func(t *testing.T, files map[string]string) []string {
		return diff("permissions", harness.ParseWorkflow(t, pullRequestFile, files[pullRequestFile]).Jobs["plan"].Permissions,
			map[string]any{"contents": "read", "id-token": "write"})
	}, pullRequestFile, "      id-token: write # to assume the plan role\n", "      id-token: write # to assume the plan role\n      pull-requests: write\n"},

	{"a token is in the environment of starttech only", func(t *testing.T, files map[string]string) (wrong []string) {
		for _, file := range slices.Sorted(maps.Keys(files)) {
			for name, j := range harness.ParseWorkflow(t, file, files[file]).Jobs {
				for _, s := range j.Steps {
					for variable := range s.Env {
						if strings.HasSuffix(variable, "TOKEN") && !regexp.MustCompile(`^\.local/bin/starttech [^;&|]+$`).MatchString(s.Run) {
							wrong = append(wrong, file+" "+name+": "+s.Name)
						}
					}
				}
				for variable := range j.Env {
					if strings.HasSuffix(variable, "TOKEN") {
						wrong = append(wrong, file+" "+name+": "+variable)
					}
				}
			}
		}
		return wrong
	}, deployOneFile, `.local/bin/starttech publish-outputs --env "$STACK"`, `make outputs ENV="$STACK" && .local/bin/starttech publish-outputs --env "$STACK"`},

	{"a deploy applies what the approved plan has shown", func(t *testing.T, files map[string]string) (wrong []string) {
		jobs := harness.ParseWorkflow(t, deployOneFile, files[deployOneFile]).Jobs
		wrong = append(wrong, diff("needs", jobs["deploy"].Needs, "plan")...)
		for _, s := range jobs["deploy"].Steps {
			if strings.Contains(s.Run, "make deploy") {
				wrong = append(wrong, diff("deploy", s.Run, `make deploy ENV="$STACK" APPROVED="$APPROVED"`)...)
				wrong = append(wrong, diff("digest", s.Env["APPROVED"], "${{ needs.plan.outputs.digest }}")...)
			}
		}
		return append(wrong, diff("environment of the plan", jobs["plan"].Environment, nil)...)
	}, deployOneFile, ` APPROVED="$APPROVED"`, ""},
}

func TestWorkflowsProtectTheirRights(t *testing.T) {
	files := githubFiles(t)
	for _, c := range trustClaims {
		t.Run(c.claim, func(t *testing.T) {
			for _, wrong := range c.check(t, files) {
				t.Error(wrong)
			}
			withFault := maps.Clone(files)
			withFault[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
			if withFault[c.file] == files[c.file] {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			if len(c.check(t, withFault)) == 0 {
				t.Errorf("the check does not find the fault %q", c.new)
			}
		})
	}
}

func TestRequiredCheckIsAJob(t *testing.T) {
	source := harness.ReadFile(t, "cmd/starttech/checkrepository.go")
	name := regexp.MustCompile(`requiredCheck = "(\w+)"`).FindStringSubmatch(source)
	if name == nil || parseFile(t, pullRequestFile).Jobs[name[1]].RunsOn == "" {
		t.Errorf("%s has no job of the name %q", pullRequestFile, name)
	}
	for _, found := range regexp.MustCompile(`"/([a-z./]+)/"`).FindAllStringSubmatch(source, -1) {
		if _, err := fs.Stat(os.DirFS(harness.Root), found[1]); err != nil {
			t.Error(err)
		}
	}
}

// pip refuses a list with --require-hashes if one package has no hash.
func TestPythonPackagesHaveHashes(t *testing.T) {
	for _, list := range []string{"local/ministack/requirements.txt", "test/requirements.txt"} {
		packages := regexp.MustCompile(`(?m)^[^#\s].*(?:\n[ ]+--hash=sha256:[0-9a-f]{64}(?: \\)?)*$`).FindAllString(harness.ReadFile(t, list), -1)
		if len(packages) < 20 {
			t.Errorf("%s has %d packages", list, len(packages))
		}
		for _, p := range packages {
			if !regexp.MustCompile(`^[a-z0-9-]+==[0-9][^ ;]*( ; [^\\]+)? \\\n +--hash=sha256:`).MatchString(p) {
				t.Errorf("%s: %.60q has no version or no hash", list, p)
			}
		}
	}
	source := harness.ReadFile(t, "cmd/starttech/install.go")
	harness.Has(t, "the call of pip", source, `"--require-hashes", "--only-binary", ":all:", "--requirement", list`)
}
