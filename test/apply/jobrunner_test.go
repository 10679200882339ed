package apply

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// jobRunner runs the steps of a release in bash. The actions of the job are not run. docker, git and go are stubs in testdata/bin;
// starttech and the AWS CLI are the real ones.
type jobRunner struct {
	aws      *local.AWS
	shell    string // "bash -euo pipefail {0}"
	job      harness.WorkflowJob
	contexts map[string]string // values of expressions, such as "vars.AWS_REGION"
	env      map[string]string // without the variables of the job
}

// newJobRunner returns the runner of releases to an environment.
func newJobRunner(t *testing.T, aws *local.AWS, environment string, outputs, credentials map[string]string) jobRunner {
	t.Helper()
	workflow := harness.ReleaseWorkflow(t)
	contexts := map[string]string{
		"inputs.environment": environment, "inputs.backend": "backend", "inputs.frontend": "frontend", "inputs.allow-critical": "false",
		"job.workflow_repository": infrastructure, "job.workflow_sha": strings.Repeat("f", 40), "github.run_id": "1",
	}
	for expression, output := range harness.PublishedOutputs() {
		value, ok := outputs[output]
		if !ok {
			t.Fatalf("the stack has no output %s for %s", output, expression)
		}
		contexts[expression] = value
	}
	starttech, err := harness.StartTech()
	env := maps.Clone(credentials)
	env["STARTTECH"] = harness.Must(t, starttech, err)
	env["PATH"] = filepath.Join(harness.Root, "test/apply/testdata/bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	env["HOME"] = t.TempDir() // the AWS CLI caches credentials there
	return jobRunner{aws: aws, shell: workflow.Defaults.Run.Shell, job: workflow.Jobs["release"], contexts: contexts, env: env}
}

// jobRun is a completed run.
type jobRun struct {
	result string // "success", "failure" or "cancelled"
	output string // of the steps
	calls  string // of docker, one a line
}

// count counts the calls with a prefix.
func (r jobRun) count(prefix string) int { return strings.Count("\n"+r.calls, "\n"+prefix) }

// rollBackCondition is the only condition of steps.
const rollBackCondition = "${{ (failure() || cancelled()) && steps.release.outcome != 'skipped' }}"

// run runs the steps for a commit in order, with further variables. If cancelled is done, the release of the backend is killed, as that of a
// cancelled run is after ten seconds.
func (r jobRunner) run(t *testing.T, commit string, env map[string]string, cancelled context.Context) jobRun {
	t.Helper()
	files := map[string]string{
		"application/backend/Dockerfile": "FROM scratch", "application/frontend/package.json": "{}", "infrastructure/cdktf.json": "{}",
	}
	for name, content := range commitPages[commit] {
		files["application/frontend/page/"+name] = content
	}
	workspace := harness.WriteFiles(t, files)
	checkout := filepath.Join(workspace, "infrastructure")
	harness.Must(t, 0, harness.CopyEnvironments(checkout, filepath.Join(harness.Root, harness.ReferenceDir)))
	harness.Must(t, 0, os.MkdirAll(filepath.Join(checkout, ".local/aws"), 0o755))
	harness.Must(t, 0, r.aws.Save(filepath.Join(checkout, ".local/aws"))) // where starttech finds the site
	stubs := harness.WriteFiles(t, map[string]string{"calls": "", "output": ""})
	r.contexts, r.env = maps.Clone(r.contexts), maps.Clone(r.env)
	maps.Copy(r.env, env)
	maps.Copy(r.env, map[string]string{"STUBS": stubs, "GITHUB_OUTPUT": filepath.Join(stubs, "output")})
	r.contexts["inputs.commit || github.sha"], r.contexts["env.COMMIT"] = commit, commit

	run, hasReleased := jobRun{result: "success"}, false
	for _, step := range r.job.Steps {
		switch step.If {
		case "":
			if run.result != "success" {
				continue
			}
		case rollBackCondition:
			if run.result == "success" || !hasReleased {
				continue
			}
		default:
			t.Fatalf("%s: the test does not know the condition %s", step.Name, step.If)
		}
		if step.Uses != "" {
			r.checkAction(t, step)
			continue
		}
		ctx := t.Context()
		if step.ID == "release" {
			ctx, hasReleased = cancelled, true
		}
		output, err := r.runScript(t, ctx, step, workspace)
		run.output += "== " + step.Name + "\n" + output
		switch {
		case ctx.Err() != nil:
			run.result = "cancelled"
		case err != nil && run.result == "success":
			run.result = "failure"
		}
		r.takeOutputs(t, step, filepath.Join(stubs, "output"))
	}
	calls, err := os.ReadFile(filepath.Join(stubs, "calls"))
	run.calls = string(harness.Must(t, calls, err))
	return run
}

// checkAction checks the inputs of an action; the test has already done its work. TestReleaseWorkflow checks the other inputs.
func (r jobRunner) checkAction(t *testing.T, step harness.WorkflowStep) {
	t.Helper()
	switch {
	case step.IsAction("actions/checkout") && step.With["path"] == "application":
		harness.Equal(t, "commit", r.evaluate(t, step.With["ref"]), r.contexts["inputs.commit || github.sha"])
	case step.IsAction("actions/checkout") && step.With["path"] == "infrastructure", step.IsAction("actions/setup-go"):
	case step.IsAction(harness.CredentialsAction):
		harness.Equal(t, "role", r.evaluate(t, step.With["role-to-assume"]), r.contexts["vars.RELEASE_ROLE"])
		harness.Equal(t, "region", r.evaluate(t, step.With["aws-region"]), r.contexts["vars.AWS_REGION"])
	default:
		t.Fatalf("%s: the test does not know the action %s", step.Name, step.Uses)
	}
}

// runScript runs the script of a step, and kills it if ctx is done.
func (r jobRunner) runScript(t *testing.T, ctx context.Context, step harness.WorkflowStep, workspace string) (output string, err error) {
	t.Helper()
	script := filepath.Join(harness.WriteFiles(t, map[string]string{"script.sh": step.Run}), "script.sh")
	shell := strings.Fields(strings.Replace(r.shell, "{0}", script, 1))
	command := exec.CommandContext(ctx, shell[0], shell[1:]...)
	command.Dir = workspace
	command.Env = environ(r.env)
	for _, env := range []map[string]string{r.job.Env, step.Env} {
		for name, value := range env {
			command.Env = append(command.Env, name+"="+r.evaluate(t, value))
		}
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

var (
	workflowExpression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)
	stepOutput         = regexp.MustCompile(`^steps\.\w+\.outputs\.\w+$`)
)

// evaluate replaces expressions by their values. An output that a step has not set is empty.
func (r jobRunner) evaluate(t *testing.T, text string) string {
	t.Helper()
	return workflowExpression.ReplaceAllStringFunc(text, func(found string) string {
		expression := workflowExpression.FindStringSubmatch(found)[1]
		value, known := r.contexts[expression]
		if !known && !stepOutput.MatchString(expression) {
			t.Fatalf("the test does not know the expression %s", found)
		}
		return value
	})
}

// takeOutputs moves the outputs of a step from their file into the contexts.
func (r jobRunner) takeOutputs(t *testing.T, step harness.WorkflowStep, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	for line := range strings.Lines(string(harness.Must(t, content, err))) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		r.contexts["steps."+step.ID+".outputs."+name] = value
	}
	harness.Must(t, 0, os.Truncate(file, 0))
}
