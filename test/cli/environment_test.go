package cli

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// hostile is environment variables of a caller that would change what Terraform, cdktf or Go do.
var hostile = map[string]string{
	"TF_WORKSPACE": "dev", "TF_CLI_ARGS": "-bogus", "TF_CLI_ARGS_plan": "-destroy", "TF_CLI_ARGS_apply": "-bogus", "TF_VAR_name": "x",
	"TF_DATA_DIR": "/nonexistent", "TF_LOG": "trace", "TF_LOG_PATH": "leaked.log", "TF_INPUT": "1", "TF_REATTACH_PROVIDERS": "{",
	"TERRAFORM_BINARY_NAME": "/nonexistent", "CDKTF_OUTDIR": "/nonexistent", "NODE_OPTIONS": "--bogus",
	"GOFLAGS": "-mod=vendor -n -toolexec=/nonexistent", "GO111MODULE": "off", "GOWORK": "/nonexistent", "GOOS": "plan9", "GOARCH": "mips",
	"TF_AWS_DEFAULT_TAGS_Owner": "x", "TF_AWS_IGNORE_TAGS_KEYS": "Project", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
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
	for _, variable := range strings.Fields("TF_WORKSPACE TF_CLI_ARGS= TF_VAR_ TF_DATA_DIR TF_LOG TF_INPUT TF_REATTACH_PROVIDERS CDKTF_ NODE_OPTIONS GOOS=plan9 TF_AWS_ AWS_IGNORE_") {
		if strings.Contains(output, " "+variable) || strings.Contains(output, "\n"+variable) {
			t.Errorf("cdktf gets %s:\n%s", variable, output)
		}
	}
	if strings.Contains(output, "TERRAFORM_BINARY_NAME=/nonexistent") {
		t.Errorf("cdktf gets the caller's Terraform:\n%s", output)
	}
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

// make passes a name on as it is written.
func TestMakeDoesNotExpandArguments(t *testing.T) {
	t.Parallel()
	program := filepath.Join(harness.WriteFiles(t, nil), "starttech")
	check(t, os.WriteFile(program, []byte("#!/bin/sh\nprintf '[%s]' \"$@\"\n"), 0o755))
	created := filepath.Join(t.TempDir(), "created")
	for _, name := range []string{"$(shell touch " + created + ")", "x;touch " + created, "x' ; touch " + created + " ; '", "$HOME", "`touch " + created + "`", `"x`} {
		command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "plan", "ENV="+name, "starttech="+program)
		command.Dir = harness.Root
		command.Env = append(os.Environ(), "MAKEFLAGS=")
		out, err := command.CombinedOutput()
		equal(t, "arguments of starttech", string(harness.Must(t, out, err)), "[plan][--env]["+name+"]")
	}
	if _, err := os.Stat(created); err == nil {
		t.Error("an argument was executed")
	}
}
