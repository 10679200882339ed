package apply

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// jobRunner runs the steps of a release job in bash. The actions of the job are not run. docker, npm, sleep and the AWS CLI are
// stubs in testdata/bin; that of the AWS CLI runs the real one, unless a test has an answer for it.
type jobRunner struct {
	shell    string // "bash -euo pipefail {0}"
	job      harness.WorkflowJob
	contexts map[string]string // values of expressions, such as "vars.AWS_REGION"
	env      []string          // without the variables of the job
}

func newJobRunner(t *testing.T, name string, outputs, credentials map[string]string) jobRunner {
	t.Helper()
	workflow := harness.ReleaseWorkflow(t)
	job, ok := workflow.Jobs[name]
	if !ok {
		t.Fatalf("the workflow has no job %s", name)
	}
	contexts := map[string]string{"github.run_id": "1"}
	for expression, output := range harness.PublishedOutputs() {
		value, ok := outputs[output]
		if !ok {
			t.Fatalf("the stack has no output %s for %s", output, expression)
		}
		contexts[expression] = value
	}
	cli, err := exec.LookPath("aws")
	env := maps.Clone(credentials)
	env["REAL_AWS"] = harness.Must(t, cli, err)
	env["PATH"] = filepath.Join(harness.Root, "test/apply/testdata/bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	env["HOME"] = t.TempDir() // the AWS CLI caches credentials there
	return jobRunner{shell: workflow.Defaults.Run.Shell, job: job, contexts: contexts, env: environ(env)}
}

// jobRun is a completed run.
type jobRun struct {
	result string // "success", "failure" or "cancelled"
	output string // of the steps
	calls  string // of the stubs, one a line
}

// count counts the calls with a prefix.
func (r jobRun) count(prefix string) int { return strings.Count("\n"+r.calls, "\n"+prefix) }

// rollBackCondition is the only condition of steps.
const rollBackCondition = "${{ (failure() || cancelled()) && steps.before.outputs.tag != '' }}"

// run runs the steps for a commit in order. answers are the answers of the AWS CLI's stub, by service and command. cancelledIn is
// the step that is not run because the run is cancelled.
func (r jobRunner) run(t *testing.T, commit string, answers map[string][]string, cancelledIn string) jobRun {
	t.Helper()
	files := map[string]string{
		filepath.Join(r.job.Env["BACKEND"], "Dockerfile"):         "FROM scratch",
		filepath.Join(r.job.Env["FRONTEND"], "package-lock.json"): "{}",
	}
	for name, content := range commitPages[commit] {
		files[filepath.Join(r.job.Env["FRONTEND"], "page", name)] = content
	}
	workspace := harness.WriteFiles(t, files)
	stubFiles := map[string]string{"calls": "", "output": ""}
	for command, list := range answers {
		stubFiles["answers/"+command] = strings.Join(list, "\n") + "\n"
	}
	stubs := harness.WriteFiles(t, stubFiles)
	r.contexts = maps.Clone(r.contexts)
	r.contexts["inputs.commit || github.sha"], r.contexts["env.COMMIT"] = commit, commit
	r.env = append(slices.Clip(r.env), "STUBS="+stubs, "GITHUB_OUTPUT="+filepath.Join(stubs, "output"))

	run := jobRun{result: "success"}
	for _, step := range r.job.Steps {
		r.contexts["job.status"] = run.result
		switch step.If {
		case "":
			if run.result != "success" {
				continue
			}
		case rollBackCondition:
			if run.result == "success" || r.contexts["steps.before.outputs.tag"] == "" {
				continue
			}
		default:
			t.Fatalf("%s: the test does not know the condition %s", step.Name, step.If)
		}
		if step.Name == cancelledIn {
			run.result = "cancelled"
			continue
		}
		if step.Uses != "" {
			r.checkAction(t, step)
			continue
		}
		output, err := r.runScript(t, step, workspace)
		run.output += "== " + step.Name + "\n" + output
		if err != nil && run.result == "success" {
			run.result = "failure"
		}
		r.takeOutputs(t, step, filepath.Join(stubs, "output"))
	}
	calls, err := os.ReadFile(filepath.Join(stubs, "calls"))
	run.calls = string(harness.Must(t, calls, err))
	return run
}

// checkAction checks the inputs of an action; the test has already done its work.
func (r jobRunner) checkAction(t *testing.T, step harness.WorkflowStep) {
	t.Helper()
	switch {
	case step.IsAction("actions/checkout"):
		harness.Equal(t, "commit", r.evaluate(t, step.With["ref"]), r.contexts["inputs.commit || github.sha"])
	case step.IsAction("actions/setup-node"):
	case step.IsAction(harness.CredentialsAction):
		harness.Equal(t, "role", r.evaluate(t, step.With["role-to-assume"]), r.contexts["secrets.RELEASE_ROLE"])
		harness.Equal(t, "region", r.evaluate(t, step.With["aws-region"]), r.contexts["vars.AWS_REGION"])
	default:
		t.Fatalf("%s: the test does not know the action %s", step.Name, step.Uses)
	}
}

// runScript runs the script of a step.
func (r jobRunner) runScript(t *testing.T, step harness.WorkflowStep, workspace string) (output string, err error) {
	t.Helper()
	script := filepath.Join(harness.WriteFiles(t, map[string]string{"script.sh": step.Run}), "script.sh")
	shell := strings.Fields(strings.Replace(r.shell, "{0}", script, 1))
	command := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
	command.Dir = workspace
	command.Env = slices.Clone(r.env)
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
