package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/github/githubtest"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// canary is a secret of a stack: in the sensitive argument of a resource, in a parameter or in a sensitive output. It has
// characters that JSON, a URL and a shell write in another way.
func canary(where string, version int) string { return fmt.Sprintf(`canary/%s"%d&+`, where, version) }

// jsonString is a text in JSON.
func jsonString(text string) string {
	content, _ := json.Marshal(text) // of a string
	return string(content)
}

var canaryPlaces = []string{"state", "parameter", "output"}

// canaryStack is a stack with the canaries of a version, and unmarked copies of them in longer texts, in base64 and in keys. The
// parameter is one of Systems Manager, or takes no provider.
func canaryStack(version int, withAWS bool) map[string]any {
	state, parameter, output := canary("state", version), canary("parameter", version), canary("output", version)
	script := fmt.Sprintf("#!/bin/bash\nTOKEN='%s'\ncurl 'https://user:%s@example.com'\n", state, parameter)
	outputs := map[string]any{
		"secret":  map[string]any{"value": output, "sensitive": true},
		"copy":    map[string]any{"value": "the output is " + output},
		"encoded": map[string]any{"value": "config=" + base64.RawURLEncoding.EncodeToString([]byte("the token: "+output+"."))},
		"large":   map[string]any{"value": json.Number("9007199254740993")}, // 2^53 + 1
	}
	for name, value := range publishedOutputs {
		if name != "auto_scaling_group_name" { // a deploy would look for its instance refresh
			outputs[name] = map[string]any{"value": value}
		}
	}
	stack := map[string]any{
		"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{}}},
		"output":    outputs,
	}
	data := map[string]any{
		"secret": map[string]any{"input": fmt.Sprintf("${sensitive(%s)}", jsonString(state))},
		"copy": map[string]any{"input": map[string]any{
			"key " + state: version, "json": fmt.Sprintf(`{"nested": {"token": %s}}`, jsonString(parameter)), "lines": script, "encoded": base64.StdEncoding.EncodeToString([]byte(script)),
		}},
	}
	resources := map[string]any{"terraform_data": data}
	stack["resource"] = resources
	if !withAWS {
		data["parameter"] = map[string]any{"input": fmt.Sprintf("${sensitive(%s)}", jsonString(parameter))}
		return stack
	}
	stack["terraform"].(map[string]any)["required_providers"] = map[string]any{"aws": map[string]any{"source": "hashicorp/aws", "version": "5.100.0"}}
	stack["provider"] = map[string]any{"aws": map[string]any{"region": "eu-west-1"}}
	resources["aws_ssm_parameter"] = map[string]any{
		"secret": map[string]any{"name": "/canary/secret", "type": "SecureString", "value": parameter},
		"copy":   map[string]any{"name": "/canary/copy", "type": "String", "insecure_value": "copy of " + parameter},
	}
	return stack
}

func (c checkout) writeCanaryStack(t *testing.T, stack map[string]any) {
	t.Helper()
	body, err := json.Marshal(stack)
	c.write(t, productionDir+"cdk.tf.json", string(harness.Must(t, body, err)))
	c.recordSynthesis(t)
}

// canaryRun is a checkout with canaries, and what its commands print.
type canaryRun struct {
	checkout
	printed map[string]string
}

func newCanaryRun(t *testing.T) canaryRun {
	t.Helper()
	r := canaryRun{newCheckout(t), map[string]string{}}
	r.writeCdktf(t, "exec terraform -chdir=cdktf.out/stacks/production apply -auto-approve -no-color -input=false")
	return r
}

// run runs a command as a workflow does, and records what it prints.
func (r canaryRun) run(t *testing.T, name, arguments string, fails bool, want ...string) {
	t.Helper()
	output, failed := r.checkout.run(t, arguments)
	if failed != fails {
		t.Fatalf("%s: failed: %t\n%s", name, failed, output)
	}
	has(t, name, output, want...)
	r.printed[name] = output
}

// runByPerson runs a command at a terminal, and records what it shows.
func (r canaryRun) runByPerson(t *testing.T, name, arguments, answer string, status int, want ...string) {
	t.Helper()
	screen, got := r.runAtTerminal(t, 80, arguments, answer)
	if got != status {
		t.Fatalf("%s: status %d\n%s", name, got, screen)
	}
	has(t, name, screen, want...)
	r.printed[name] = screen
}

// check fails the test if a canary is in what the commands have printed or written, except Terraform's plan and state.
func (r canaryRun) check(t *testing.T) {
	t.Helper()
	maps.Copy(r.printed, r.writtenFiles(t))
	if r.printed[".local/log/production.log"] == "" {
		t.Error("there is no log")
	}
	for name, text := range r.printed {
		for _, form := range canaryForms() {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s has %q: ...%s...", name, form, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
}

// hasInState fails the test unless the state has the canaries of a version.
func (r canaryRun) hasInState(t *testing.T, version int) {
	t.Helper()
	state := r.read(t, productionDir+"terraform.tfstate")
	for _, place := range canaryPlaces {
		has(t, "state", state, strings.Trim(jsonString(canary(place, version)), `"`))
	}
}

func TestSecretsAreInTheStateOnly(t *testing.T) {
	t.Parallel()
	r := newCanaryRun(t)
	gitHub := r.startGitHub(t)
	r.env["APPLICATION_REPOSITORY_TOKEN"] = githubtest.Token

	r.writeCanaryStack(t, canaryStack(1, false))
	r.run(t, "first plan", "plan --env production", false, "terraform_data.copy")
	r.run(t, "first report", "report --env production", false, "(sensitive)", "9007199254740993")
	r.runByPerson(t, "deploy at a terminal", "deploy --env production", "yes\n", 0, "production is deployed")
	r.hasInState(t, 1)
	r.run(t, "outputs", "outputs --env production", false, "secret ", "(sensitive)", "the output is (sensitive)", "9007199254740993")

	r.writeCanaryStack(t, canaryStack(2, false))
	r.run(t, "second plan", "plan --env production", false, "(sensitive)", "lines line 2", "encoded line 2")
	r.run(t, "second report", "report --env production", false, "(sensitive)")
	r.write(t, "report.md", r.printed["second report"])
	r.run(t, "comment", "comment-plan --env production --report report.md", false)
	r.run(t, "drift", "drift --env production", false)
	r.env["CI"] = "true"
	r.run(t, "deploy in a pipeline", "deploy --env production", false, "production is deployed")
	r.hasInState(t, 2)
	r.run(t, "outputs of the second deploy", "outputs --env production", false, "(sensitive)")
	r.run(t, "publish without an output", "publish-outputs --env production", true, "production has no output auto_scaling_group_name")

	// Errors that repeat a secret, as those of a provider may.
	broken := canaryStack(2, false)
	secret := broken["resource"].(map[string]any)["terraform_data"].(map[string]any)["secret"].(map[string]any)
	secret["lifecycle"] = map[string]any{"precondition": map[string]any{"condition": `${terraform.workspace == ""}`, "error_message": "not valid: " + canary("parameter", 2)}}
	r.writeCanaryStack(t, broken)
	r.run(t, "failed plan", "plan --env production", true, "plan production: ")
	r.run(t, "failed report", "report --env production", false, "not valid: (sensitive)")
	r.write(t, "report.md", r.printed["failed report"])
	r.run(t, "comment on the failure", "comment-plan --env production --report report.md", false)
	r.run(t, "drift of the failure", "drift --env production", false)
	has(t, "plan.failed", r.read(t, productionDir+"plan.failed"), "not valid: (sensitive)")

	broken = canaryStack(3, false)
	broken["resource"].(map[string]any)["terraform_data"].(map[string]any)["fails"] = map[string]any{
		"provisioner": map[string]any{"local-exec": map[string]any{"interpreter": []string{"/bin/sh", "-c"}, "command": "echo 'it has " + canary("parameter", 3) + "'; exit 1"}},
	}
	r.writeCanaryStack(t, broken)
	r.run(t, "failed deploy in a pipeline", "deploy --env production", true, "it has (sensitive)")
	delete(r.env, "CI")
	r.runByPerson(t, "failed deploy at a terminal", "deploy --env production", "yes\n", 1, "local-exec provisioner error")
	has(t, "log", r.read(t, ".local/log/production.log"), "it has (sensitive)")
	r.runByPerson(t, "destroy", "destroy --env production", "production\n", 0)

	equal(t, "comments", len(gitHub.Comments), 1)
	equal(t, "issues", len(gitHub.Issues), 2) // with the pull request
	r.printed["comment"], r.printed["issue"] = gitHub.Comments[0].Body, gitHub.Issues[1].Title+gitHub.Issues[1].Body
	has(t, "job summary", r.read(t, "summary.md"), "(sensitive)")
	r.check(t)
}

// The provider marks the value of a parameter, and reads copies of it back from AWS. With -short, the test is skipped.
func TestValueOfParameterIsInTheStateOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("-short omits the applies")
	}
	t.Parallel()
	aws, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	t.Cleanup(func() { check(t, aws.Stop()) })
	r := newCanaryRun(t)
	maps.Copy(r.env, aws.Env())
	for _, name := range []string{"TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"} { // where the provider is
		r.env[name] = os.Getenv(name)
	}
	r.env["CI"] = "true"
	r.writeCanaryStack(t, canaryStack(1, true))
	r.run(t, "deploy", "deploy --env production", false, "production is deployed")
	r.hasInState(t, 1)
	r.writeCanaryStack(t, canaryStack(2, true))
	r.run(t, "plan", "plan --env production", false, `"copy of (sensitive)"`)
	r.run(t, "report", "report --env production", false, `"copy of (sensitive)"`)
	r.check(t)
}

// canaryForms is what no command prints or writes: the canaries, and their longest parts that all base64 texts with them have.
func canaryForms() []string {
	var forms []string
	for _, place := range canaryPlaces {
		for version := range 4 {
			secret := canary(place, version)
			forms = append(forms, secret, strings.Trim(jsonString(secret), `"`), "canary/"+place+`\"`)
			for offset := range 3 {
				encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + secret))
				forms = append(forms, encoded[4:len(encoded)-4])
			}
		}
	}
	return forms
}

// writtenFiles is the files of the checkout, except those that have the configuration, the state, and Terraform's plan, which has
// both.
func (c checkout) writtenFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.WalkDir(c.dir, func(path string, file fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if err != nil {
			return err
		}
		switch base := file.Name(); {
		case base == ".terraform":
			return fs.SkipDir
		case !file.Type().IsRegular(), base == "cdk.tf.json", base == "plan", strings.HasPrefix(base, "terraform.tfstate"):
			return nil
		}
		files[name] = c.read(t, name)
		return nil
	}))
	return files
}
