package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTFLintFindsNothing(t *testing.T) {
	go runTFLint() // it takes long, and the test itself waits for those that are not parallel
	t.Parallel()
	accepted := 0
	for _, issue := range tflint(t) {
		switch {
		case issue.stack() == planted:
		case issue.Rule.Name+": "+issue.Message == unusedProvider:
			accepted++
		default:
			t.Error(issue)
		}
	}
	if accepted == 0 {
		t.Error("every stack uses the provider of us-east-1: its exception has to go")
	}
}

// unusedProvider is the one accepted issue: the provider stays when a domain is taken out, to destroy its resources.
const unusedProvider = `terraform_unused_declarations: provider "aws" with alias "us_east_1" is declared but not used`

func TestTFLintFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, issue := range tflint(t) {
		if issue.stack() == planted {
			found[issue.Rule.Name] = true
		}
	}
	for _, mistake := range tflintMistakes {
		if !found[mistake.rule] {
			t.Errorf("%s was not found (%s)", mistake.new, mistake.rule)
		}
	}
}

// tflintMistakes is one for each set of rules, and what it takes the place of in the production stack.
var tflintMistakes = []struct{ old, new, rule string }{
	{`"instance_type": "t3.micro"`, `"instance_type": "t3.huge"`, "aws_launch_template_invalid_instance_type"},
	{`"managed-by": "terraform"`, `"managed": "terraform"`, "aws_provider_missing_default_tags"}, // the plugin leaves it off
	{`"locals": {`, `"locals": {"unused": 1, `, "terraform_unused_declarations"},                 // built in
}

// tflintIssue is something that TFLint found.
type tflintIssue struct {
	Rule    struct{ Name string }
	Message string
	Range   struct {
		Filename string // "production/aws_lb.tf.json"
		Start    struct{ Line int }
	}
}

func (i tflintIssue) stack() string { return filepath.Dir(i.Range.Filename) }

func (i tflintIssue) String() string {
	return fmt.Sprintf("%s:%d: %s (%s)", i.Range.Filename, i.Range.Start.Line, i.Message, i.Rule.Name)
}

func tflint(t *testing.T) []tflintIssue {
	t.Helper()
	issues, err := runTFLint()
	if err != nil {
		t.Fatal(err)
	}
	return issues
}

// runTFLint runs it once, on every stack and on one with mistakes.
var runTFLint = sync.OnceValues(func() ([]tflintIssue, error) {
	tools := filepath.Join(root, ".local", "tflint")
	if err := buildTFLint(tools); err != nil {
		return nil, err
	}
	dir := filepath.Join(scratch, "tflint")
	if err := writeForTFLint(dir); err != nil {
		return nil, err
	}
	// --force: an issue is no failure of the command.
	command := exec.Command(filepath.Join(tools, "tflint"), "--config", filepath.Join(root, "test", "testdata", "tflint.hcl"),
		"--recursive", "--format", "json", "--force")
	command.Dir = dir
	command.Env = append(os.Environ(), "TFLINT_PLUGIN_DIR="+tools, spendMemory)
	out, failed := command.Output()
	var report struct {
		Issues []tflintIssue
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, fmt.Errorf("tflint: %w\n%s", errors.Join(failed, err), out)
	}
	for _, problem := range report.Errors {
		failed = errors.Join(failed, errors.New(problem.Message))
	}
	return report.Issues, failed
})

func writeForTFLint(dir string) error {
	wrong := string(variants.stacks["production"].json)
	for _, mistake := range tflintMistakes {
		if !strings.Contains(wrong, mistake.old) {
			return fmt.Errorf("the production stack has no %s to make a mistake of", mistake.old)
		}
		wrong = strings.Replace(wrong, mistake.old, mistake.new, 1)
	}
	stacks := map[string][]byte{planted: []byte(wrong)}
	for name, s := range variants.stacks {
		stacks[name] = s.json
	}
	for name, content := range stacks {
		files, err := apart(content)
		if err != nil {
			return err
		}
		for file, content := range files {
			if err := writeNew(filepath.Join(dir, name, file), content); err != nil {
				return err
			}
		}
	}
	return nil
}

// apart is a stack as Terraform would read it from several files: one for each type of resource, and one for the rest.
// TFLint's plugins read a whole file again for every value in it that they ask for.
func apart(content []byte) (map[string][]byte, error) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(content, &body); err != nil {
		return nil, err
	}
	var types map[string]json.RawMessage
	if err := json.Unmarshal(body["resource"], &types); err != nil {
		return nil, err
	}
	delete(body, "resource")
	parts := map[string]any{"rest": body}
	for kind, resources := range types {
		parts[kind] = map[string]any{"resource": map[string]any{kind: resources}}
	}

	files := map[string][]byte{}
	for name, part := range parts {
		file, err := json.MarshalIndent(part, "", "  ")
		if err != nil {
			return nil, err
		}
		files[name+".tf.json"] = file
	}
	return files, nil
}

// buildTFLint builds TFLint and its plugin with the rules for AWS, as tools.mod names them. The first time takes minutes.
func buildTFLint(folder string) error {
	build := exec.Command("go", "build", "-modfile=tools.mod", "-o", folder+string(filepath.Separator),
		"github.com/terraform-linters/tflint", "github.com/terraform-linters/tflint-ruleset-aws")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build tflint: %w\n%s", err, out)
	}
	return nil
}
