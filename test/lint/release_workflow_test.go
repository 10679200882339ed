package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// requiredActions is the IAM actions that each command of the release workflow requires.
var requiredActions = map[string][]string{
	"aws ecr get-login-password": {"ecr:GetAuthorizationToken"},
	"aws ecr describe-images":    {"ecr:DescribeImages"},
	// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
	"docker push": {
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
		"ecr:PutImage", "ecr:UploadLayerPart",
	},
	"docker login":                                nil,
	"docker build":                                nil,
	"aws ssm get-parameter":                       {"ssm:GetParameter"},
	"aws ssm put-parameter":                       {"ssm:PutParameter"},
	"aws autoscaling start-instance-refresh":      {"autoscaling:StartInstanceRefresh"},
	"aws autoscaling describe-instance-refreshes": {"autoscaling:DescribeInstanceRefreshes"},
	"aws autoscaling cancel-instance-refresh":     {"autoscaling:CancelInstanceRefresh"},
	"aws s3 sync":                                 {"s3:ListBucket", "s3:PutObject", "s3:DeleteObject"},
	"aws s3 cp":                                   {"s3:PutObject"},
	"aws cloudfront create-invalidation":          {"cloudfront:CreateInvalidation"},
	"aws cloudfront wait":                         {"cloudfront:GetInvalidation"},
}

var (
	usedCommand = regexp.MustCompile(`\b(aws [a-z0-9]+ [a-z-]+|docker [a-z]+)`)
	usedSetting = regexp.MustCompile(`\b(?:vars|secrets)\.\w+`)
	usedFlag    = regexp.MustCompile(`--(?:cache-control|exclude|paths) (?:'[^']+'|[^\s\\]+(?: /\S+)*)`)
	usedRange   = regexp.MustCompile(`\{1\.\.(\d+)\}`)
)

// releaseClaims is claims about the workflow on harness.ReleasePage. A check returns what contradicts its claim. The fault is
// a change of the workflow that it has to find.
var releaseClaims = []struct {
	claim    string
	check    func(t *testing.T, w harness.Workflow) []string
	old, new string
}{
	{"it uses all published settings and no others, and the page names them", func(t *testing.T, w harness.Workflow) []string {
		published := slices.Sorted(maps.Keys(harness.PublishedOutputs()))
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

	{"it requires exactly what the release role allows", func(t *testing.T, w harness.Workflow) (wrong []string) {
		var required, granted []string
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
	}, "aws cloudfront wait", "aws cloudfront list-invalidations"},

	{"its instance refreshes have production's preferences", func(t *testing.T, w harness.Workflow) []string {
		var got map[string]any
		if err := json.Unmarshal([]byte(w.Jobs["production"].Env["PREFERENCES"]), &got); err != nil {
			return []string{err.Error()}
		}
		group := harness.Reference(t).Stack(t, "production").Resource(t, "aws_autoscaling_group.backend")
		want := map[string]any{}
		for name, attribute := range map[string]string{
			"MinHealthyPercentage": "min_healthy_percentage", "MaxHealthyPercentage": "max_healthy_percentage", "InstanceWarmup": "instance_warmup",
		} {
			want[name] = group.Get("instance_refresh", "preferences", attribute)
		}
		// The warm-up is a string in the stack.
		return diff("preferences", fmt.Sprint(got), fmt.Sprint(want))
	}, `"MaxHealthyPercentage": 150`, `"MaxHealthyPercentage": 200`},

	{"starttech release frontend has the same caching", func(t *testing.T, w harness.Workflow) (wrong []string) {
		flags := usedFlag.FindAllString(w.Text, -1)
		if len(flags) != 6 {
			wrong = append(wrong, fmt.Sprintf("the workflow's flags are %q, want six", flags))
		}
		sources := harness.ReadFile(t, "internal/operate/frontend.go")
		for _, flag := range flags {
			if caching, ok := strings.CutPrefix(flag, "--cache-control "); ok && !strings.Contains(sources, strings.Trim(caching, `'"`)) {
				wrong = append(wrong, "starttech release frontend has no "+caching)
			}
		}
		return wrong
	}, "max-age=60", "max-age=600"},

	{"scripts get values as variables, and stop at the first failure", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for name, script := range scriptsOf(w) {
			if strings.Contains(script, "${{") {
				wrong = append(wrong, name+": has an expression in its script")
			}
		}
		return append(wrong, diff("shell", w.Defaults.Run.Shell, "bash -euo pipefail {0}")...)
	}, `docker push "$image"`, `docker push "${{ github.sha }}"`},

	{"scripts of npm packages run before there are credentials", func(t *testing.T, w harness.Workflow) (wrong []string) {
		steps := w.Jobs["production"].Steps
		first := slices.IndexFunc(steps, func(s harness.WorkflowStep) bool { return s.IsAction(harness.CredentialsAction) })
		for _, s := range steps[max(first, 0):] {
			if strings.Contains(s.Run, "npm ") {
				wrong = append(wrong, s.Name)
			}
		}
		return wrong
	}, `docker push "$image"`, "npm run push"},

	{"a commit that is not on main is refused before its code runs", func(t *testing.T, w harness.Workflow) (wrong []string) {
		steps := w.Jobs["production"].Steps
		checkOut := slices.IndexFunc(steps, func(s harness.WorkflowStep) bool { return s.IsAction("actions/checkout") })
		wrong = diff("history", steps[checkOut].With["fetch-depth"], "0")
		if len(steps) <= checkOut+1 || steps[checkOut+1].Name != "Check that the commit is on main" {
			return append(wrong, "it is not the first step after the checkout")
		}
		dir := harness.WriteFiles(t, map[string]string{"script.sh": steps[checkOut+1].Run})
		run := func(program string, arguments ...string) (output string, err error) {
			command := exec.CommandContext(t.Context(), program, arguments...)
			command.Dir = dir
			command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x")
			out, err := command.CombinedOutput()
			return strings.TrimSpace(string(out)), err
		}
		git := func(arguments ...string) string {
			output, err := run("git", arguments...)
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
	}, `git merge-base --is-ancestor "$COMMIT" refs/remotes/origin/main`, `git cat-file -e "$COMMIT"`},

	{"an environment has one release at a time, and none is cancelled", func(t *testing.T, w harness.Workflow) (wrong []string) {
		for id, j := range w.Jobs {
			wrong = append(wrong, diff(id, j.Concurrency, map[string]any{"group": "release-" + id, "cancel-in-progress": false})...)
		}
		return wrong
	}, "cancel-in-progress: false", "cancel-in-progress: true"},

	{"credentials and the job last long enough", func(t *testing.T, w harness.Workflow) (wrong []string) {
		minutes, total := map[string]int{}, 30 // builds and uploads
		for name, script := range scriptsOf(w) {
			for _, found := range usedRange.FindAllStringSubmatch(script, -1) {
				turns, err := strconv.Atoi(found[1])
				if err != nil {
					return []string{err.Error()}
				}
				minutes[name] += turns * 17 / 60 // sleep 15, and a call
			}
			total += minutes[name]
		}
		// A session of the role lasts an hour. The waiter of an invalidation takes ten minutes: 30 times 20 s.
		if watch := minutes["Watch the instance refresh"]; watch <= 0 || watch+10 > 55 {
			wrong = append(wrong, fmt.Sprintf("watching and publishing take %d minutes of an hour", watch+10))
		}
		if rollBack := minutes["Roll back"]; rollBack <= 0 || rollBack > 4 {
			wrong = append(wrong, fmt.Sprintf("rolling back takes %d of the five minutes of a cancelled job", rollBack))
		}
		if got := w.Jobs["production"].Minutes; got < total {
			wrong = append(wrong, fmt.Sprintf("the job has %d minutes, and needs %d", got, total))
		}
		return wrong
	}, "{1..150}", "{1..200}"},

	{"it releases main to staging and then in the same way to production", func(t *testing.T, w harness.Workflow) []string {
		first, second := w.Jobs["staging"], w.Jobs["production"]
		wrong := diff("jobs", slices.Sorted(maps.Keys(w.Jobs)), []string{"production", "staging"})
		wrong = append(wrong, diff("push", w.On["push"], map[string]any{"branches": []any{"main"}})...)
		wrong = append(wrong, diff("needs", []any{first.Needs, second.Needs}, []any{nil, "staging"})...)
		wrong = append(wrong, diff("steps", second.Steps, first.Steps)...)
		wrong = append(wrong, diff("env", second.Env, first.Env)...)
		for id, j := range w.Jobs {
			wrong = append(wrong, diff("environment of "+id, resource{"environment": j.Environment}.Get("environment", "name"), id)...)
			if !strings.Contains(j.If, "github.ref == 'refs/heads/main' &&") || !strings.Contains(j.If, "inputs.environment == '"+id+"'") {
				wrong = append(wrong, fmt.Sprintf("%s runs if %q", id, j.If))
			}
		}
		return wrong
	}, "    needs: staging\n", ""},

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

func TestReleaseWorkflow(t *testing.T) {
	t.Parallel()
	w := harness.ReleaseWorkflow(t)
	for _, c := range releaseClaims {
		t.Run(c.claim, func(t *testing.T) {
			for _, wrong := range c.check(t, w) {
				t.Error(wrong)
			}
			withFault := strings.Replace(w.Text, c.old, c.new, 1)
			if withFault == w.Text {
				t.Fatalf("the workflow has no %q", c.old)
			}
			if len(c.check(t, harness.ParseWorkflow(t, harness.ReleasePage, withFault))) == 0 {
				t.Errorf("the check does not find the fault %q", c.new)
			}
		})
	}
}

// scriptsOf is the scripts of the job production, by the names of their steps.
func scriptsOf(w harness.Workflow) map[string]string {
	scripts := map[string]string{}
	for _, s := range w.Jobs["production"].Steps {
		if s.Run != "" {
			scripts[s.Name] = s.Run
		}
	}
	return scripts
}

// lintRelease checks the workflow with a linter. actionlint also reads the composite action.
func lintRelease(lint workflowLinter) func(t *testing.T, w harness.Workflow) []string {
	return func(t *testing.T, w harness.Workflow) []string {
		out, err := lint(t, map[string]string{".github/workflows/release.yml": w.Text, setupFile: harness.ReadFile(t, setupFile)})
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
