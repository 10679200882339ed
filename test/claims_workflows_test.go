package test

import (
	"fmt"
	"go/version"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github"
	"github.com/starttech/infrastructure/internal/terraform"
)

func TestTheWorkflows(t *testing.T) {
	t.Parallel()
	w := parseWorkflows(t, readWorkflowFiles(t))
	for name, claim := range workflowClaims {
		t.Run(name, func(t *testing.T) {
			for _, wrong := range claim(w) {
				t.Error(wrong)
			}
		})
	}
}

func TestEachClaimOnTheWorkflowsFindsItsFaults(t *testing.T) {
	t.Parallel()
	faults := map[string][]plantedFault{
		"every action is a known one, at its commit, with its version beside it": {
			{deployFile, "actions/checkout@de0f", "actions/checkout@de0e", "actions/checkout@de0eac2e"},
			{pullRequestFile, " # v7.0.1", "", "actions/upload-artifact@"},
			{setupFile, "actions/setup-node@", "somebody/setup-node@", "somebody/setup-node@"},
			{driftFile, "./.github/actions/setup", "./.github/actions/set-up", "no .github/actions/set-up/action.yml"},
		},
		"workflows run when they should": {
			{pullRequestFile, "pull_request:", "pull_request_target:", "pull_request_target"},
			{deployFile, "branches: [main]", "branches: [main, next]", "next"},
		},
		"a token can do what its job needs": {
			{deployFile, "permissions: {}", "permissions: write-all", "write-all"},
			{driftFile, "issues: write", "actions: write", "actions"},
			{pullRequestFile, "    permissions: {}\n", "", "pull-request/passed"},
		},
		"a fork's pull request gets no credentials": {
			{pullRequestFile, "github.event.pull_request.head.repo.full_name == github.repository &&", "", "pull-request/plan"},
			{pullRequestFile, "contents: read # for the checkout", "contents: write", "pull-request/test"},
		},
		"a secret reaches the step that needs it, in an environment": {
			{pullRequestFile, "${{ github.token }}", "${{ secrets.GITHUB_TOKEN }}", "pull-request.yml"},
			{deployFile, "${{ secrets.APPLICATION_REPOSITORY_TOKEN != '' }}", "${{ secrets.APPLICATION_REPOSITORY_TOKEN }}", "PUBLISH: ${{ secrets.APPLICATION_REPOSITORY_TOKEN }}"},
			{deployFile, "run: make publish ENV=staging", "run: make health ENV=staging", "given to make health"},
		},
		"every stack is planned and watched, and every environment deployed, staging first": {
			{driftFile, "stack: [bootstrap, staging, production]", "stack: [staging, production]", "bootstrap"},
			{pullRequestFile, "fail-fast: false", "fail-fast: true", "pull-request: one stack that fails cancels the others"},
			{driftFile, "      fail-fast: false\n", "", "drift: one stack that fails cancels the others"},
			{pullRequestFile, `make plan ENV="$STACK"`, "make plan", "does not plan"},
			{deployFile, "    needs: staging\n", "", "after staging"},
			{deployFile, "  staging:\n", "  bootstrap:\n", "bootstrap"},
		},
		"a deploy deploys, checks and publishes its own environment, each in the same way": {
			{deployFile, "environment: production", "environment: staging", `production is of the environment "staging"`},
			{deployFile, "make deploy ENV=production", "make deploy ENV=staging", "make deploy ENV=staging"},
			{deployFile, "run: make health ENV=production", "run: true", "make health"},
			{deployFile, "if: ${{ env.PUBLISH != 'true' }}", "if: ${{ false }}", "staging: does not either publish"},
			{deployFile, "session-name: deploy-production", "session-name: deploy-main", "production is not as staging"},
		},
		"main alone is deployed and watched": {
			{driftFile, "if: github.ref == 'refs/heads/main'", "if: github.ref != ''", "drift/drift"},
		},
		"what holds the lock of a state is never cut short": {
			{deployFile, "cancel-in-progress: false", "cancel-in-progress: true", "deploy/staging"},
			{pullRequestFile, "cancel-in-progress: false", "cancel-in-progress: true", "pull-request/plan"},
			{driftFile, "group: drift", "group: deploy", "share the group deploy"},
			{driftFile, "  group: drift\n", "", "drift/drift"},
			{pullRequestFile, "      group: test-${{ github.event.pull_request.number }}\n", "", "pull-request/test"},
		},
		"plans assume the plan role, deploys the deploy role": {
			{deployFile, "role-to-assume: ${{ vars.DEPLOY_ROLE }}", "role-to-assume: ${{ vars.PLAN_ROLE }}", "deploy/staging assumes"},
			{driftFile, "id-token: write", "actions: read", "drift/drift"},
			{driftFile, "PLAN_ROLE:?", "PLAN_ROLE:-", "does not begin with"},
		},
		"credentials last as long as their deploy, and the role lets them": {
			{deployFile, "role-duration-seconds: 5400", "role-duration-seconds: 3600", `"3600" seconds`},
			{deployFile, "role-duration-seconds: 5400", "role-duration-seconds: 43200", `"43200" seconds`},
		},
		"every job ends, and a first deploy has the time it takes": {
			{pullRequestFile, "    timeout-minutes: 60\n", "", "pull-request/test: 0 minutes"},
			{deployFile, "timeout-minutes: 90", "timeout-minutes: 30", "deploy/staging: 30 minutes"},
			{driftFile, "ubuntu-24.04", "ubuntu-latest", "ubuntu-latest"},
		},
		"a checkout leaves no token behind": {
			{deployFile, "persist-credentials: false", "persist-credentials: true", "deploy/staging"},
		},
		"shell is a make target or one of a few lines": {
			{pullRequestFile, "run: make synth", "run: make synthesis", "no target synthesis"},
			{setupFile, "run: make install", "run: npm ci", "setup: npm ci"},
			{deployFile, "run: make deploy ENV=staging", "run: make deploy ENV=${{ github.ref_name }}", "github.ref_name"},
		},
		"a pull request is built, linted, synthesized and tested, each once": {
			{pullRequestFile, "make -o lint test", "make test", "make test"},
		},
		"a plan that failed is told as well": {
			{driftFile, "!cancelled() && steps.plan.outcome != 'skipped'", "success()", "drift"},
			{pullRequestFile, "GITHUB_TOKEN: ${{ github.token }}", "TOKEN: x", "pull-request"},
		},
		"the plan that was read is kept, and nothing but it": {
			{pullRequestFile, "/plan.json\n", "/.terraform\n", ".terraform"},
			{pullRequestFile, "          retention-days: 30\n", "", "artifact"},
		},
		"the required check waits for every other job": {
			{pullRequestFile, "needs: [test, plan]", "needs: [test]", "plan"},
			{pullRequestFile, "if: ${{ always() }}", "if: ${{ !failure() }}", "always"},
			{pullRequestFile, "needs.test.result != 'success'", "needs.test.result == 'failure'", "does not look at test"},
			{pullRequestFile, "    needs: [test, plan]\n", "    needs: [test, plan]\n    concurrency: {group: passed, cancel-in-progress: true}\n", "passed: another run can cancel it"},
			{pullRequestFile, "permissions: {}\n\njobs:", "permissions: {}\n\nconcurrency: {group: pull-request}\n\njobs:", "passed: another run can cancel it"},
		},
		"the setup installs the versions that the project is made for": {
			{setupFile, "terraform_version: ", "terraform_version: 1.0.0 # ", "1.0.0"},
			{setupFile, "terraform_wrapper: false", "terraform_wrapper: true", "true"},
			{setupFile, "'backend.go'", "'back.go'", "back.go"},
			{setupFile, "go-version-file: go.mod", "go-version: stable", "go.mod"},
		},
		"the package cache is kept under the name of what it is made from": {
			{setupFile, "path: .local/packagecache", "path: .local/cache", ".local/packagecache"},
			{setupFile, "-${{ steps.packagecache.outputs.key }}", "-${{ hashFiles('go.sum') }}", "steps.packagecache.outputs.key"},
			{setupFile, "id: packagecache", "id: cache", "0 steps name it"},
			{setupFile, "packagecache -key .)", "packagecache -key ./modules)", "0 steps name it"},
		},
		"the page on the pipeline names every setting": {
			{deployFile, "vars.DEPLOY_ROLE", "vars.ROLE_OF_DEPLOYS", "`ROLE_OF_DEPLOYS`"},
			{deployFile, "environment: staging", "environment: preview", "`preview`"},
		},
	}
	equal(t, "claims with faults", slices.Sorted(maps.Keys(faults)), slices.Sorted(maps.Keys(workflowClaims)))

	files := readWorkflowFiles(t)
	for name, claim := range workflowClaims {
		before := strings.Join(claim(parseWorkflows(t, files)), "\n")
		for _, f := range faults[name] {
			t.Run(name+"/"+f.new, func(t *testing.T) {
				after := strings.Join(claim(parseWorkflows(t, f.plant(t, files))), "\n")
				if !strings.Contains(after, f.want) || after == before {
					t.Errorf("said is %q, want %q", after, f.want)
				}
			})
		}
	}
}

// knownActions is the actions that may run, and where: the commit that its tag named when it was read.
var knownActions = map[string]string{
	"actions/checkout":                      "de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
	"actions/setup-go":                      "4a3601121dd01d1626a1e23e37211e3254c1c06c # v6.4.0",
	"actions/setup-node":                    "48b55a011bda9f5d6aeb4c2d9c7362e8dae4041e # v6.4.0",
	"actions/setup-python":                  "a309ff8b426b58ec0e2a45f0f869d46889d02405 # v6.2.0",
	"actions/cache":                         "27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5",
	"actions/upload-artifact":               "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1",
	"hashicorp/setup-terraform":             "5e8dbf3c6d9deaf4193ca7a8fb23f2ac83bb6c85 # v4.0.0",
	"aws-actions/configure-aws-credentials": "8df5847569e6427dd6c4fb1cf565c83acfa8afa7 # v6.0.0",
}

// knownTriggers is when each workflow runs. Of a fork, only pull_request gives nothing away.
var knownTriggers = map[string]map[string]any{
	"pull-request": {"pull_request": nil},
	"deploy":       {"push": map[string]any{"branches": []any{"main"}}, "workflow_dispatch": nil},
	"drift":        {"schedule": []any{map[string]any{"cron": "43 3 * * *"}}, "workflow_dispatch": nil},
}

// knownPermissions is the most that each job's token may do.
var knownPermissions = map[string]map[string]any{
	"pull-request/test":   {"contents": "read"},
	"pull-request/plan":   {"contents": "read", "id-token": "write", "pull-requests": "write"},
	"pull-request/passed": {},
	"deploy/staging":      {"contents": "read", "id-token": "write"},
	"deploy/production":   {"contents": "read", "id-token": "write"},
	"drift/drift":         {"contents": "read", "id-token": "write", "issues": "write"},
}

// knownLines is the shell that is not a make target.
var knownLines = []string{
	`go build ./...`,
	`exit 1`,
	`terraform -chdir=cdktf.out/stacks/bootstrap init -backend=false -input=false`,
	`terraform -chdir="cdktf.out/stacks/$STACK" show -no-color plan > "cdktf.out/stacks/$STACK/plan.txt"`,
	`terraform -chdir="cdktf.out/stacks/$STACK" show -json plan > "cdktf.out/stacks/$STACK/plan.json"`,
	`echo "key=$(go run github.com/starttech/infrastructure/packagecache/cmd/packagecache -key .)" >> "$GITHUB_OUTPUT"`,
	`mkdir -p ~/.terraform.d/plugin-cache`,
	`echo "plugin_cache_dir = \"$HOME/.terraform.d/plugin-cache\"" > ~/.terraformrc`,
	`: "${PLAN_ROLE:?the repository variable PLAN_ROLE is not set, see docs/pipeline.md}"`,
	`: "${DEPLOY_ROLE:?the repository variable DEPLOY_ROLE is not set, see docs/pipeline.md}"`,
	`: "${AWS_REGION:?the repository variable AWS_REGION is not set, see docs/pipeline.md}"`,
	`echo "::notice title=Outputs not published::the environment has no secret APPLICATION_REPOSITORY_TOKEN, see docs/pipeline.md"`,
}

const (
	ownBranches       = "github.event.pull_request.head.repo.full_name == github.repository && github.event.pull_request.user.login != 'dependabot[bot]'"
	ofMain            = "github.ref == 'refs/heads/main'"
	evenFailed        = "${{ !cancelled() && steps.plan.outcome != 'skipped' }}"
	credentialsAction = "aws-actions/configure-aws-credentials"
)

// workflowClaims is what is claimed of the workflows, by its name; each gives what contradicts it.
var workflowClaims = map[string]func(w workflows) []string{
	"every action is a known one, at its commit, with its version beside it": func(w workflows) (wrong []string) {
		line := regexp.MustCompile(`^\s*(?:- )?uses: (.*)$`)
		w.eachLine(func(place, text string) {
			found := line.FindStringSubmatch(text)
			if found == nil {
				return
			}
			if own, ok := strings.CutPrefix(found[1], "./"); ok {
				folder, _, _ := strings.Cut(own, " ")
				if _, ok := w.files[folder+"/action.yml"]; !ok {
					wrong = append(wrong, place+": there is no "+folder+"/action.yml")
				}
				return
			}
			action, at, _ := strings.Cut(found[1], "@")
			if want := knownActions[action]; want == "" || at != want {
				wrong = append(wrong, fmt.Sprintf("%s: %s, known is %q", place, found[1], want))
			}
		})
		return wrong
	},
	"workflows run when they should": func(w workflows) []string {
		got := map[string]map[string]any{}
		for file, of := range w.all {
			got[file] = of.On
		}
		return differences("triggers", got, knownTriggers)
	},
	"a token can do what its job needs": func(w workflows) (wrong []string) {
		for _, file := range slices.Sorted(maps.Keys(w.all)) {
			wrong = append(wrong, differences(file, w.all[file].Permissions, any(map[string]any{}))...)
		}
		got := map[string]any{}
		want := map[string]any{}
		w.each(func(name string, _ workflow, j workflowJob) { got[name] = j.Permissions })
		for name, permissions := range knownPermissions {
			want[name] = permissions
		}
		return append(wrong, differences("jobs", got, want)...)
	},
	"a fork's pull request gets no credentials": func(w workflows) (wrong []string) {
		w.each(func(name string, of workflow, j workflowJob) {
			if _, ok := of.On["pull_request"]; !ok {
				return
			}
			_, toAWS := j.step(credentialsAction)
			readsOnly := cmp.Equal(j.Permissions, any(map[string]any{})) || cmp.Equal(j.Permissions, any(map[string]any{"contents": "read"}))
			if (toAWS || !readsOnly) && strings.Join(strings.Fields(j.If), " ") != ownBranches {
				wrong = append(wrong, name+": has rights, and runs if "+strconv.Quote(j.If))
			}
		})
		return wrong
	},
	"a secret reaches the step that needs it, in an environment": func(w workflows) (wrong []string) {
		allowed := []string{
			"PUBLISH: ${{ secrets.APPLICATION_REPOSITORY_TOKEN != '' }}",
			"APPLICATION_REPOSITORY_TOKEN: ${{ secrets.APPLICATION_REPOSITORY_TOKEN }}",
		}
		w.eachLine(func(place, line string) {
			statement, _, _ := strings.Cut(strings.TrimSpace(line), " #")
			if strings.Contains(line, "secrets.") && (!strings.Contains(place, "deploy.yml") || !slices.Contains(allowed, statement)) {
				wrong = append(wrong, place+": "+statement)
			}
		})
		w.each(func(name string, _ workflow, j workflowJob) {
			for _, s := range j.Steps {
				if _, ok := s.Env["APPLICATION_REPOSITORY_TOKEN"]; ok && (j.Environment == "" || !strings.HasPrefix(s.Run, "make publish ")) {
					wrong = append(wrong, name+": the token is given to "+s.Run)
				}
			}
		})
		return wrong
	},
	"every stack is planned and watched, and every environment deployed, staging first": func(w workflows) (wrong []string) {
		stacks := slices.Sorted(maps.Keys(shipped.stacks))
		environments := slices.DeleteFunc(slices.Clone(stacks), func(name string) bool { return strings.HasPrefix(name, config.BootstrapStack) })
		for file, id := range map[string]string{"pull-request": "plan", "drift": "drift"} {
			matrix := w.all[file].Jobs[id]
			wrong = append(wrong, differences(file, slices.Sorted(slices.Values(matrix.Strategy.Matrix.Stack)), stacks)...)
			if failFast := matrix.Strategy.FailFast; failFast == nil || *failFast {
				wrong = append(wrong, file+": one stack that fails cancels the others")
			}
			if len(matrix.running(`make plan ENV="$STACK"`)) != 1 || matrix.Env["STACK"] != "${{ matrix.stack }}" {
				wrong = append(wrong, file+": does not plan the matrix's stack")
			}
		}
		deploys := w.all["deploy"].Jobs
		wrong = append(wrong, differences("deploy", slices.Sorted(maps.Keys(deploys)), environments)...)
		wrong = append(wrong, differences("after staging", deploys["production"].Needs, any("staging"))...)
		wrong = append(wrong, differences("before staging", deploys["staging"].Needs, nil)...)
		return wrong
	},
	"a deploy deploys, checks and publishes its own environment, each in the same way": func(w workflows) (wrong []string) {
		for id, j := range w.all["deploy"].Jobs {
			if j.Environment != id {
				wrong = append(wrong, fmt.Sprintf("%s is of the environment %q", id, j.Environment))
			}
			var lines []string
			for _, s := range j.running("make ") {
				lines = append(lines, s.Run)
			}
			wrong = append(wrong, differences(id, lines, []string{
				"make deploy ENV=" + id, "make outputs ENV=" + id, "make health ENV=" + id, "make publish ENV=" + id,
			})...)
			publish, notice := j.running("make publish "), j.running("echo ")
			if len(publish) != 1 || len(notice) != 1 || publish[0].If != "${{ env.PUBLISH == 'true' }}" || notice[0].If != "${{ env.PUBLISH != 'true' }}" {
				wrong = append(wrong, id+": does not either publish or say that it does not")
			}
		}
		staging := fmt.Sprint(w.all["deploy"].Jobs["staging"].Steps)
		production := fmt.Sprint(w.all["deploy"].Jobs["production"].Steps)
		return append(wrong, differences("production is not as staging", strings.ReplaceAll(production, "production", "staging"), staging)...)
	},
	"main alone is deployed and watched": func(w workflows) (wrong []string) {
		w.each(func(name string, of workflow, j workflowJob) {
			if _, byHand := of.On["workflow_dispatch"]; byHand && j.If != ofMain {
				wrong = append(wrong, fmt.Sprintf("%s runs if %q", name, j.If))
			}
		})
		return wrong
	},
	"what holds the lock of a state is never cut short": func(w workflows) (wrong []string) {
		groups := map[string]string{}
		w.each(func(name string, of workflow, j workflowJob) {
			rule := of.Concurrency
			if j.Concurrency.Group != "" {
				rule = j.Concurrency
			}
			_, toAWS := j.step(credentialsAction)
			queues := toAWS || len(j.running("make -o lint test")) > 0
			if queues && rule.Group == "" || toAWS && rule.CancelInProgress {
				wrong = append(wrong, fmt.Sprintf("%s has concurrency %+v", name, rule))
			}
			if rule.Group == "" {
				return
			}
			// A group of two workflows would let the one replace what waits of the other.
			file, _, _ := strings.Cut(name, "/")
			if other, ok := groups[rule.Group]; ok && other != file {
				wrong = append(wrong, fmt.Sprintf("%s and %s share the group %s", other, file, rule.Group))
			}
			groups[rule.Group] = file
		})
		return append(wrong, differences("deploy", w.all["deploy"].Concurrency, workflowConcurrency{Group: "deploy"})...)
	},
	"plans assume the plan role, deploys the deploy role": func(w workflows) (wrong []string) {
		w.each(func(name string, _ workflow, j workflowJob) {
			role := "PLAN_ROLE"
			if j.Environment != "" {
				role = "DEPLOY_ROLE"
			}
			s, toAWS := j.step(credentialsAction)
			permissions, _ := j.Permissions.(map[string]any)
			if _, token := permissions["id-token"]; token != toAWS {
				wrong = append(wrong, name+": a token for AWS and the step that uses it go together")
			}
			if toAWS && (s.With["role-to-assume"] != "${{ vars."+role+" }}" || s.With["aws-region"] != "${{ vars.AWS_REGION }}") {
				wrong = append(wrong, fmt.Sprintf("%s assumes %s in %s", name, s.With["role-to-assume"], s.With["aws-region"]))
			}
			if toAWS && (j.Steps[0].Env[role] == "" || !strings.Contains(j.Steps[0].Run, role+":?")) {
				wrong = append(wrong, name+": does not begin with whether "+role+" is set")
			}
		})
		return wrong
	},
	"credentials last as long as their deploy, and the role lets them": func(w workflows) (wrong []string) {
		longest := 0.0
		for _, r := range shipped.stacks[config.BootstrapStack].ofType("aws_iam_role") {
			if seconds, ok := r["max_session_duration"].(float64); ok && r.text("name") == config.Project+"-deploy" {
				longest = seconds
			}
		}
		for id, j := range w.all["deploy"].Jobs {
			s, _ := j.step(credentialsAction)
			seconds, err := strconv.Atoi(s.With["role-duration-seconds"])
			if err != nil || seconds < j.Minutes*60 || float64(seconds) > longest {
				wrong = append(wrong, fmt.Sprintf("%s: %q seconds, for %d minutes, of a role that gives %v seconds", id, s.With["role-duration-seconds"], j.Minutes, longest))
			}
		}
		return wrong
	},
	"every job ends, and a first deploy has the time it takes": func(w workflows) (wrong []string) {
		w.each(func(name string, _ workflow, j workflowJob) {
			least := 1
			if j.Environment != "" {
				least = 60 // CloudFront and Redis take half an hour
			}
			if j.Minutes < least || j.Minutes > 120 || j.RunsOn != "ubuntu-24.04" {
				wrong = append(wrong, fmt.Sprintf("%s: %d minutes on %s", name, j.Minutes, j.RunsOn))
			}
		})
		return wrong
	},
	"a checkout leaves no token behind": func(w workflows) (wrong []string) {
		w.each(func(name string, _ workflow, j workflowJob) {
			for _, s := range j.Steps {
				if s.uses("actions/checkout") && s.With["persist-credentials"] != "false" {
					wrong = append(wrong, name+": keeps the checkout's credentials")
				}
			}
		})
		return wrong
	},
	"shell is a make target or one of a few lines": func(w workflows) (wrong []string) {
		makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
		if err != nil {
			return []string{err.Error()}
		}
		targets := map[string]bool{}
		for _, target := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(string(makefile), -1) {
			targets[target[1]] = true
		}
		call := regexp.MustCompile(`^make (?:-o lint )?([a-z]+)(?: ENV=(?:staging|production|"\$STACK"))?$`)
		check := func(name string, steps []workflowStep) {
			for _, s := range steps {
				for line := range strings.Lines(s.Run) {
					line = strings.TrimSpace(line)
					called := call.FindStringSubmatch(line)
					switch {
					case called != nil && !targets[called[1]]:
						wrong = append(wrong, fmt.Sprintf("%s: the Makefile has no target %s", name, called[1]))
					case called == nil && !slices.Contains(knownLines, line):
						wrong = append(wrong, fmt.Sprintf("%s: %s", name, line))
					}
				}
			}
		}
		w.each(func(name string, _ workflow, j workflowJob) { check(name, j.Steps) })
		check("setup", w.setup)
		return wrong
	},
	"a pull request is built, linted, synthesized and tested, each once": func(w workflows) []string {
		var lines []string
		for _, s := range w.all["pull-request"].Jobs["test"].Steps {
			if s.Run != "" && !strings.HasPrefix(s.Run, "terraform ") {
				lines = append(lines, s.Run)
			}
		}
		return differences("test", lines, []string{"go build ./...", "make lint", "make synth", "make -o lint test"})
	},
	"a plan that failed is told as well": func(w workflows) (wrong []string) {
		for name, tells := range map[string][]workflowStep{
			"pull-request": w.all["pull-request"].Jobs["plan"].running(`make comment ENV="$STACK"`),
			"drift":        w.all["drift"].Jobs["drift"].running(`make drift ENV="$STACK"`),
		} {
			if len(tells) != 1 || tells[0].If != evenFailed || tells[0].Env["GITHUB_TOKEN"] != "${{ github.token }}" {
				wrong = append(wrong, fmt.Sprintf("%s: %+v", name, tells))
			}
		}
		return wrong
	},
	"the plan that was read is kept, and nothing but it": func(w workflows) (wrong []string) {
		s, _ := w.all["pull-request"].Jobs["plan"].step("actions/upload-artifact")
		var files []string
		for line := range strings.Lines(s.With["path"]) {
			files = append(files, strings.TrimSpace(strings.TrimPrefix(line, "cdktf.out/stacks/${{ matrix.stack }}/")))
		}
		wrong = append(wrong, differences("files", files, []string{"plan", "plan.txt", "plan.json", "cdk.tf.json"})...)
		if s.With["name"] != "plan-${{ matrix.stack }}" || s.With["retention-days"] == "" || s.With["if-no-files-found"] != "error" {
			wrong = append(wrong, fmt.Sprint("artifact: ", s.With))
		}
		return wrong
	},
	"the required check waits for every other job": func(w workflows) (wrong []string) {
		jobs := w.all["pull-request"].Jobs
		passed := jobs["passed"]
		var needs []string
		list, _ := passed.Needs.([]any)
		for _, need := range list {
			needs = append(needs, fmt.Sprint(need))
		}
		others := slices.DeleteFunc(slices.Sorted(maps.Keys(jobs)), func(id string) bool { return id == "passed" })
		wrong = append(wrong, differences("needs", slices.Sorted(slices.Values(needs)), others)...)
		if passed.If != "${{ always() }}" || len(passed.Steps) != 1 || passed.Steps[0].Run != "exit 1" {
			return append(wrong, "passed: does not always run, or does not fail")
		}
		// The rule for main takes a check that was cancelled for one that did not pass.
		if passed.Concurrency.Group != "" || w.all["pull-request"].Concurrency.Group != "" {
			wrong = append(wrong, "passed: another run can cancel it")
		}
		for _, id := range others {
			if !strings.Contains(passed.Steps[0].If, "needs."+id+".result != 'success'") {
				wrong = append(wrong, "passed: does not look at "+id)
			}
		}
		return wrong
	},
	"the setup installs the versions that the project is made for": func(w workflows) (wrong []string) {
		for _, s := range w.setup {
			switch {
			case s.uses("hashicorp/setup-terraform"):
				wrong = append(wrong, differences("Terraform", s.With, map[string]string{
					"terraform_version": terraform.InstallVersion,
					"terraform_wrapper": "false",
				})...)
			case s.uses("actions/setup-go"):
				// It installs what this file asks for and forbids Go to fetch another (GOTOOLCHAIN=local), so that
				// the tools have to do with it (https://github.com/actions/setup-go/releases/tag/v6.0.0).
				wrong = append(wrong, differences("Go", s.With["go-version-file"], "go.mod")...)
				has, needs := goVersion("go.mod"), goVersion("tools.mod")
				if !version.IsValid(has) || version.Compare(has, needs) < 0 {
					wrong = append(wrong, fmt.Sprintf("go.mod installs %s, but tools.mod needs %s", has, needs))
				}
			case s.uses("actions/cache"):
				for _, file := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(s.With["key"], -1) {
					// Terraform's lock file is not there before make lock has written it.
					if _, err := os.Stat(filepath.Join(root, file[1])); err != nil && file[1] != terraform.LockFile {
						wrong = append(wrong, fmt.Sprintf("%s: %v", s.Name, err))
					}
				}
			}
		}
		if last := w.setup[len(w.setup)-1]; last.Run != "make install" {
			wrong = append(wrong, "setup ends with "+last.Run)
		}
		return wrong
	},
	"the package cache is kept under the name of what it is made from": func(w workflows) (wrong []string) {
		named := 0
		for _, s := range w.setup {
			if s.ID == "packagecache" && strings.Contains(s.Run, `"key=$(go run github.com/starttech/infrastructure/packagecache/cmd/packagecache -key .)"`) {
				named++
			}
			if s.uses("actions/cache") && named == 1 {
				return differences("package cache", s.With, map[string]string{
					"path": ".local/packagecache",
					"key":  "packagecache-${{ runner.os }}-${{ steps.packagecache.outputs.key }}",
				})
			}
		}
		return []string{fmt.Sprintf("%d steps name it", named)}
	},
	"the page on the pipeline names every setting": func(w workflows) (wrong []string) {
		page, err := os.ReadFile(filepath.Join(root, "docs", "pipeline.md"))
		if err != nil {
			return []string{err.Error()}
		}
		settings := map[string]bool{github.PublishPermissions: true, "passed": true}
		setting := regexp.MustCompile(`\b(?:vars|secrets)\.([A-Z_]+)`)
		w.eachLine(func(_, line string) {
			for _, found := range setting.FindAllStringSubmatch(line, -1) {
				settings["`"+found[1]+"`"] = true
			}
		})
		w.each(func(_ string, _ workflow, j workflowJob) {
			if j.Environment != "" {
				settings["`"+j.Environment+"`"] = true
			}
		})
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			if !strings.Contains(string(page), name) {
				wrong = append(wrong, "docs/pipeline.md does not name "+name)
			}
		}
		return wrong
	},
}

// goVersion is the version of Go that a module file asks for: its toolchain's where it names one.
func goVersion(file string) string {
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err.Error()
	}
	for _, line := range []string{`(?m)^toolchain (go\S+)`, `(?m)^go (\S+)`} {
		if found := regexp.MustCompile(line).FindSubmatch(content); found != nil {
			return "go" + strings.TrimPrefix(string(found[1]), "go")
		}
	}
	return ""
}

// differences is nothing where got is want.
func differences(what string, got, want any) []string {
	if diff := cmp.Diff(want, got); diff != "" {
		return []string{what + " (-want +got):\n" + diff}
	}
	return nil
}
