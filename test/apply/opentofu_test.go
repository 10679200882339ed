package apply

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// TestOpenTofu applies bootstrap and production with OpenTofu and the roles of the workflows, and then goes back to Terraform (docs/leaving.md).
func TestOpenTofu(t *testing.T) {
	if testing.Short() {
		t.Skip("-short omits the applies")
	}
	if _, err := exec.LookPath("tofu"); err != nil {
		t.Skip("OpenTofu is not on PATH: docs/leaving.md says how to build it")
	}
	t.Setenv(terraform.Program, "tofu")
	aws := startAWS(t)
	reference := harness.Reference(t)
	bootstrap(t, aws, reference)
	open(t, reference, "bootstrap", planner(t, aws)).expectPlan(t, "the plan of bootstrap is empty", nil)

	main := open(t, reference, "production", deployer(t, aws, "production"))
	main.plan(t, "main plans production")
	checkCreates(t, main.show(t), reference.Stack(t, "production"))
	main.apply(t, "main applies production")
	pullRequest := open(t, reference, "production", planner(t, aws))
	pullRequest.expectPlan(t, "the second plan is empty", nil)
	readOutputs(t, main)

	testTransitions(t, aws, transitions...) // as Terraform plans them, in TestApplies
	testLock(t, main, reference.StackDir("production"), deployer(t, aws, "production"))
	testProtection(t, main)
	testStalePlan(t, synthesizeEdited(t, harness.ReferenceDir, "production", "deletionProtection: true", "deletionProtection: false"),
		deployer(t, aws, "production"))

	// Back to Terraform.
	t.Setenv(terraform.Program, "")
	for name, out := range map[string]harness.Output{
		"bootstrap":  reference,
		"production": synthesizeEdited(t, harness.ReferenceDir, "production", "deletionProtection: true", "deletionProtection: false"),
	} {
		stack, err := terraform.Open(out.StackDir(name), terraformOptions(t, aws.Env()))
		harness.Must(t, stack, err)
		if err := stack.Init(t.Context()); err != nil { // OpenTofu's registry cannot be reached
			var refused *terraform.Error
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			harness.Has(t, "advice", refused.Advice, "the state is OpenTofu's: ", " state replace-provider registry.opentofu.org/hashicorp/aws registry.terraform.io/hashicorp/aws")
		}
		replace := exec.CommandContext(t.Context(), terraformOptions(t, nil).Binary, "state", "replace-provider", "-auto-approve",
			"registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws")
		replace.Dir, replace.Env = out.StackDir(name), environ(aws.Env())
		if text, err := replace.CombinedOutput(); err != nil {
			t.Fatalf("replace the provider of %s: %v\n%s", name, err, text)
		}
		open(t, out, name, aws.Env()).expectPlan(t, "Terraform's plan of "+name+" is empty", nil)
	}
	t.Run("OpenTofu takes Terraform's state", func(t *testing.T) {
		t.Setenv(terraform.Program, "tofu")
		open(t, reference, "bootstrap", aws.Env()).expectPlan(t, "OpenTofu's plan of Terraform's state is empty", nil)
	})
	testTransitions(t, aws, lockTransition)
}

// testStalePlan applies a plan twice.
func testStalePlan(t *testing.T, out harness.Output, env map[string]string) {
	t.Helper()
	stack := open(t, out, "production", env)
	stack.plan(t, "main plans a change")
	stack.apply(t, "main applies the change")
	err := stack.Apply(t.Context(), stack.file)
	var stale *terraform.Error
	if !errors.As(err, &stale) {
		t.Fatalf("a stale plan is applied: %v", err)
	}
	harness.Has(t, "advice for a stale plan", stale.Advice, "the state has changed since the plan")
}
