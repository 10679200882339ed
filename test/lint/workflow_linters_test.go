package lint

import (
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// workflowLinter checks files of .github, by path. It returns no output if it finds nothing.
type workflowLinter func(t *testing.T, files map[string]string) (out string, err error)

// workflowFault is a change of a file of .github, and a part of the finding.
type workflowFault struct{ file, old, new, want string }

// checkWorkflows fails the test if a linter finds something in .github, or does not find the seeded faults.
func checkWorkflows(t *testing.T, lint workflowLinter, faults []workflowFault) {
	t.Helper()
	files := githubFiles(t)
	if out, err := lint(t, files); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	for _, f := range faults {
		if !strings.Contains(files[f.file], f.old) {
			t.Fatalf("%s has no %q", f.file, f.old)
		}
		// All workflows use the composite action.
		withFault := map[string]string{setupFile: files[setupFile]}
		withFault[f.file] = strings.Replace(files[f.file], f.old, f.new, 1)
		if out, err := lint(t, withFault); err == nil || !strings.Contains(out, f.want) {
			t.Errorf("%s: %v, found %q, want %s", f.new, err, out, f.want)
		}
	}
}

func TestActionlint(t *testing.T) {
	t.Parallel()
	checkWorkflows(t, actionlint, []workflowFault{
		{driftFile, "steps.plan.outcome", "steps.plane.outcome", "[expression]"},
		{pullRequestFile, `make plan ENV="$STACK"`, `make plan ENV=$STACK`, "[shellcheck]"},
		{setupFile, "cache: npm", "cash: npm", "[action]"}, // the composite action is checked as well
	})
}

var pinnedAction = regexp.MustCompile(`@[0-9a-f]{40} # (v[0-9]+)[0-9.]*`)

// actionlint checks a copy, in which actions have their major versions, whose inputs it knows. The steps of the composite
// action, which it does not read, are in an additional workflow.
func actionlint(t *testing.T, files map[string]string) (out string, err error) {
	t.Helper()
	copied := map[string]string{".git/": ""} // it looks for a repository
	copied[actionlintFile] = harness.ReadFile(t, actionlintFile)
	for name, content := range files {
		copied[name] = pinnedAction.ReplaceAllString(content, "@$1")
	}
	var action struct{ Runs struct{ Steps []any } }
	harness.Must(t, 0, yaml.Unmarshal([]byte(copied[setupFile]), &action))
	steps, err := yaml.Marshal(map[string]any{
		"on": map[string]any{"workflow_call": map[string]any{"inputs": map[string]any{"variables": map[string]any{"type": "string"}}}},
		"jobs": map[string]any{
			"setup": map[string]any{"runs-on": "ubuntu-24.04", "steps": action.Runs.Steps},
		},
	})
	copied[".github/workflows/setup.yml"] = string(harness.Must(t, steps, err))

	check := exec.CommandContext(t.Context(), harness.Must2(t, findActionlint), "-no-color")
	check.Dir = harness.WriteFiles(t, copied)
	found, err := check.CombinedOutput()
	return string(found), err
}

// findActionlint builds actionlint if necessary, and returns its path.
var findActionlint = sync.OnceValues(func() (string, error) {
	find := exec.Command("go", "tool", "-modfile=tools.mod", "-n", "actionlint")
	find.Dir = harness.Root
	path, err := find.Output()
	return strings.TrimSpace(string(path)), err
})

func TestZizmor(t *testing.T) {
	t.Parallel()
	checkWorkflows(t, zizmor, []workflowFault{
		{setupFile, "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5", "actions/cache@main", "[unpinned-uses]"},
		{pullRequestFile, "pull_request:", "pull_request_target:", "[dangerous-triggers]"},
		{dependabotFile, "    cooldown: {default-days: 7}\n", "", "[dependabot-cooldown]"},
	})
}

// zizmor audits a copy with the strictest persona that works offline.
func zizmor(t *testing.T, files map[string]string) (out string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "zizmor", "--offline", "--quiet", "--no-progress", "--color=never", "--persona=auditor", ".github")
	command.Dir = harness.WriteFiles(t, files)
	found, err := command.CombinedOutput()
	out = string(found)
	if strings.HasPrefix(out, "No findings to report.") {
		return "", err
	}
	return out, err
}
