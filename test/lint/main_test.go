// Package lint runs linters on the stacks and on the workflows. Each linter also has to find seeded faults.
package lint

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}

type (
	resource  = harness.Resource
	stack     = harness.Stack
	statement = harness.Statement
)

// seeded is the name of the stack and of the workflow with faults.
const seeded = "seeded"

// fault is a change of a stack, and what a linter has to find because of it.
type fault struct {
	path  []any // keys and indices; all but the last one exist
	value any   // nil deletes the last key
	id    string
	rule  string
}

// stacksWithSeeded is the stacks of harness.Linted and a copy of one of them with faults.
func stacksWithSeeded(t *testing.T, name string, faults []fault) map[string]stack {
	t.Helper()
	stacks := maps.Clone(harness.Linted(t))
	s := stack{Name: seeded}
	harness.Must(t, 0, json.Unmarshal(stacks[name].JSON, &s.Body))
	for _, f := range faults {
		last := len(f.path) - 1
		parent, ok := resource(s.Body).Get(f.path[:last]...).(map[string]any)
		key := f.path[last].(string)
		if !ok || f.value == nil && parent[key] == nil {
			t.Fatalf("%s has no %v", name, f.path)
		}
		if parent[key] = f.value; f.value == nil {
			delete(parent, key)
		}
	}
	content, err := json.MarshalIndent(s.Body, "", "  ")
	s.JSON = harness.Must(t, content, err)
	stacks[seeded] = s
	return stacks
}

// finding is a rule that something in a stack breaks. The id is a resource's, which is unique in a stack, or a position.
type finding struct{ stack, id, rule string }

// findings is messages by finding.
type findings map[finding]string

// takeSeeded removes the findings in the seeded stack, and fails the test unless they include all faults. A fault without
// an id may be found anywhere.
func (found findings) takeSeeded(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(each finding) bool {
			return each.stack == seeded && each.rule == f.rule && (f.id == "" || each.id == f.id)
		}) {
			t.Errorf("the seeded fault %v was not found", f)
		}
	}
	maps.DeleteFunc(found, func(f finding, _ string) bool { return f.stack == seeded })
}

// runLinter runs a command and decodes its output as JSON. It returns the command's error if there is such output.
func runLinter(t *testing.T, command *exec.Cmd, report any) error {
	t.Helper()
	command.Env = append(os.Environ(), command.Env...)
	// The linters in Go run for seconds, and spend a fourth of that on garbage collection by default.
	command.Env = append(command.Env, "GOGC=400")
	out, failure := command.Output()
	if err := json.Unmarshal(out, report); err != nil {
		var exit *exec.ExitError
		if errors.As(failure, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("%v: %v\n%s", command.Args, errors.Join(failure, err), out)
	}
	return failure
}
