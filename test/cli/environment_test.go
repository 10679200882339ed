package cli

import (
	"maps"
	"strings"
	"testing"
)

// hostile is environment variables of a caller that would change what Terraform, cdktf or Go do.
var hostile = map[string]string{
	"TF_WORKSPACE": "dev", "TF_CLI_ARGS": "-bogus", "TF_CLI_ARGS_plan": "-destroy", "TF_CLI_ARGS_apply": "-bogus", "TF_VAR_name": "x",
	"TF_DATA_DIR": "/nonexistent", "TF_LOG": "trace", "TF_LOG_PATH": "leaked.log", "TF_INPUT": "1", "TF_REATTACH_PROVIDERS": "{",
	"TERRAFORM_BINARY_NAME": "/nonexistent", "CDKTF_OUTDIR": "/nonexistent", "NODE_OPTIONS": "--bogus",
	"GOFLAGS": "-mod=vendor", "GO111MODULE": "off", "GOWORK": "/nonexistent", "GOOS": "plan9", "GOARCH": "mips",
	"ENV": "staging",
}

func TestVariablesOfCallerDoNotChangePlanOrDeploy(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	maps.Copy(c.env, hostile)
	c.mustRun(t, "plan --env production", "Plan of production: 1 to add, 0 to change, 0 to destroy")
	c.env["CI"] = "true"
	c.writeCdktf(t, "/usr/bin/env")
	output, failed := c.run(t, "deploy --env production")
	if failed {
		t.Errorf("the deploy fails:\n%s", output)
	}
	for _, variable := range strings.Fields("TF_WORKSPACE TF_CLI_ARGS= TF_VAR_ TF_DATA_DIR TF_LOG TF_INPUT TF_REATTACH_PROVIDERS CDKTF_ NODE_OPTIONS GOOS") {
		if strings.Contains(output, " "+variable) || strings.Contains(output, "\n"+variable) {
			t.Errorf("cdktf gets %s:\n%s", variable, output)
		}
	}
	has(t, "environment of cdktf", output, "TERRAFORM_BINARY_NAME="+c.dir+"/bin/terraform")
	for _, file := range []string{productionDir + "terraform.tfstate.d", productionDir + "leaked.log", "leaked.log"} {
		equal(t, file+" exists", c.exists(file), false)
	}
}

func TestVariablesOfCallerDoNotChangeSynthesis(t *testing.T) {
	t.Parallel()
	c := newProgramCheckout(t)
	maps.Copy(c.env, hostile)
	c.write(t, "vendor/modules.txt", "## explicit\n")
	c.mustRun(t, "synth", "")
	equal(t, "runs of the program", c.read(t, "runs"), "x")
}

// An endpoint of an earlier make env is in the shell, and the local AWS does not run any more.
func TestEndpointOfStoppedLocalAWSIsReported(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
	c.mustFail(t, "plan --env production",
		"AWS_ENDPOINT_URL is http://127.0.0.1:1, where nothing answers: if it is from make env, run make up, or open another shell")
}
