package cli

import (
	"strings"
	"testing"
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
