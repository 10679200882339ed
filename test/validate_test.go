package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func TestTerraformFindsEveryStackValid(t *testing.T) {
	go runValidate() // it takes long, and the test itself waits for those that are not parallel
	t.Parallel()
	read := map[string]bool{}
	for _, d := range validate(t) {
		switch {
		case d.Summary == "Backend configuration ignored": // of a module, and no word more: so it says which it has read
			read[d.stack()] = true
		case d.stack() != planted:
			t.Errorf("%s", d) // warnings too: a deprecated argument is one
		}
	}
	for name := range variants.stacks {
		if !read[name] {
			t.Errorf("Terraform has not read %s", name)
		}
	}
}

func TestTerraformFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, d := range validate(t) {
		if d.stack() == planted {
			found[d.Summary] = true
		}
	}
	for _, mistake := range invalidities {
		if !found[mistake.summary] {
			t.Errorf("%s: %s was not found", mistake.address, mistake.summary)
		}
	}
}

// A stack is validated as a module, and Terraform takes from a module what it refuses from a root: an output that gives
// away a sensitive or an ephemeral value. Without these there is none.
func TestNoStackHasWhatAModuleMayAndARootMayNot(t *testing.T) {
	sections := []string{"//", "data", "locals", "output", "provider", "removed", "resource", "terraform"}
	for name, s := range variants.stacks {
		for section := range s.body {
			if !slices.Contains(sections, section) {
				t.Errorf("%s has a section %s: see whether Terraform validates it in a module as in a root", name, section)
			}
		}
		if bytes.Contains(s.json, []byte("sensitive(")) {
			t.Errorf("%s calls sensitive()", name)
		}
	}
}

// invalidities is what resources of the bootstrap stack get, and Terraform's words for it.
var invalidities = []struct {
	address, attribute string
	value              any
	summary            string
}{
	{"aws_s3_bucket.state", "buckte", "x", "Extraneous JSON object property"},
	{"aws_s3_bucket_versioning.state_versioning", "bucket", "${aws_s3_bucket.nowhere.id}", "Reference to undeclared resource"},
	{"aws_dynamodb_table.state_lock", "billing_mode", "FREE", `expected billing_mode to be one of ["PROVISIONED" "PAY_PER_REQUEST"], got FREE`},
	{"aws_iam_role.plan_role", "managed_policy_arns", []string{}, "Argument is deprecated"}, // a warning
}

// diagnostic is an error or a warning.
type diagnostic struct {
	Severity, Summary, Detail string
	Range                     struct {
		Filename string // "production/cdk.tf.json"
		Start    struct{ Line int }
	}
}

func (d diagnostic) stack() string { return filepath.Dir(d.Range.Filename) }

func (d diagnostic) String() string {
	return fmt.Sprintf("%s:%d: %s: %s: %s", d.Range.Filename, d.Range.Start.Line, d.Severity, d.Summary, d.Detail)
}

func validate(t *testing.T) []diagnostic {
	t.Helper()
	diagnostics, err := runValidate()
	if err != nil {
		t.Fatal(err)
	}
	return diagnostics
}

// runValidate runs Terraform once, on a configuration whose modules are all stacks and one with mistakes: most of its time
// goes into what the provider says of its resources.
var runValidate = sync.OnceValues(func() ([]diagnostic, error) {
	dir := filepath.Join(scratch, "validate")
	if err := writeForValidate(dir); err != nil {
		return nil, err
	}
	initialize := exec.Command("terraform", "init", "-backend=false", "-input=false", "-no-color")
	initialize.Dir = dir
	if out, err := initialize.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("terraform init: %w\n%s", err, out)
	}

	command := exec.Command("terraform", "validate", "-json")
	command.Dir = dir
	command.Env = append(os.Environ(), spendMemory)
	out, failed := command.Output()
	var report struct{ Diagnostics []diagnostic }
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, fmt.Errorf("terraform validate: %w\n%s", errors.Join(failed, err), out)
	}
	return report.Diagnostics, nil
})

// spendMemory lets a program that is written in Go collect garbage a quarter as often. The tools here live for seconds, and
// a fourth of their time is that.
const spendMemory = "GOGC=400"

// writeForValidate writes every stack into a folder of its own, and the configuration that has them all.
func writeForValidate(dir string) error {
	wrong := stack{name: planted}
	if err := json.Unmarshal(variants.stacks["bootstrap"].json, &wrong.body); err != nil {
		return err
	}
	for _, mistake := range invalidities {
		r, ok := wrong.resources()[mistake.address]
		if !ok {
			return fmt.Errorf("the bootstrap stack has no %s to make a mistake of", mistake.address)
		}
		r[mistake.attribute] = mistake.value
	}
	content, err := json.Marshal(wrong.body)
	if err != nil {
		return err
	}
	contents := map[string][]byte{planted: content}
	for name, s := range variants.stacks {
		contents[name] = s.json
	}

	modules := map[string]any{}
	for name, content := range contents {
		if err := writeNew(filepath.Join(dir, name, "cdk.tf.json"), content); err != nil {
			return err
		}
		modules[name] = map[string]any{"source": "./" + name}
	}
	all, err := json.Marshal(map[string]any{"module": modules})
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, "main.tf.json"), all)
}

// writeNew writes a file, and makes the folder for it.
func writeNew(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
