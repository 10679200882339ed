package lint

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// checkovFaults is one for each kind of rule: on an attribute, on a missing resource, on a statement of a role's policy.
var checkovFaults = []fault{
	{[]any{"resource", "aws_s3_bucket_public_access_block", "frontend_public_access", "block_public_acls"}, false, "frontend_public_access", "CKV_AWS_53"},
	{[]any{"resource", "aws_flow_log"}, nil, "network", "CKV2_AWS_11"},
	{
		[]any{"resource", "aws_iam_role_policy", "instance_permissions", "policy"},
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*"],"Resource":["*"]}]}`, "instance_permissions", "CKV_AWS_110",
	},
}

const seededWorkflow = `
on: push
jobs:
  seeded:
    runs-on: ubuntu-latest
    env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}
    steps: [{run: echo}]
`

func TestCheckov(t *testing.T) {
	t.Parallel()
	stacks := stacksWithSeeded(t, "production", checkovFaults)
	files := githubFiles(t)
	files[".github/workflows/"+seeded+".yml"] = seededWorkflow
	for name, s := range stacks {
		files[name+".tf.json"] = forCheckov(t, s)
	}
	reports := runCheckov(t, files)

	report := reports["terraform_json"]
	found := report.findings()
	found.takeSeeded(t, checkovFaults)
	compareFindings(t, found, isCheckov)
	for _, record := range report.Skipped {
		t.Errorf("%s was skipped in %s", record.Rule, record.File)
	}

	// Checkov leaves out of its report what it cannot evaluate.
	checked := map[finding]bool{}
	for _, record := range append(report.Passed, report.Failed...) {
		checked[record.finding()] = true
	}
	for name, s := range stacks {
		for _, d := range policyDocuments(t, s) {
			if d.isIdentityBased() && !checked[finding{name, harness.IDOf(d.address), "CKV_AWS_110"}] {
				t.Errorf("checkov did not check the policy %s of %s", d.address, name)
			}
		}
		for address := range s.OfType("aws_s3_bucket") {
			if !checked[finding{name, harness.IDOf(address), "CKV_AWS_21"}] {
				t.Errorf("checkov did not check %s of %s", address, name)
			}
		}
	}

	// In a workflow, a suppression is a comment: checkov:skip=RULE:reason.
	report = reports["github_actions"]
	found = report.findings()
	found.takeSeeded(t, []fault{{id: "jobs(seeded)", rule: "CKV_GHA_1"}})
	for f, name := range found {
		t.Errorf("%s.yml: %s breaks %s (%s)", f.stack, f.id, f.rule, name)
	}
	for _, record := range report.Skipped {
		if !isReason(record.Result.Comment) {
			t.Errorf("%s: the suppression of %s has the reason %q", record.File, record.Rule, record.Result.Comment)
		}
	}
}

type checkovReport struct {
	Passed        []checkovRecord `json:"passed_checks"`
	Failed        []checkovRecord `json:"failed_checks"`
	Skipped       []checkovRecord `json:"skipped_checks"`
	ParsingErrors []string        `json:"parsing_errors"`
}

func (r checkovReport) findings() findings {
	found := findings{}
	for _, record := range r.Failed {
		found[record.finding()] = record.Name
	}
	return found
}

type checkovRecord struct {
	Rule     string `json:"check_id"`
	Name     string `json:"check_name"`
	File     string `json:"file_path"` // "/production.tf.json"
	Resource string `json:"resource"`  // "aws_vpc.network"; "resource.network" for some rules
	Result   struct {
		Comment string `json:"suppress_comment"`
	} `json:"check_result"`
}

func (r checkovRecord) finding() finding {
	name, _, _ := strings.Cut(filepath.Base(r.File), ".")
	return finding{name, harness.IDOf(r.Resource), r.Rule}
}

// runCheckov runs checkov once for all files, because most of its time is its start. The reports are by framework.
func runCheckov(t *testing.T, files map[string]string) map[string]checkovReport {
	t.Helper()
	// --skip-download: no requests to Prisma Cloud.
	command := exec.CommandContext(t.Context(), "checkov", "--directory", ".", "--framework", "terraform_json", "github_actions",
		"--output", "json", "--compact", "--soft-fail", "--skip-download")
	command.Dir = harness.WriteFiles(t, files)
	var output []struct {
		Type    string `json:"check_type"`
		Results checkovReport
	}
	harness.Must(t, 0, runLinter(t, command, &output))
	reports := map[string]checkovReport{}
	for _, report := range output {
		if len(report.Results.ParsingErrors) > 0 {
			t.Errorf("checkov cannot parse %q", report.Results.ParsingErrors)
		}
		reports[report.Type] = report.Results
	}
	return reports
}

// forCheckov writes a stack as checkov can read it. Its parser fails on strings in some sections, which are left out. It
// does not parse policies in strings, so the policies of roles are added as data sources with the ids of their resources.
func forCheckov(t *testing.T, s stack) string {
	t.Helper()
	policies := map[string]any{}
	for _, d := range policyDocuments(t, s) {
		if !d.isIdentityBased() {
			continue
		}
		var statements []map[string]any
		for _, statement := range d.Statement {
			statements = append(statements, asDataSource(statement))
		}
		policies[harness.IDOf(d.address)] = map[string]any{"statement": statements}
	}
	data := map[string]any{"aws_iam_policy_document": policies}
	if own, ok := s.Body["data"].(map[string]any); ok {
		maps.Copy(data, own)
	}
	content, err := json.MarshalIndent(map[string]any{"resource": s.Body["resource"], "provider": s.Body["provider"], "data": data}, "", " ")
	return string(harness.Must(t, content, err))
}

// asDataSource converts a statement to the arguments of the data source aws_iam_policy_document.
func asDataSource(statement map[string]any) map[string]any {
	arguments := map[string]any{}
	for element, argument := range map[string]string{
		"Sid": "sid", "Effect": "effect", "Action": "actions", "NotAction": "not_actions", "Resource": "resources", "NotResource": "not_resources",
	} {
		if value, ok := statement[element]; ok {
			arguments[argument] = value
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
		arguments["condition"] = conditions
	}
	return arguments
}
