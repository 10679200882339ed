package test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflows is .github, read.
type workflows struct {
	files map[string]string   // every file by its path, ".github/workflows/deploy.yml"
	all   map[string]workflow // by the file's name, "deploy"
	setup []workflowStep      // of the composite action
}

type workflow struct {
	On          map[string]any
	Permissions any
	Concurrency workflowConcurrency
	Jobs        map[string]workflowJob
}

type workflowConcurrency struct {
	Group            string
	CancelInProgress bool `yaml:"cancel-in-progress"`
}

type workflowJob struct {
	Needs       any
	If          string
	Environment string
	RunsOn      string `yaml:"runs-on"`
	Minutes     int    `yaml:"timeout-minutes"`
	Permissions any
	Concurrency workflowConcurrency
	Env         map[string]string
	Strategy    struct {
		FailFast *bool `yaml:"fail-fast"` // nil is true
		Matrix   struct{ Stack []string }
	}
	Steps []workflowStep
}

type workflowStep struct {
	Name, ID, If, Uses, Run string
	Env, With               map[string]string
}

// uses tells whether a step is the action of that name, at whatever commit.
func (s workflowStep) uses(action string) bool { return strings.HasPrefix(s.Uses, action+"@") }

// step is the first step that is the action of that name.
func (j workflowJob) step(action string) (workflowStep, bool) {
	i := slices.IndexFunc(j.Steps, func(s workflowStep) bool { return s.uses(action) })
	if i < 0 {
		return workflowStep{}, false
	}
	return j.Steps[i], true
}

// running is the steps that run a line that begins so.
func (j workflowJob) running(begin string) []workflowStep {
	var found []workflowStep
	for _, s := range j.Steps {
		if strings.HasPrefix(s.Run, begin) {
			found = append(found, s)
		}
	}
	return found
}

// each calls a function with every job of every workflow, "deploy/staging", in order.
func (w workflows) each(do func(name string, of workflow, j workflowJob)) {
	for _, file := range slices.Sorted(maps.Keys(w.all)) {
		for _, id := range slices.Sorted(maps.Keys(w.all[file].Jobs)) {
			do(file+"/"+id, w.all[file], w.all[file].Jobs[id])
		}
	}
}

// eachLine calls a function with every line of every file.
func (w workflows) eachLine(do func(place, line string)) {
	for _, file := range slices.Sorted(maps.Keys(w.files)) {
		for i, line := range strings.Split(w.files[file], "\n") {
			do(fmt.Sprintf("%s:%d", file, i+1), line)
		}
	}
}

// readWorkflowFiles reads every file of .github.
func readWorkflowFiles(t *testing.T) map[string]string {
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

const setupFile = ".github/actions/setup/action.yml"

// parseWorkflows reads workflows and the composite action.
func parseWorkflows(t *testing.T, files map[string]string) workflows {
	t.Helper()
	read := workflows{files: files, all: map[string]workflow{}}
	for file, content := range files {
		name, isWorkflow := strings.CutPrefix(file, ".github/workflows/")
		if !isWorkflow {
			continue
		}
		var w workflow
		if err := yaml.Unmarshal([]byte(content), &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		read.all[strings.TrimSuffix(name, ".yml")] = w
	}
	var action struct {
		Runs struct{ Steps []workflowStep }
	}
	if err := yaml.Unmarshal([]byte(files[setupFile]), &action); err != nil {
		t.Fatal(err)
	}
	read.setup = action.Runs.Steps
	return read
}

// plantedFault is a change to a file of .github, and what is said of it.
type plantedFault struct{ file, old, new, want string }

const (
	pullRequestFile = ".github/workflows/pull-request.yml"
	deployFile      = ".github/workflows/deploy.yml"
	driftFile       = ".github/workflows/drift.yml"
	dependabotFile  = ".github/dependabot.yml"
)

// plant is the files with the fault in one of them, at the first place that it fits.
func (f plantedFault) plant(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	if !strings.Contains(files[f.file], f.old) {
		t.Fatalf("%s has no %q", f.file, f.old)
	}
	faulty := maps.Clone(files)
	faulty[f.file] = strings.Replace(files[f.file], f.old, f.new, 1)
	return faulty
}

// plantAlone is that without the other files, but for the composite action, which all workflows use.
func (f plantedFault) plantAlone(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	faulty := f.plant(t, files)
	maps.DeleteFunc(faulty, func(file, _ string) bool { return file != f.file && file != setupFile })
	return faulty
}

// A run without the variables must not end in AWS's words on a role without a name.
func TestAMissingVariableIsOneLineThatNamesIt(t *testing.T) {
	t.Parallel()
	checked := 0
	parseWorkflows(t, readWorkflowFiles(t)).each(func(name string, _ workflow, j workflowJob) {
		if _, toAWS := j.step(credentialsAction); !toAWS {
			return
		}
		checked++
		check := j.Steps[0]
		for missing := range check.Env {
			said, err := runCheck(t, check, missing)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || strings.Count(said, "\n") != 1 || !strings.Contains(said, "the repository variable "+missing+" is not set, see docs/pipeline.md") {
				t.Errorf("%s without %s: %v, %q", name, missing, err, said)
			}
		}
		if said, err := runCheck(t, check, ""); err != nil || said != "" {
			t.Errorf("%s with all of them: %v, %q", name, err, said)
		}
	})
	equal(t, "jobs checked", checked, 4)
}

// runCheck runs a step's shell as GitHub does, with one of its variables empty.
func runCheck(t *testing.T, s workflowStep, missing string) (said string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-e", "-c", s.Run)
	for name := range s.Env {
		value := "something"
		if name == missing {
			value = ""
		}
		command.Env = append(command.Env, name+"="+value)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestActionlintFindsNothing(t *testing.T) {
	t.Parallel()
	if said, err := actionlint(t, readWorkflowFiles(t)); err != nil || said != "" {
		t.Errorf("actionlint: %v\n%s", err, said)
	}
}

func TestActionlintFindsFaults(t *testing.T) {
	t.Parallel()
	files := readWorkflowFiles(t)
	for _, f := range []plantedFault{
		{deployFile, "needs: staging", "needs: stage", "[job-needs]"},
		{driftFile, "43 3 * * *", "43 3 * *", "[events]"},
		{driftFile, "steps.plan.outcome", "steps.plane.outcome", "[expression]"},
		{pullRequestFile, `make plan ENV="$STACK"`, `make plan ENV=$STACK`, "[shellcheck]"},
		{pullRequestFile, "role-to-assume", "role-to-be", "[action]"},
		{setupFile, "cache: npm", "cash: npm", "[action]"},
		{setupFile, "mkdir -p ~/.terraform.d/plugin-cache", "mkdir -p $HOME/.terraform.d", "[shellcheck]"},
	} {
		t.Run(f.new, func(t *testing.T) {
			if said, err := actionlint(t, f.plantAlone(t, files)); err == nil || !strings.Contains(said, f.want) {
				t.Errorf("%v, said is %q, want %s", err, said, f.want)
			}
		})
	}
}

var pinnedAction = regexp.MustCompile(`@[0-9a-f]{40} # (v[0-9]+)[0-9.]*`)

// actionlint checks a copy in which actions stand at their major versions, whose inputs it knows, and the steps of the
// composite action, which it does not read, in a workflow.
func actionlint(t *testing.T, files map[string]string) (said string, err error) {
	t.Helper()
	copied := map[string]string{".git/": ""} // what it takes for a repository
	for name, content := range files {
		copied[name] = pinnedAction.ReplaceAllString(content, "@$1")
	}
	var action struct{ Runs struct{ Steps []any } }
	if err := yaml.Unmarshal([]byte(copied[setupFile]), &action); err != nil {
		t.Fatal(err)
	}
	steps, err := yaml.Marshal(map[string]any{
		"on":   "push",
		"jobs": map[string]any{"setup": map[string]any{"runs-on": "ubuntu-24.04", "steps": action.Runs.Steps}},
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
	out, err := check.CombinedOutput()
	return string(out), err
}

// findActionlint builds it where it is not built, and is its path.
var findActionlint = sync.OnceValues(func() (string, error) {
	find := exec.Command("go", "tool", "-modfile=tools.mod", "-n", "actionlint")
	find.Dir = root
	path, err := find.Output()
	return strings.TrimSpace(string(path)), err
})

func TestZizmorFindsNothing(t *testing.T) {
	t.Parallel()
	if said, err := zizmor(t, readWorkflowFiles(t)); err != nil || !strings.HasPrefix(said, "No findings to report.") {
		t.Errorf("zizmor: %v\n%s", err, said)
	}
}

func TestZizmorFindsFaults(t *testing.T) {
	t.Parallel()
	files := readWorkflowFiles(t)
	for _, f := range []plantedFault{
		{deployFile, "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "actions/checkout@v6", "[unpinned-uses]"},
		{setupFile, "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5", "actions/cache@main", "[unpinned-uses]"},
		{driftFile, "persist-credentials: false", "persist-credentials: true", "[artipacked]"},
		{pullRequestFile, `make plan ENV="$STACK"`, "make plan ENV=${{ github.head_ref }}", "[template-injection]"},
		{pullRequestFile, "pull_request:", "pull_request_target:", "[dangerous-triggers]"},
		{deployFile, "permissions: {}", "permissions: write-all", "[excessive-permissions]"},
		{driftFile, "issues: write # to open, update and close the issue", "issues: write", "[undocumented-permissions]"},
		{deployFile, "    environment: production\n", "", "[secrets-outside-env]"},
		{dependabotFile, "    cooldown: {default-days: 7}\n", "", "[dependabot-cooldown]"},
	} {
		t.Run(f.new, func(t *testing.T) {
			if said, err := zizmor(t, f.plantAlone(t, files)); err == nil || !strings.Contains(said, f.want) {
				t.Errorf("%v, said is %q, want %s", err, said, f.want)
			}
		})
	}
}

// zizmor audits a copy as strictly as it can without asking GitHub.
func zizmor(t *testing.T, files map[string]string) (said string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "zizmor", "--offline", "--quiet", "--no-progress", "--color=never", "--persona=auditor", ".github")
	command.Dir = writeFiles(t, files)
	out, err := command.CombinedOutput()
	return string(out), err
}
