package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// writeCdktf writes a script in place of cdktf, which would ask a registry for the provider. The script records its arguments
// in the file arguments, and prints the given lines.
func (c checkout) writeCdktf(t *testing.T, script string) {
	t.Helper()
	c.write(t, "bin/cdktf", "#!/bin/sh\necho \"$@\" > arguments\n"+script+"\n")
}

const deployArguments = "deploy production --skip-synth --auto-approve\n"

func TestDeployWithoutTerminalRunsInPipelinesOnly(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.writeCdktf(t, "echo deployed")
	outputs := map[string]string{"site_url": "https://x"}
	c.deploy(t, outputs)
	for _, value := range []string{"", "0", "false"} {
		c.env["CI"] = value
		c.mustFail(t, "deploy --env production",
			"deploy asks for approval, but standard input is not a terminal; in a pipeline that has its own approval, set CI=true")
	}
	c.env["CI"] = "true"
	c.mustRun(t, "deploy --env production", "production: no changes")
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")

	c.writeStack(t, "b", outputs)
	output, failed := c.run(t, "deploy --env production")
	if failed || strings.Contains(output, "format_version") {
		t.Errorf("it failed or prints the state:\n%s", output)
	}
	has(t, "output", output, "Plan of production: 0 to add, 1 to change, 0 to destroy", "deployed", "production is deployed.")
	equal(t, "arguments of cdktf", c.read(t, "arguments"), deployArguments)
}

func TestPipelineShowsTerraformsOutputOnce(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.writeCdktf(t, `/bin/cat <<'END'
1 Stack deploying     0 Stacks done     0 Stacks waiting
production  Apply complete! Resources: 1 added, 0 changed, 0 destroyed.
            Outputs:

            site_url = "https://x"

1 Stack deploying     0 Stacks done     0 Stacks waiting

  production
  site_url = https://x
END`)
	output, failed := c.run(t, "deploy --env production")
	equal(t, "failed", failed, false)
	has(t, "output", output, "terraform_data.thing: Plan to create\n", "Apply complete! Resources: 1 added", "  production\n  site_url = https://x\n")
	for _, once := range []string{"Plan to create", "site_url"} {
		equal(t, "occurrences of "+once, strings.Count(output, once), 1)
	}
	has(t, "log", c.read(t, ".local/log/production.log"), "Plan to create", "site_url = https://x")
}

func TestFailureAtTerminalNamesLog(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.writeStack(t, invalidInput, nil)
	for _, command := range []string{"plan", "deploy"} {
		screen, status := c.runAtTerminal(t, 80, command+" --env production", "")
		equal(t, "status", status, 1)
		has(t, "screen of "+command, screen, "\nplan production: Invalid function argument\nTerraform's output: .local/log/production.log\n")
		has(t, "log of "+command, c.read(t, ".local/log/production.log"), "missing.txt")
	}
}

func TestDeployReplacesFilesOfLastPlan(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.writeCdktf(t, "")
	c.writeStack(t, invalidInput, nil)
	c.mustFail(t, "plan --env production", "plan production: ")
	c.writeStack(t, "a", nil)
	c.mustRun(t, "deploy --env production", "production is deployed.")
	equal(t, "plan.failed", c.read(t, productionDir+"plan.failed"), "")
	c.mustRun(t, "report --env production", "1 to add, 0 to change, 0 to destroy")

	c.writeStack(t, invalidInput, nil)
	c.mustFail(t, "deploy --env production", "plan production: ")
	equal(t, "plan", c.read(t, productionDir+"plan"), "")
	c.mustRun(t, "report --env production", "plan production: Invalid function argument")

	delete(c.env, "AWS_ACCESS_KEY_ID")
	c.mustFail(t, "deploy --env production", "no AWS credentials")
	c.mustRun(t, "report --env production", "no AWS credentials")
}

func TestDeployAppliesOnlyWhatWasApproved(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.writeCdktf(t, "")
	digest := func(input string, outputs map[string]string) string {
		c.plan(t, input, outputs)
		return strings.TrimSpace(c.read(t, productionDir+"plan.digest"))
	}
	outputs := map[string]string{"site_url": "https://x"}
	approved := digest("a", outputs)
	if others := []string{digest("b", outputs), digest("a", nil), digest("a", map[string]string{"site_url": "https://y"})}; slices.Contains(others, approved) {
		t.Errorf("other changes have the same digest %s", approved)
	}
	equal(t, "digest of the same changes", digest("a", outputs), approved)

	c.writeStack(t, "b", outputs)
	const refusal = "deploy production: nothing was changed: the plan (1 to add, 0 to change, 0 to destroy) differs from the one that was approved, " +
		"because code, state or AWS have changed since; plan and approve it again"
	c.mustFail(t, "deploy --env production --approved "+approved, refusal)
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")
	c.mustRun(t, "report --env production", "nothing was changed")

	c.writeStack(t, "a", outputs)
	c.mustRun(t, "deploy --env production --approved "+approved, "production is deployed.")
	equal(t, "arguments of cdktf", c.read(t, "arguments"), deployArguments)

	c.plan(t, "a", outputs)
	c.apply(t)
	c.remove(t, "arguments")
	c.mustRun(t, "deploy --env production --approved "+approved, "production: no changes") // it has been applied
	unchanged := digest("a", outputs)
	c.writeStack(t, "c", outputs)
	c.mustFail(t, "deploy --env production --approved "+approved, "(0 to add, 1 to change, 0 to destroy) differs from the one that was approved")
	c.mustFail(t, "deploy --env production --approved "+unchanged, "(0 to add, 1 to change, 0 to destroy) differs from the one that was approved")
	c.mustFail(t, "deploy --env production --approved x", `approved: "x" is not the content of a plan.digest, which starttech plan writes`)
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")
}

func TestPipelineDeploysWithCommittedLockFileOnly(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.writeCdktf(t, "")
	c.env["CI"] = "true"
	local := c.env["AWS_ENDPOINT_URL"]
	const missing = ".terraform.lock.hcl is not committed, so a deploy would take any version of the AWS provider: run make providers-lock and commit the file"
	for _, endpoint := range []string{"", "https://example.com", "http://127.0.0.1.example.com"} {
		c.env["AWS_ENDPOINT_URL"] = endpoint
		c.mustFail(t, "deploy --env production", missing)
		c.mustRun(t, "report --env production", "is not committed")
	}
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")
	c.write(t, ".terraform.lock.hcl", "")
	if output, _ := c.run(t, "deploy --env production"); strings.Contains(output, missing) {
		t.Errorf("the lock file is not found:\n%s", output)
	}
	c.remove(t, ".terraform.lock.hcl")
	c.env["AWS_ENDPOINT_URL"] = local
	c.mustRun(t, "deploy --env production", "production is deployed.") // on a local AWS
}

// A pull request's role cannot lock the state.
func TestOnlyDeployLocksState(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.writeCdktf(t, "")
	c.write(t, "bin/terraform-of-test", c.read(t, "bin/terraform"))
	c.write(t, "bin/terraform", "#!/bin/sh\necho \"$@\" >> \"$HOME/calls\"\nexec terraform-of-test \"$@\"\n")
	c.env["HOME"] = c.dir
	for command, want := range map[string]string{"plan": "-lock=false", "deploy": "-lock=true"} {
		c.write(t, "calls", "")
		c.mustRun(t, command+" --env production", "")
		plans := 0
		for line := range strings.Lines(c.read(t, "calls")) {
			if strings.HasPrefix(line, "plan ") {
				plans++
				has(t, "arguments of terraform in "+command, line, " "+want+" ", " -lock-timeout=10m0s\n")
			}
		}
		equal(t, "plans of "+command, plans, 1)
	}
}

// addCDKTF lets a pipeline deploy production with the real cdktf.
func (c checkout) addCDKTF(t *testing.T) {
	t.Helper()
	c.env["PATH"] += ":" + os.Getenv("PATH")
	check(t, os.Symlink(filepath.Join(harness.Root, "node_modules"), filepath.Join(c.dir, "node_modules")))
	c.write(t, "cdktf.out/manifest.json", `{"version": "0.21.0", "stacks": {"production": {"name": "production", "synthesizedStackPath": "stacks/production/cdk.tf.json",
		"workingDirectory": "stacks/production", "constructPath": "production", "annotations": [], "dependencies": []}}}`)
}

// cdktf deploy itself plans again, and applies the new plan. In a pipeline, it applies the plan that was compared with the approved one.
func TestPipelineAppliesTheComparedPlan(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.addCDKTF(t)
	c.write(t, productionDir+"cdk.tf.json", `{"//": {"metadata": {"backend": "local", "stackName": "production", "version": "0.21.0"}},
		"terraform": {"backend": {"local": {}}}, "resource": {"terraform_data": {"thing": {"input": "a"}}}}`)
	c.recordSynthesis(t)
	// Between the comparison and the apply, the stack changes.
	c.write(t, "bin/real", c.read(t, "bin/terraform"))
	c.write(t, "bin/terraform", `#!/bin/sh
if [ "$1" = apply ]; then echo '{"resource": {"terraform_data": {"other": {}}}}' > more.tf.json; fi
exec "`+c.dir+`/bin/real" "$@"
`)
	c.mustRun(t, "deploy --env production", "terraform_data.thing: Creation complete")
	has(t, "changed stack", c.read(t, productionDir+"more.tf.json"), "other")
	state := c.read(t, productionDir+"terraform.tfstate")
	has(t, "state", state, `"thing"`)
	if strings.Contains(state, `"other"`) {
		t.Errorf("the apply has planned again:\n%s", state)
	}
}
