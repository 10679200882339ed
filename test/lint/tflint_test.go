package lint

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// tflintFaults is one for each set of rules.
var tflintFaults = []fault{
	{[]any{"resource", "aws_launch_template", "backend_launch_template", "instance_type"}, "t3.huge", "", "aws_launch_template_invalid_instance_type"},
	{[]any{"provider", "aws", 0, "default_tags", 0, "tags", "managed-by"}, nil, "", "aws_provider_missing_default_tags"}, // disabled by default
	{[]any{"locals", "unused"}, 1, "", "terraform_unused_declarations"},                                                  // built in
}

// unusedProvider is the one accepted message. The provider remains when the domain is removed, to destroy its resources.
const unusedProvider = `provider "aws" with alias "us_east_1" is declared but not used`

func TestTFLint(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for name, s := range stacksWithSeeded(t, "production", tflintFaults) {
		for file, content := range splitByType(t, s) {
			files[filepath.Join(name, file)] = content
		}
	}
	found := runTFLint(t, files)
	found.takeSeeded(t, tflintFaults)
	accepted := 0
	for f, message := range found {
		if f.rule == "terraform_unused_declarations" && message == unusedProvider {
			accepted++
			continue
		}
		t.Errorf("%s/%s: %s (%s)", f.stack, f.id, message, f.rule)
	}
	if accepted == 0 {
		t.Error("every stack uses the provider of us-east-1: remove unusedProvider")
	}
}

// runTFLint runs TFLint once for all stacks.
func runTFLint(t *testing.T, files map[string]string) findings {
	t.Helper()
	// Builds TFLint and its plugin for AWS in the versions of tools.mod. The first build takes minutes.
	tools := filepath.Join(harness.Root, ".local", "tflint")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools.mod", "-o", tools+string(filepath.Separator),
		"github.com/terraform-linters/tflint", "github.com/terraform-linters/tflint-ruleset-aws")
	build.Dir = harness.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tflint: %v\n%s", err, out)
	}

	// --force: an issue does not change the exit status.
	command := exec.CommandContext(t.Context(), filepath.Join(tools, "tflint"), "--recursive", "--format", "json", "--force",
		"--config", filepath.Join(harness.Root, "test", "lint", "testdata", "tflint.hcl"))
	command.Dir = harness.WriteFiles(t, files)
	command.Env = []string{"TFLINT_PLUGIN_DIR=" + tools}
	var report struct {
		Issues []struct {
			Rule    struct{ Name string }
			Message string
			Range   position
		}
		Errors []struct{ Message string }
	}
	harness.Must(t, 0, runLinter(t, command, &report))
	for _, failure := range report.Errors {
		t.Errorf("tflint: %s", failure.Message)
	}
	found := findings{}
	for _, issue := range report.Issues {
		found[issue.Range.finding(issue.Rule.Name)] = issue.Message
	}
	return found
}

// position is the range of a finding of TFLint or of Terraform.
type position struct {
	Filename string // "production/aws_lb.tf.json"
	Start    struct{ Line, Column int }
}

func (p position) finding(rule string) finding {
	return finding{filepath.Dir(p.Filename), fmt.Sprintf("%s:%d:%d", filepath.Base(p.Filename), p.Start.Line, p.Start.Column), rule}
}

// splitByType splits a stack into a file for each type of resource and one for the rest, because TFLint's plugins read the
// whole file again for every value in it.
func splitByType(t *testing.T, s stack) map[string]string {
	t.Helper()
	rest := map[string]any{}
	parts := map[string]any{"rest": rest}
	for section, value := range s.Body {
		if section != "resource" {
			rest[section] = value
			continue
		}
		for kind, resources := range value.(map[string]any) {
			parts[kind] = map[string]any{"resource": map[string]any{kind: resources}}
		}
	}
	files := map[string]string{}
	for name, part := range parts {
		content, err := json.MarshalIndent(part, "", "  ")
		files[name+".tf.json"] = string(harness.Must(t, content, err))
	}
	return files
}
