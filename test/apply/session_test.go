package apply

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// session is a stack that is connected to its state with the credentials of one caller.
type session struct {
	*terraform.Stack
	file string // the plan file
}

// open connects a stack to its state. env has the credentials.
func open(t *testing.T, out harness.Output, name string, env map[string]string) session {
	t.Helper()
	stack, err := terraform.Open(out.StackDir(name), terraformOptions(t, env))
	harness.Must(t, stack, err)
	harness.Must(t, 0, stack.Init(t.Context()))
	return session{stack, filepath.Join(t.TempDir(), "plan")}
}

func terraformOptions(t *testing.T, env map[string]string) terraform.Options {
	t.Helper()
	binary, err := terraform.Find(t.Context(), harness.Root, config.RequiredTerraform)
	return terraform.Options{Binary: harness.Must(t, binary, err), Env: env}
}

// runStep logs how long a step takes. If the step fails, it ends the test with Terraform's output.
func runStep(t *testing.T, step string, do func() error) {
	t.Helper()
	begin := time.Now()
	if err := do(); err != nil {
		var failed *terraform.Error
		if errors.As(err, &failed) {
			t.Fatalf("%s: %v\n%s", step, err, failed.Output)
		}
		t.Fatalf("%s: %v", step, err)
	}
	t.Logf("%5.1f s  %s", time.Since(begin).Seconds(), step)
}

// plan writes the plan file and reports whether Terraform would change anything.
func (s session) plan(t *testing.T, step string) (changes bool) {
	t.Helper()
	runStep(t, step, func() (err error) {
		changes, err = s.Plan(t.Context(), s.file)
		return err
	})
	return changes
}

// show reads the plan file.
func (s session) show(t *testing.T) *tfjson.Plan {
	t.Helper()
	plan, err := s.ShowPlan(t.Context(), s.file)
	return harness.Must(t, plan, err)
}

// apply applies the plan file.
func (s session) apply(t *testing.T, step string) {
	t.Helper()
	runStep(t, step, func() error { return s.Apply(t.Context(), s.file) })
}

// expectPlan plans, and ends the test unless the plan has exactly the wanted changes: the first action by address.
func (s session) expectPlan(t *testing.T, step string, want map[string]string) *tfjson.Plan {
	t.Helper()
	changes := s.plan(t, step)
	plan := s.show(t)
	got := map[string]string{}
	for _, resource := range plan.ResourceChanges {
		if actions := resource.Change.Actions; !actions.NoOp() && !actions.Read() {
			got[resource.Address] = string(actions[0])
		}
	}
	if !maps.Equal(got, want) || changes != (len(want) > 0) {
		t.Fatalf("%s: Terraform's exit code reports changes: %t; changes (-want +got):\n%s", step, changes, cmp.Diff(want, got))
	}
	return plan
}

// synthesizeEdited synthesizes the environments in a directory, relative to the checkout, after texts in one of the files are
// replaced: old, new, old, new.
func synthesizeEdited(t *testing.T, from, environment string, replacements ...string) harness.Output {
	t.Helper()
	dir := t.TempDir()
	harness.Must(t, 0, harness.CopyEnvironments(dir, filepath.Join(harness.Root, from)))
	file := filepath.Join(dir, "environments", environment+".yaml")
	content, err := os.ReadFile(file)
	text := string(harness.Must(t, content, err))
	for pair := range slices.Chunk(replacements, 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%s has no %q", file, pair[0])
		}
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	harness.Must(t, 0, os.WriteFile(file, []byte(text), 0o644))
	out, err := harness.Synthesize(dir)
	return harness.Must(t, out, err)
}
