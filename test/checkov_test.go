package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCheckovFindsNothingThatIsNotAccepted(t *testing.T) {
	go runCheckov() // it takes long, and the test itself waits for those that are not parallel
	t.Parallel()
	stacks := checkov(t).Terraform
	found := map[finding]string{}
	for _, record := range stacks.Failed {
		if record.stack() != planted {
			found[finding{record.stack(), record.id(), record.Rule}] = record.Name
		}
	}
	judge(t, found, isCheckov)

	// What a rule cannot make out it leaves out of its answer.
	judged := map[finding]bool{}
	for _, record := range append(stacks.Passed, stacks.Failed...) {
		judged[finding{record.stack(), record.id(), record.Rule}] = true
	}
	for name, s := range variants.stacks {
		documents, err := s.documents()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			if d.grants() && !judged[finding{name, idOf(d.address), "CKV_AWS_110"}] {
				t.Errorf("checkov did not look into %s of %s", d.address, name)
			}
		}
		for address := range s.ofType("aws_s3_bucket") {
			if !judged[finding{name, idOf(address), "CKV_AWS_21"}] {
				t.Errorf("checkov did not look at %s of %s", address, name)
			}
		}
	}
	for _, record := range stacks.Skipped {
		t.Errorf("%s was skipped in %s", record.Rule, record.File)
	}
}

// In a workflow an exception is checkov's own comment, checkov:skip=RULE:reason.
func TestCheckovFindsNothingInTheWorkflows(t *testing.T) {
	t.Parallel()
	workflows := checkov(t).Workflows
	for _, record := range workflows.Failed {
		if record.stack() != planted {
			t.Errorf("%s: %s breaks %s (%s)", record.File, record.Resource, record.Rule, record.Name)
		}
	}
	for _, record := range workflows.Skipped {
		if !isSentence(record.Result.Comment) {
			t.Errorf("%s: the exception from %s says %q", record.File, record.Rule, record.Result.Comment)
		}
	}
}

// A check that finds nothing must be able to find something.
func TestCheckovFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	reports := checkov(t)
	found := map[finding]bool{}
	for _, record := range append(reports.Terraform.Failed, reports.Workflows.Failed...) {
		found[finding{record.stack(), record.id(), record.Rule}] = true
	}
	for name, want := range map[string]finding{
		"an attribute":                   {planted, "frontend_public_access", "CKV_AWS_53"},
		"a resource that is missing":     {planted, "network", "CKV2_AWS_11"},
		"a statement of a role's policy": {planted, "instance_permissions", "CKV_AWS_110"},
		"a job of a workflow":            {planted, "jobs(planted)", "CKV_GHA_1"},
	} {
		if !found[want] {
			t.Errorf("%s: %s of %s was not found", name, want.rule, want.id)
		}
	}
}

const planted = "planted" // name of the stack and of the workflow that are wrong on purpose

// plantMistakes is the production stack with mistakes of each kind that checkov looks for.
func plantMistakes() (stack, error) {
	s := stack{name: planted}
	if err := json.Unmarshal(variants.stacks["production"].json, &s.body); err != nil {
		return stack{}, err
	}
	s.resources()["aws_s3_bucket_public_access_block.frontend_public_access"]["block_public_acls"] = false
	s.resources()["aws_iam_role_policy.instance_permissions"]["policy"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*"],"Resource":["*"]}]}`
	delete(s.body["resource"].(map[string]any), "aws_flow_log")
	return s, nil
}

const plantedWorkflow = `
on: push
jobs:
  planted:
    runs-on: ubuntu-latest
    env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}
    steps: [{run: echo}]
`

// checkovReports is what checkov has to say of the stacks and of the workflows.
type checkovReports struct{ Terraform, Workflows checkovReport }

type checkovReport struct {
	Passed        []checkovRecord `json:"passed_checks"`
	Failed        []checkovRecord `json:"failed_checks"`
	Skipped       []checkovRecord `json:"skipped_checks"`
	ParsingErrors []string        `json:"parsing_errors"`
}

type checkovRecord struct {
	Rule     string `json:"check_id"`
	Name     string `json:"check_name"`
	File     string `json:"file_path"` // "/production.tf.json"
	Resource string `json:"resource"`  // "aws_vpc.network", or "resource.network", as the rule is written in YAML or Python
	Result   struct {
		Comment string `json:"suppress_comment"`
	} `json:"check_result"`
}

func (r checkovRecord) stack() string {
	name, _, _ := strings.Cut(filepath.Base(r.File), ".")
	return name
}

func (r checkovRecord) id() string { return idOf(r.Resource) }

func checkov(t *testing.T) checkovReports {
	t.Helper()
	reports, err := runCheckov()
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// runCheckov runs it once for everything: most of its time is its start.
var runCheckov = sync.OnceValues(func() (checkovReports, error) {
	dir := filepath.Join(scratch, "checkov")
	if err := writeForCheckov(dir); err != nil {
		return checkovReports{}, err
	}
	// Without the downloads it calls nobody.
	command := exec.Command("checkov", "--directory", ".", "--framework", "terraform_json", "github_actions",
		"--output", "json", "--compact", "--soft-fail", "--skip-download")
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return checkovReports{}, fmt.Errorf("checkov: %w", err)
	}

	var answer []struct {
		Type    string `json:"check_type"`
		Results checkovReport
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return checkovReports{}, fmt.Errorf("checkov: %w\n%s", err, out)
	}
	byType := map[string]checkovReport{}
	for _, report := range answer {
		if len(report.Results.ParsingErrors) > 0 {
			return checkovReports{}, fmt.Errorf("checkov cannot read %s", strings.Join(report.Results.ParsingErrors, ", "))
		}
		byType[report.Type] = report.Results
	}
	return checkovReports{byType["terraform_json"], byType["github_actions"]}, nil
})

// writeForCheckov writes every stack as STACK.tf.json, and the workflows where checkov looks for them.
func writeForCheckov(dir string) error {
	workflows := filepath.Join(dir, ".github", "workflows")
	if err := os.MkdirAll(workflows, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(workflows, os.DirFS(filepath.Join(root, ".github", "workflows"))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(workflows, planted+".yml"), []byte(plantedWorkflow), 0o644); err != nil {
		return err
	}

	wrong, err := plantMistakes()
	if err != nil {
		return err
	}
	stacks := maps.Clone(variants.stacks)
	stacks[planted] = wrong
	for name, s := range stacks {
		body, err := forCheckov(s)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".tf.json"), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// forCheckov is a stack as checkov can read it: its parser fails on strings in the other sections. It looks into what
// roles are granted only where that is no string, so those policies are added as data sources, with their own ids.
func forCheckov(s stack) ([]byte, error) {
	documents, err := s.documents()
	if err != nil {
		return nil, err
	}
	policies := map[string]any{}
	for _, d := range documents {
		if !d.grants() {
			continue
		}
		var statements []map[string]any
		for _, statement := range d.Statement {
			statements = append(statements, asDataSource(statement))
		}
		policies[idOf(d.address)] = map[string]any{"statement": statements}
	}
	body := map[string]any{"resource": s.body["resource"], "provider": s.body["provider"]}
	data := map[string]any{"aws_iam_policy_document": policies}
	if own, ok := s.body["data"].(map[string]any); ok {
		maps.Copy(data, own)
	}
	body["data"] = data
	return json.MarshalIndent(body, "", " ")
}

// asDataSource writes a statement as the data source aws_iam_policy_document has it.
func asDataSource(statement map[string]any) map[string]any {
	written := map[string]any{}
	for element, argument := range map[string]string{
		"Sid": "sid", "Effect": "effect", "Action": "actions", "NotAction": "not_actions", "Resource": "resources", "NotResource": "not_resources",
	} {
		if value, ok := statement[element]; ok {
			written[argument] = value
		}
	}
	var conditions []map[string]any
	operators, _ := statement["Condition"].(map[string]any)
	for operator, keys := range operators {
		for key, values := range keys.(map[string]any) {
			conditions = append(conditions, map[string]any{"test": operator, "variable": key, "values": values})
		}
	}
	if conditions != nil {
		written["condition"] = conditions
	}
	return written
}
