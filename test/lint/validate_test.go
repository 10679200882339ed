package lint

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// validateFaults is changes of the bootstrap stack, with Terraform's summaries of them.
var validateFaults = []fault{
	{[]any{"resource", "aws_s3_bucket", "state", "buckte"}, "x", "", "Extraneous JSON object property"},
	{[]any{"resource", "aws_s3_bucket_versioning", "state_versioning", "bucket"}, "${aws_s3_bucket.nowhere.id}", "", "Reference to undeclared resource"},
	{
		[]any{"resource", "aws_dynamodb_table", "state_lock", "billing_mode"},
		"FREE", "",
		`expected billing_mode to be one of ["PROVISIONED" "PAY_PER_REQUEST"], got FREE`,
	},
	{[]any{"resource", "aws_iam_role", "plan_role", "managed_policy_arns"}, []string{}, "", "Argument is deprecated"}, // a warning
}

// Terraform validates the stacks as the modules of one configuration, because most of its time is the start of the provider.
func TestTerraformValidate(t *testing.T) {
	t.Parallel()
	files, modules := map[string]string{}, map[string]any{}
	for name, s := range stacksWithSeeded(t, "bootstrap", validateFaults) {
		files[name+"/cdk.tf.json"] = string(s.JSON)
		modules[name] = map[string]any{"source": "./" + name}
	}
	main, err := json.Marshal(map[string]any{"module": modules})
	files["main.tf.json"] = string(harness.Must(t, main, err))
	dir := harness.WriteFiles(t, files)

	initialize := exec.CommandContext(t.Context(), "terraform", "init", "-backend=false", "-input=false", "-no-color")
	initialize.Dir = dir
	if out, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("terraform init: %v\n%s", err, out)
	}
	validate := exec.CommandContext(t.Context(), "terraform", "validate", "-json")
	validate.Dir = dir
	var report struct {
		Diagnostics []struct {
			Summary, Detail string
			Range           position
		}
	}
	_ = runLinter(t, validate, &report) // it fails because of the faults

	found, read := findings{}, map[string]bool{}
	for _, d := range report.Diagnostics {
		// Each stack causes this warning, which shows that Terraform has read it.
		if d.Summary == "Backend configuration ignored" {
			read[filepath.Dir(d.Range.Filename)] = true
			continue
		}
		found[d.Range.finding(d.Summary)] = d.Detail
	}
	found.takeSeeded(t, validateFaults)
	for f, detail := range found {
		t.Errorf("%s/%s: %s: %s", f.stack, f.id, f.rule, detail) // also a warning, such as a deprecated argument
	}
	for name := range modules {
		if !read[name] {
			t.Errorf("Terraform has not read %s", name)
		}
	}
}

// Terraform accepts in a module what it refuses in a root module: an output with a sensitive or an ephemeral value.
func TestStacksHaveNothingThatOnlyModulesMayHave(t *testing.T) {
	t.Parallel()
	sections := []string{"//", "data", "locals", "output", "provider", "removed", "resource", "terraform"}
	for name, s := range harness.Linted(t) {
		for section := range s.Body {
			if !slices.Contains(sections, section) {
				t.Errorf("%s has a section %s: check that Terraform validates it in a module as in a root module", name, section)
			}
		}
		if bytes.Contains(s.JSON, []byte("sensitive(")) {
			t.Errorf("%s calls sensitive()", name)
		}
	}
}
