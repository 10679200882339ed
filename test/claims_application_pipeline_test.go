package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/internal/github"
)

// releasePage is the page with the workflow that the application's repository takes as releaseFile.
const (
	releasePage = "docs/application-pipeline.md"
	releaseFile = ".github/workflows/release.yml"
)

// releaseWorkflow is the workflow, read. Its jobs have the shape of this project's own, but for the environment.
type releaseWorkflow struct {
	page, text string // the whole page, and the workflow in it

	On          map[string]any
	Permissions any
	Defaults    struct{ Run struct{ Shell string } }
	Jobs        map[string]releaseJob
}

type releaseJob struct {
	Needs, If   string
	Environment struct{ Name, URL string }
	Permissions any
	Concurrency map[string]any
	Minutes     int `yaml:"timeout-minutes"`
	Env         map[string]string
	Steps       []workflowStep
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// readPage takes the one block of YAML out of the page.
func readPage(t *testing.T) releaseWorkflow {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, releasePage))
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(content), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of yaml, want one", releasePage, len(blocks))
	}
	return parseRelease(t, string(content), blocks[0][1])
}

func parseRelease(t *testing.T, page, text string) releaseWorkflow {
	t.Helper()
	w := releaseWorkflow{page: page, text: text}
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", releasePage, err)
	}
	return w
}

// scripts is the shell of a job's steps, by their names.
func (j releaseJob) scripts() map[string]string {
	scripts := map[string]string{}
	for _, s := range j.Steps {
		if s.Run != "" {
			scripts[s.Name] = s.Run
		}
	}
	return scripts
}

// publishedOutputs is the outputs that are published, by the name that an expression of a workflow gives them:
// "vars.AWS_REGION" is "aws_region".
func publishedOutputs() map[string]string {
	outputs := map[string]string{}
	for _, published := range github.PublishedOutputs {
		name := "vars." + published.Name
		if published.Secret {
			name = "secrets." + published.Name
		}
		outputs[name] = published.Output
	}
	return outputs
}

// calledActions is the IAM actions that a command of the workflow needs.
var calledActions = map[string][]string{
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
	calledCommand = regexp.MustCompile(`\b(aws [a-z0-9]+ [a-z-]+|docker [a-z]+)`)
	usedSetting   = regexp.MustCompile(`\b(?:vars|secrets)\.\w+`)
	// What the runbook's commands have in common with the workflow's.
	usedFlag = regexp.MustCompile(`--(?:cache-control|exclude|paths) (?:'[^']+'|[^\s\\]+(?: /\S+)*)`)
)

// releaseClaims is what is claimed of the workflow. Each gives what contradicts it, and has a fault that it finds: a
// change to the workflow's text.
var releaseClaims = []struct {
	claim    string
	check    func(t *testing.T, w releaseWorkflow) []string
	old, new string
}{
	{"it uses what is published, all of it, and the page names it", func(t *testing.T, w releaseWorkflow) []string {
		published := slices.Sorted(maps.Keys(publishedOutputs()))
		used := slices.Sorted(slices.Values(usedSetting.FindAllString(w.text, -1)))
		wrong := differences("settings", slices.Compact(used), published)
		for _, setting := range published {
			if _, name, _ := strings.Cut(setting, "."); !strings.Contains(w.page, "`"+name+"`") {
				wrong = append(wrong, "the page does not name "+name)
			}
		}
		return wrong
	}, "${{ vars.ECR_REPOSITORY }}", "${{ vars.IMAGES }}"},

	{"it needs what the release role may do, and nothing else", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		var needed, granted []string
		for name, script := range w.Jobs["production"].scripts() {
			for _, command := range calledCommand.FindAllString(script, -1) {
				actions, known := calledActions[command]
				if !known {
					wrong = append(wrong, fmt.Sprintf("%s: nothing is known of %q", name, command))
				}
				needed = append(needed, actions...)
			}
		}
		for _, grant := range production(t).grants(t, "aws_iam_role.release_role") {
			action, _, _ := strings.Cut(grant, " on ")
			granted = append(granted, action)
		}
		slices.Sort(needed)
		slices.Sort(granted)
		return append(wrong, differences("actions", slices.Compact(needed), slices.Compact(granted))...)
	}, "aws cloudfront wait", "aws cloudfront list-invalidations"},

	{"healthy percentages and warmup are those that production has for its own instance refreshes", func(t *testing.T, w releaseWorkflow) []string {
		var got map[string]any
		if err := json.Unmarshal([]byte(w.Jobs["production"].Env["PREFERENCES"]), &got); err != nil {
			return []string{err.Error()}
		}
		group := production(t).resource(t, "aws_autoscaling_group.backend")
		want := map[string]string{}
		for name, attribute := range map[string]string{
			"MinHealthyPercentage": "min_healthy_percentage", "MaxHealthyPercentage": "max_healthy_percentage", "InstanceWarmup": "instance_warmup",
		} {
			want[name] = fmt.Sprint(group.get("instance_refresh", "preferences", attribute))
		}
		said := map[string]string{}
		for name, value := range got {
			said[name] = fmt.Sprint(value)
		}
		return differences("preferences", said, want)
	}, `"MaxHealthyPercentage": 150`, `"MaxHealthyPercentage": 200`},

	{"the runbook does the same by hand", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		runbook, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
		if err != nil {
			return []string{err.Error()}
		}
		flags := usedFlag.FindAllString(w.text, -1)
		if len(flags) != 6 {
			wrong = append(wrong, fmt.Sprintf("the workflow's flags are %q, want six", flags))
		}
		for _, flag := range append(flags, w.Jobs["production"].Env["PREFERENCES"]) {
			if !strings.Contains(string(runbook), flag) {
				wrong = append(wrong, "docs/runbook.md has no "+flag)
			}
		}
		return wrong
	}, "max-age=60", "max-age=600"},

	{"shell gets values as variables, and stops at the first failure", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		for name, script := range w.Jobs["production"].scripts() {
			if strings.Contains(script, "${{") {
				wrong = append(wrong, name+": has an expression in its script")
			}
		}
		return append(wrong, differences("shell", w.Defaults.Run.Shell, "bash -euo pipefail {0}")...)
	}, `docker push "$image"`, `docker push "${{ github.sha }}"`},

	{"scripts of packages run before there are credentials", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		steps := w.Jobs["production"].Steps
		first := slices.IndexFunc(steps, func(s workflowStep) bool { return s.uses(credentialsAction) })
		for i, s := range steps {
			if strings.Contains(s.Run, "npm ") && i > first {
				wrong = append(wrong, s.Name)
			}
		}
		return wrong
	}, `docker push "$image"`, "npm run push"},

	{"there is one release at a time in an environment, and none is cancelled", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		for id, j := range w.Jobs {
			wrong = append(wrong, differences(id, fmt.Sprint(j.Concurrency), "map[cancel-in-progress:false group:release-"+id+"]")...)
		}
		return wrong
	}, "cancel-in-progress: false", "cancel-in-progress: true"},

	{"credentials outlive what they are for", func(t *testing.T, w releaseWorkflow) (wrong []string) {
		// Of the role's session, an hour, the watch and the waiter of an invalidation (twenty seconds, thirty times)
		// may take most; of the job's time, all of it.
		watch := regexp.MustCompile(`\{1\.\.(\d+)\}`)
		minutes := map[string]int{}
		for name, script := range w.Jobs["production"].scripts() {
			for _, found := range watch.FindAllStringSubmatch(script, -1) {
				var turns int
				if _, err := fmt.Sscan(found[1], &turns); err != nil {
					return []string{err.Error()}
				}
				minutes[name] += turns * 17 / 60 // 15 s, and a call
			}
		}
		if total := minutes["Watch the instance refresh"] + 10; total <= 10 || total > 55 {
			wrong = append(wrong, fmt.Sprintf("watching and publishing take %d minutes of an hour", total))
		}
		if rollBack := minutes["Roll back"]; rollBack <= 0 || rollBack > 4 {
			wrong = append(wrong, fmt.Sprintf("rolling back takes %d minutes of five", rollBack))
		}
		total := 30 // builds and uploads
		for _, part := range minutes {
			total += part
		}
		if got := w.Jobs["production"].Minutes; got < total {
			wrong = append(wrong, fmt.Sprintf("the job has %d minutes, and needs %d", got, total))
		}
		return wrong
	}, "{1..150}", "{1..200}"},

	{"main is released to staging and then in the same way to production", func(t *testing.T, w releaseWorkflow) []string {
		first, second := w.Jobs["staging"], w.Jobs["production"]
		wrong := differences("jobs", slices.Sorted(maps.Keys(w.Jobs)), []string{"production", "staging"})
		wrong = append(wrong, differences("push", w.On["push"], any(map[string]any{"branches": []any{"main"}}))...)
		wrong = append(wrong, differences("needs", []string{first.Needs, second.Needs}, []string{"", "staging"})...)
		wrong = append(wrong, differences("steps", second.Steps, first.Steps)...)
		wrong = append(wrong, differences("env", second.Env, first.Env)...)
		for id, j := range w.Jobs {
			if j.Environment.Name != id || !strings.Contains(j.If, "github.ref == 'refs/heads/main' &&") || !strings.Contains(j.If, "inputs.environment == '"+id+"'") {
				wrong = append(wrong, fmt.Sprintf("%s is of the environment %s, and runs if %q", id, j.Environment.Name, j.If))
			}
		}
		return wrong
	}, "    needs: staging\n", ""},

	{"a token can do what its job needs", func(t *testing.T, w releaseWorkflow) []string {
		wrong := differences("workflow", w.Permissions, any(map[string]any{}))
		for id, j := range w.Jobs {
			wrong = append(wrong, differences(id, j.Permissions, any(map[string]any{"contents": "read", "id-token": "write"}))...)
		}
		return wrong
	}, "contents: read", "contents: write"},

	{"actionlint finds nothing", func(t *testing.T, w releaseWorkflow) []string {
		said, err := actionlint(t, map[string]string{releaseFile: w.text, setupFile: readGitHubFiles(t)[setupFile]})
		if err != nil || said != "" {
			return []string{fmt.Sprint(err), said}
		}
		return nil
	}, `docker push "$image"`, "docker push $image"},

	{"zizmor finds nothing", func(t *testing.T, w releaseWorkflow) []string {
		said, err := zizmor(t, map[string]string{releaseFile: w.text})
		if err != nil || !strings.Contains(said, "No findings to report.") {
			return []string{fmt.Sprint(err), said}
		}
		return nil
	}, "persist-credentials: false", "persist-credentials: true"},
}

func TestTheApplicationsPipeline(t *testing.T) {
	t.Parallel()
	w := readPage(t)
	for _, c := range releaseClaims {
		t.Run(c.claim, func(t *testing.T) {
			for _, wrong := range c.check(t, w) {
				t.Error(wrong)
			}
		})
		t.Run(c.claim+": its fault is found", func(t *testing.T) {
			faulty := strings.Replace(w.text, c.old, c.new, 1)
			if faulty == w.text {
				t.Fatalf("the workflow has no %q", c.old)
			}
			if len(c.check(t, parseRelease(t, w.page, faulty))) == 0 {
				t.Errorf("nothing is said of %q", c.new)
			}
		})
	}
}

// differences is empty if got is want.
func differences(what string, got, want any) []string {
	if diff := cmp.Diff(want, got); diff != "" {
		return []string{what + " (-want +got):\n" + diff}
	}
	return nil
}
