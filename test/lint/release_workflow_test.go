package lint

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// requiredActions is the IAM actions that each command of the release workflow requires. Those of starttech are in test/apply.
var requiredActions = map[string][]string{
	"aws ecr get-login-password": {"ecr:GetAuthorizationToken"},
	"aws ecr describe-images":    {"ecr:DescribeImages"},
	// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
	"docker push": {
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
		"ecr:PutImage", "ecr:UploadLayerPart",
	},
	"docker login":               nil,
	"docker build":               nil,
	"docker run":                 nil,
	"aws ssm get-parameter":      {"ssm:GetParameter"},
	"starttech release backend":  {"ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ssm:GetParameter", "ssm:PutParameter", "autoscaling:CancelInstanceRefresh", "autoscaling:DescribeInstanceRefreshes", "autoscaling:StartInstanceRefresh"},
	"starttech rollback backend": {"ecr:DescribeImages", "ssm:GetParameter", "ssm:PutParameter", "autoscaling:CancelInstanceRefresh", "autoscaling:DescribeInstanceRefreshes", "autoscaling:StartInstanceRefresh"},
	"starttech release frontend": {"s3:ListBucket", "s3:PutObject", "cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"},
}

var (
	usedCommand = regexp.MustCompile(`\b(aws [a-z0-9]+ [a-z-]+|docker [a-z]+|starttech [a-z]+ [a-z]+)`)
	usedSetting = regexp.MustCompile(`\b(?:vars|secrets)\.\w+`)
)

const (
	releaseFile = harness.ReleaseFile
	onlyOnce    = "${{ (failure() || cancelled()) && steps.release.outcome != 'skipped' }}"
)

// workflowClaim is a claim about a workflow. Its check returns what contradicts it. The fault is a change of the workflow that the check has to
// find.
type workflowClaim struct {
	claim    string
	check    func(t *testing.T, w harness.Workflow) []string
	old, new string
}

// releaseClaims is claims about the release workflow.
var releaseClaims = []workflowClaim{
	{"it uses all published settings and one token, and the page names them", func(t *testing.T, w harness.Workflow) []string {
		published := append(slices.Collect(maps.Keys(harness.PublishedOutputs())), "secrets.INFRASTRUCTURE_TOKEN")
		slices.Sort(published)
		used := slices.Sorted(slices.Values(usedSetting.FindAllString(w.Text, -1)))
		wrong := diff("settings", slices.Compact(used), published)
		page := harness.ReadFile(t, harness.ReleasePage)
		for _, setting := range published {
			if _, name, _ := strings.Cut(setting, "."); !strings.Contains(page, "`"+name+"`") {
				wrong = append(wrong, "the page does not name "+name)
			}
		}
		return wrong
	}, "${{ vars.ECR_REPOSITORY }}", "${{ vars.IMAGES }}"},

	{"images have no attestations, because ECR would not scan them", func(t *testing.T, w harness.Workflow) (wrong []string) {
		builds := regexp.MustCompile(`docker build[^\n]*`)
		found := append(builds.FindAllString(strings.Join(slices.Collect(maps.Values(scriptsOf(w))), "\n"), -1),
			builds.FindAllString(harness.ReadFile(t, "docs/runbook.md"), -1)...)
		if len(found) != 2 {
			wrong = append(wrong, fmt.Sprintf("%d builds, want one in the workflow and one in the runbook", len(found)))
		}
		for _, build := range found {
			if !strings.Contains(build, " --provenance=false --sbom=false ") {
				wrong = append(wrong, build)
			}
		}
		return wrong
	}, "--provenance=false ", ""},

	{"it requires exactly what the release role allows", func(t *testing.T, w harness.Workflow) (wrong []string) {
		required := []string{"s3:DeleteObject"} // unused: docs/permissions.md
		var granted []string
		for name, script := range scriptsOf(w) {
			for _, command := range usedCommand.FindAllString(script, -1) {
				actions, known := requiredActions[command]
				if !known {
					wrong = append(wrong, fmt.Sprintf("%s: requiredActions has no %q", name, command))
				}
				required = append(required, actions...)
			}
		}
		for _, grant := range harness.Reference(t).Stack(t, "production").Grants(t, "aws_iam_role.release_role") {
			action, _, _ := strings.Cut(grant, " on ")
			granted = append(granted, action)
		}
		slices.Sort(required)
		slices.Sort(granted)
		return append(wrong, diff("actions", slices.Compact(required), slices.Compact(granted))...)
	}, "aws ecr describe-images", "aws ecr list-images"},

	{"scripts get values as variables, and stop at the first failure", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for name, script := range scriptsOf(w) {
			if strings.Contains(script, "${{") {
				wrong = append(wrong, name+": has an expression in its script")
			}
		}
		return append(wrong, diff("shell", w.Defaults.Run.Shell, "bash -euo pipefail {0}")...)
	}, `docker push "$image"`, `docker push "${{ github.sha }}"`},

	{"scripts of npm packages run in a container that has nothing of the job", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for name, script := range scriptsOf(w) {
			script, isContained := strings.CutPrefix(strings.ReplaceAll(script, "\\\n", ""), `git -C application worktree add --detach ../page "$COMMIT"`+"\n"+
				`docker run --rm --volume "$PWD/page:/page" --workdir "/page/$FRONTEND" --user "$(id -u):$(id -g)"`)
			if strings.Contains(script, "npm ") && !isContained {
				wrong = append(wrong, name)
			}
			if isContained {
				wrong = append(wrong, diff("variables", regexp.MustCompile(`--env \S+`).FindAllString(script, -1), []string{"--env HOME=/tmp", "--env CI", "--env VITE_API_BASE_URL"})...)
			}
		}
		return wrong
	}, "--env CI ", "--env CI --env ACTIONS_ID_TOKEN_REQUEST_TOKEN "},

	{"it runs its own commit of starttech, which nothing of the application changes", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for _, s := range w.Jobs["release"].Steps {
			switch {
			case s.IsAction("actions/checkout") && s.With["path"] != "application":
				wrong = append(wrong, diff(s.Name, s.With, map[string]string{
					"repository": "${{ job.workflow_repository }}", "ref": "${{ job.workflow_sha }}", "path": "infrastructure",
					"token": "${{ secrets.INFRASTRUCTURE_TOKEN || github.token }}", "persist-credentials": "false",
				})...)
			case s.IsAction("actions/setup-go"): // other workflows of the application can write its caches
				wrong = append(wrong, diff(s.Name, s.With, map[string]string{"go-version-file": "infrastructure/go.mod", "cache": "false"})...)
			case s.Uses != "" && !s.IsAction("actions/checkout") && !s.IsAction(harness.CredentialsAction):
				wrong = append(wrong, s.Uses)
			}
		}
		return wrong
	}, "ref: ${{ job.workflow_sha }}", "ref: main"},

	{"a commit that is not on main is refused before its code runs", func(t *testing.T, w harness.Workflow) (wrong []string) {
		steps := w.Jobs["release"].Steps
		checkOut := slices.IndexFunc(steps, func(s harness.WorkflowStep) bool { return s.IsAction("actions/checkout") })
		wrong = diff("checkout", steps[checkOut].With, map[string]string{ // of the caller's repository
			"ref": "${{ env.COMMIT }}", "path": "application", "fetch-depth": "0", "persist-credentials": "false",
		})
		if len(steps) <= checkOut+1 || steps[checkOut+1].Name != "Check that the commit is on main" {
			return append(wrong, "it is not the first step after the checkout")
		}
		dir := harness.WriteFiles(t, map[string]string{"script.sh": steps[checkOut+1].Run, "application/": ""})
		run := func(program string, arguments ...string) (output string, err error) {
			command := exec.CommandContext(t.Context(), program, arguments...)
			command.Dir = dir
			command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x")
			out, err := command.CombinedOutput()
			return strings.TrimSpace(string(out)), err
		}
		git := func(arguments ...string) string {
			output, err := run("git", append([]string{"-C", "application"}, arguments...)...)
			return harness.Must(t, output, err)
		}
		git("init", "--quiet", "--initial-branch=main")
		commit := func() string {
			git("commit", "--quiet", "--allow-empty", "--message=x")
			return git("rev-parse", "HEAD")
		}
		older, newest := commit(), commit()
		git("update-ref", "refs/remotes/origin/main", newest)
		other := commit()
		for _, c := range []struct {
			commit   string
			released bool
		}{{older, true}, {newest, true}, {other, false}, {strings.Repeat("0", 40), false}} {
			output, err := run("env", append([]string{"COMMIT=" + c.commit}, strings.Fields(strings.Replace(w.Defaults.Run.Shell, "{0}", "script.sh", 1))...)...)
			if (err == nil) != c.released || !c.released && !strings.Contains(output, "::error title=Nothing was released::"+c.commit+" is not on main") {
				wrong = append(wrong, fmt.Sprintf("%s: %v, %s", c.commit, err, output))
			}
		}
		return wrong
	}, `merge-base --is-ancestor "$COMMIT" refs/remotes/origin/main`, `cat-file -e "$COMMIT"`},

	{"an environment has one release at a time, and none is cancelled", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for id, j := range w.Jobs {
			wrong = append(wrong, diff(id, j.Concurrency, map[string]any{"group": "release-${{ inputs.environment }}", "cancel-in-progress": false})...)
			wrong = append(wrong, diff(id, j.Environment, map[string]any{"name": "${{ inputs.environment }}", "url": "${{ vars.SITE_URL }}"})...)
		}
		return wrong
	}, "cancel-in-progress: false", "cancel-in-progress: true"},

	{"what takes long begins with new credentials, and ends before they do", func(t *testing.T, w harness.Workflow) (wrong []string) {
		steps := w.Jobs["release"].Steps
		for i, s := range steps {
			if !regexp.MustCompile(`starttech (release|rollback) `).MatchString(s.Run) {
				continue
			}
			before := steps[i-1]
			if before.ID == "before" { // it takes a second
				before = steps[i-2]
			}
			if !before.IsAction(harness.CredentialsAction) || before.If != s.If {
				wrong = append(wrong, s.Name+" has the credentials of "+before.Name)
			}
			// The runner sends signals to the first process of a step, and starttech has to get them.
			if !strings.HasPrefix(s.Run, "cd infrastructure\nexec .local/bin/starttech ") {
				wrong = append(wrong, s.Name+": "+s.Run)
			}
			if strings.Contains(s.Run, "release backend") {
				wrong = append(wrong, diff("minutes of "+s.Name, s.Minutes, 55)...) // a session of the role lasts an hour
			}
		}
		if got := w.Jobs["release"].Minutes; got < 30+55+5+20 { // builds, the backend, a rollback, the frontend
			wrong = append(wrong, fmt.Sprintf("the job has %d minutes", got))
		}
		return wrong
	}, "timeout-minutes: 55", "timeout-minutes: 75"},

	{"a release that is cancelled or fails is rolled back at once", func(t *testing.T, w harness.Workflow) (wrong []string) {
		steps := w.Jobs["release"].Steps
		released := slices.IndexFunc(steps, func(s harness.WorkflowStep) bool { return s.ID == "release" })
		for i, s := range steps {
			want := ""
			if i == released+1 || i == released+2 {
				want = onlyOnce
			}
			wrong = append(wrong, diff("condition of "+s.Name, s.If, want)...)
		}
		if !strings.Contains(steps[released+2].Run, `starttech rollback backend "$BEFORE" --no-wait --of "$COMMIT" --after "$VERSION" `) {
			wrong = append(wrong, steps[released+2].Run)
		}
		return wrong
	}, "if: ${{ (failure() || cancelled()) && steps.release.outcome != 'skipped' }}", "if: ${{ failure() && steps.release.outcome != 'skipped' }}"},

	{"tokens have the permissions that their jobs need", func(t *testing.T, w harness.Workflow) []string {
		wrong := diff("workflow", w.Permissions, map[string]any{})
		for id, j := range w.Jobs {
			wrong = append(wrong, diff(id, j.Permissions, map[string]any{"contents": "read", "id-token": "write"})...)
		}
		return wrong
	}, "contents: read", "contents: write"},

	{"actionlint finds nothing", lintRelease(actionlint), `docker push "$image"`, "docker push $image"},
	{"zizmor finds nothing", lintRelease(zizmor), "persist-credentials: false", "persist-credentials: true"},
}

// The trust of the release role names the file, whose name is a contract with every application.
func TestReleaseRoleTrustsTheFile(t *testing.T) {
	harness.Equal(t, "file", policy.ReleaseWorkflow, releaseFile)
	harness.ReadFile(t, policy.ReleaseWorkflow)
}

// callerClaims is claims about the workflow on harness.ReleasePage, which calls the release workflow.
var callerClaims = []workflowClaim{
	{"it releases main to staging and then in the same way to production", func(t *testing.T, w harness.Workflow) []string {
		first, second := w.Jobs["staging"], w.Jobs["production"]
		wrong := diff("jobs", slices.Sorted(maps.Keys(w.Jobs)), []string{"production", "staging"})
		wrong = append(wrong, diff("push", w.On["push"], map[string]any{"branches": []any{"main"}})...)
		wrong = append(wrong, diff("needs", []any{first.Needs, second.Needs}, []any{nil, "staging"})...)
		wrong = append(wrong, diff("conditions", []any{first.If, second.If}, []any{
			"inputs.environment != 'production'",
			"${{ !cancelled() && (needs.staging.result == 'success' && !inputs.environment || inputs.environment == 'production') }}",
		})...)
		for id, j := range w.Jobs {
			wrong = append(wrong, diff("inputs of "+id, j.With, map[string]string{"environment": id, "commit": "${{ inputs.commit }}"})...)
		}
		return wrong
	}, "    needs: staging\n", ""},

	{"it calls the workflow of main, which the role trusts, and passes it what it needs", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for id, j := range w.Jobs {
			wrong = append(wrong, diff("workflow of "+id, j.Uses, "your-organization/infrastructure/"+releaseFile+"@main")...)
			wrong = append(wrong, diff("permissions of "+id, j.Permissions, harness.ReleaseWorkflow(t).Jobs["release"].Permissions)...)
			wrong = append(wrong, diff("secrets of "+id, j.Secrets, map[string]string(nil))...)
		}
		return append(wrong, diff("workflow", w.Permissions, map[string]any{})...)
	}, "@main", "@v1"},

	{"it passes inputs that exist", func(t *testing.T, w harness.Workflow) (wrong []string) {
		inputs := resource(harness.ReleaseWorkflow(t).On).Get("workflow_call", "inputs").(map[string]any)
		for id, j := range w.Jobs {
			for name := range j.With {
				if inputs[name] == nil {
					wrong = append(wrong, id+" passes "+name)
				}
			}
		}
		return wrong
	}, ", commit: ", ", revision: "},

	{"it is short", func(t *testing.T, w harness.Workflow) (wrong []string) {
		if lines := strings.Count(w.Text, "\n"); lines > 35 {
			wrong = append(wrong, fmt.Sprintf("it has %d lines", lines))
		}
		return wrong
	}, "\n", strings.Repeat("\n", 36)},

	{"actionlint finds nothing", lintCaller(actionlint), "needs.staging.result", "needs.stage.result"},
	{"zizmor finds nothing", lintCaller(zizmor), "permissions: {}", "permissions: write-all"},
}

func TestReleaseWorkflowsCaller(t *testing.T) {
	t.Parallel()
	checkClaims(t, callerClaims, harness.ReleasePage, harness.ReleaseCaller(t))
}

func TestReleaseWorkflow(t *testing.T) {
	t.Parallel()
	checkClaims(t, releaseClaims, releaseFile, harness.ReleaseWorkflow(t))
}

// checkClaims checks claims about a workflow, and that each check finds its fault.
func checkClaims(t *testing.T, claims []workflowClaim, file string, w harness.Workflow) {
	t.Helper()
	for _, c := range claims {
		t.Run(c.claim, func(t *testing.T) {
			for _, wrong := range c.check(t, w) {
				t.Error(wrong)
			}
			withFault := strings.Replace(w.Text, c.old, c.new, 1)
			if withFault == w.Text {
				t.Fatalf("the workflow has no %q", c.old)
			}
			if len(c.check(t, harness.ParseWorkflow(t, file, withFault))) == 0 {
				t.Errorf("the check does not find the fault %q", c.new)
			}
		})
	}
}

// scriptsOf is the scripts of the release, by the names of their steps.
func scriptsOf(w harness.Workflow) map[string]string {
	scripts := map[string]string{}
	for _, s := range w.Jobs["release"].Steps {
		if s.Run != "" {
			scripts[s.Name] = s.Run
		}
	}
	return scripts
}

// lintRelease checks the release workflow with a linter. actionlint also reads the composite action.
func lintRelease(lint workflowLinter) func(t *testing.T, w harness.Workflow) []string {
	return lintAs(lint, releaseFile)
}

// lintCaller checks the caller of the release workflow with a linter.
func lintCaller(lint workflowLinter) func(t *testing.T, w harness.Workflow) []string {
	return lintAs(lint, ".github/workflows/caller.yml")
}

func lintAs(lint workflowLinter, file string) func(t *testing.T, w harness.Workflow) []string {
	return func(t *testing.T, w harness.Workflow) []string {
		out, err := lint(t, map[string]string{file: w.Text, setupFile: harness.ReadFile(t, setupFile)})
		if err != nil || out != "" {
			return []string{fmt.Sprint(err), out}
		}
		return nil
	}
}

// diff is empty if got is want.
func diff(what string, got, want any) []string {
	if diff := cmp.Diff(want, got); diff != "" {
		return []string{what + " (-want +got):\n" + diff}
	}
	return nil
}
