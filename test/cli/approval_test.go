package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const notApproved = "nothing was changed: not approved\n"

func TestDeployAtTerminalNeedsYes(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.writeCdktf(t, "") // it would plan again
	for _, answer := range []string{"no\n", "yes please\n", controlC, controlD} {
		screen, status := c.runAtTerminal(t, 80, "deploy --env production", answer)
		equal(t, fmt.Sprintf("status after %q", answer), status, 1)
		has(t, "screen", screen, "terraform_data.thing",
			"\nDeploy production to account 123456789012 (eu-west-1) at http://127.0.0.1:", ", not on AWS: 1 to add, 0 to change, 0 to destroy?\nType yes to continue: ")
		if !strings.HasSuffix(screen, "\n"+notApproved) {
			t.Errorf("after %q, the screen ends with\n%s\nwant %s", answer, screen, notApproved)
		}
		equal(t, fmt.Sprintf("state after %q", answer), c.read(t, productionDir+"terraform.tfstate"), "")
	}

	screen, status := c.runAtTerminal(t, 80, "deploy --env production", "yes\n")
	equal(t, "status after yes", status, 0)
	has(t, "screen", screen, "Type yes to continue: yes\n", "\nproduction is deployed.\n", "make smoke-test ENV=production ")
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")
	has(t, "state after yes", c.read(t, productionDir+"terraform.tfstate"), `"a"`)
}

func TestDeployAtTerminalAppliesApprovedPlan(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	// Between the approval and the apply, the stack changes.
	c.write(t, "bin/real", c.read(t, "bin/terraform"))
	c.write(t, "bin/terraform", `#!/bin/sh
if [ "$1" = apply ]; then echo '{"resource": {"terraform_data": {"other": {}}}}' > more.tf.json; fi
exec "`+c.dir+`/bin/real" "$@"
`)
	_, status := c.runAtTerminal(t, 80, "deploy --env production", "yes\n")
	equal(t, "status", status, 0)
	has(t, "changed stack", c.read(t, productionDir+"more.tf.json"), "other")
	state := c.read(t, productionDir+"terraform.tfstate")
	has(t, "state", state, `"thing"`)
	if strings.Contains(state, `"other"`) {
		t.Errorf("the apply has planned again:\n%s", state)
	}
}

func TestDeployOfNewAccountNeedsYes(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(t, "cdktf.out/stacks/bootstrap/cdk.tf.json", c.read(t, productionDir+"cdk.tf.json"))
	c.writeStack(t, "a", nil)
	c.write(t, ".local/bootstrap-123456789012/terraform.tfstate", `{"version": 4}`) // as after an interrupted deploy
	screen, status := c.runAtTerminal(t, 80, "deploy --env bootstrap", "no\n")
	equal(t, "status after no", status, 1)
	has(t, "screen", screen, "\nDeploy bootstrap to account 123456789012 (eu-west-1) at http://127.0.0.1:", ", not on AWS: 1 to add, 0 to change, 0 to destroy?\nType yes to continue: no\n"+notApproved)

	screen, status = c.runAtTerminal(t, 80, "deploy --env bootstrap", "yes\n")
	equal(t, "status after yes", status, 0)
	has(t, "screen", screen, "bootstrap is deployed. Next: make deploy ENV=production\n")
}

func TestDestroyNeedsNameOfEnvironment(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.deploy(t, map[string]string{"site_url": "https://x"})
	wantPlan := func(what string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(c.dir, productionDir, "plan*"))
		check(t, err)
		equal(t, "plan files "+what, files, []string{filepath.Join(c.dir, productionDir, "plan"), filepath.Join(c.dir, productionDir, "plan.digest")})
		c.mustRun(t, "report --env production", "1 to add, 0 to change, 0 to destroy")
	}
	for _, answer := range []string{"yes\n", "\n", controlC} {
		screen, status := c.runAtTerminal(t, 80, "destroy --env production", answer)
		equal(t, fmt.Sprintf("status after %q", answer), status, 1)
		has(t, "screen", screen, "terraform_data.thing",
			"\nDestroy all of production in account 123456789012 (eu-west-1) at http://127.0.0.1:", ", not on AWS: 0 to add, 0 to change, 1 to destroy?\nType production to continue: ", notApproved)
		has(t, "state", c.read(t, productionDir+"terraform.tfstate"), "terraform_data")
		wantPlan(fmt.Sprintf("after %q", answer))
	}

	screen, status := c.runAtTerminal(t, 80, "destroy --env production", "production\n")
	equal(t, "status after the name", status, 0)
	has(t, "screen", screen, "Destroy production (1 resources) ...")
	if state := c.read(t, productionDir+"terraform.tfstate"); strings.Contains(state, "terraform_data") {
		t.Errorf("it is not destroyed:\n%s", state)
	}
	wantPlan("after the name")
	screen, status = c.runAtTerminal(t, 80, "destroy --env production", "production\n")
	equal(t, "status if there is nothing", status, 1)
	has(t, "screen", screen, "production is not deployed: there is nothing to destroy\n")
}

func TestOnlyPipelinesDeployWithoutQuestion(t *testing.T) {
	t.Parallel()
	for value, isPipeline := range map[string]bool{"true": true, "woodpecker": false, "0": false, "false": false} {
		t.Run("CI="+value, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.writeCdktf(t, "")
			c.env["CI"] = value
			screen, status := c.runAtTerminal(t, 80, "deploy --env production", "no\n")
			equal(t, "is deployed", status == 0, isPipeline)
			equal(t, "asks", strings.Contains(screen, "Type yes to continue: "), !isPipeline)
			equal(t, "calls cdktf", c.read(t, "arguments") == deployArguments, isPipeline)
		})
	}
}
