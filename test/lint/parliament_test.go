package lint

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestParliament(t *testing.T) {
	t.Parallel()
	const (
		onBucket   = `"Effect": "Allow", "Resource": "arn:aws:s3:::bucket"`
		fromGitHub = `"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}`
	)
	seeds := []struct {
		name      string
		trust     bool
		statement string
		want      []string
	}{
		{"an unknown action", false, `"Sid": "Typo", "Action": "s3:ListBuckets", ` + onBucket, []string{"UNKNOWN_ACTION:Typo"}},
		{"an action on a resource of the wrong type", false, `"Sid": "Objects", "Action": "s3:GetObject", ` + onBucket, []string{"RESOURCE_MISMATCH:Objects"}},
		{"a resource that could be limited", false, `"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"`, []string{"RESOURCE_STAR"}},
		{"a privilege escalation", false, `"Effect": "Allow", "Action": "iam:CreatePolicyVersion", "Resource": "arn:aws:iam::123456789012:policy/*"`, []string{"PERMISSIONS_MANAGEMENT_ACTIONS", "PRIVILEGE_ESCALATION"}},
		{"a resource-based policy without a resource", false, `"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:ListBucket"`, []string{"MALFORMED"}},
		{"an unknown principal", true, `"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "starttech"}`, []string{"UNKNOWN_PRINCIPAL"}},
		{"a claim that is no condition key", true, fromGitHub + `, "Condition": {"StringEquals": {"token.actions.githubusercontent.com:branch": "main"}}`, []string{"UNKNOWN_CONDITION_FOR_ACTION"}},
		{"no fault", true, fromGitHub + `, "Condition": {"StringEquals": {"token.actions.githubusercontent.com:ref": "refs/heads/main"}}`, nil},
	}
	var documents []document
	for _, seed := range seeds {
		d := document{Trust: seed.trust, Version: "2012-10-17"}
		harness.Must(t, 0, json.Unmarshal([]byte("[{"+seed.statement+"}]"), &d.Statement))
		documents = append(documents, d)
	}
	for _, s := range harness.Linted(t) {
		own := policyDocuments(t, s)
		if len(own) == 0 {
			t.Errorf("%s has no policies", s.Name)
		}
		documents = append(documents, own...)
	}

	found := findings{}
	for i, messages := range runParliament(t, documents) {
		if i < len(seeds) {
			harness.EqualSets(t, "rules for "+seeds[i].name, slices.Collect(maps.Keys(messages)), seeds[i].want)
			continue
		}
		for rule, message := range messages {
			found[finding{documents[i].stack, harness.IDOf(documents[i].address), rule}] = message
		}
	}
	compareFindings(t, found, func(rule string) bool { return !isCheckov(rule) })
}

// document is an IAM policy document in a resource.
type document struct {
	stack, address string
	Trust          bool // a role's trust policy
	Version        string
	Statement      []map[string]any
}

// isIdentityBased reports whether the policy is one of a role. Policies of resources have principals.
func (d document) isIdentityBased() bool {
	return !slices.ContainsFunc(d.Statement, func(statement map[string]any) bool { return statement["Principal"] != nil })
}

// policyDocuments finds every IAM policy document of a stack, in any attribute.
func policyDocuments(t *testing.T, s stack) []document {
	t.Helper()
	var all []document
	for address, r := range s.Resources() {
		walkStrings(map[string]any(r), "", func(attribute, text string) {
			d := document{stack: s.Name, address: address, Trust: attribute == "assume_role_policy"}
			if err := json.Unmarshal([]byte(text), &d); err == nil && len(d.Statement) > 0 {
				all = append(all, d)
				return
			}
			isPolicy := strings.Contains(text, `"Statement"`) || slices.Contains([]string{"policy", "policy_document", "assume_role_policy"}, attribute)
			// A lifecycle policy is not an IAM policy.
			if isPolicy && !strings.HasPrefix(address, "aws_ecr_lifecycle_policy.") {
				t.Fatalf("%s: %s of %s is no policy document: %s", s.Name, attribute, address, text)
			}
		})
	}
	return all
}

// walkStrings calls a function with every string in a value and its key. It leaves out comments.
func walkStrings(value any, key string, do func(key, text string)) {
	switch v := value.(type) {
	case string:
		do(key, v)
	case map[string]any:
		for key, value := range v {
			if key != "//" {
				walkStrings(value, key, do)
			}
		}
	case []any:
		for _, value := range v {
			walkStrings(value, key, do)
		}
	}
}

// referenceValues is values for references in policies, by type of resource and attribute. %s is the resource's id.
var referenceValues = map[string]string{
	"aws_autoscaling_group.arn":                     "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/%s",
	"aws_backup_vault.arn":                          "arn:aws:backup:eu-west-1:123456789012:backup-vault:%s",
	"aws_cloudfront_distribution.arn":               "arn:aws:cloudfront::123456789012:distribution/%s",
	"aws_cloudfront_origin_access_identity.iam_arn": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity %s",
	"aws_cloudwatch_log_group.arn":                  "arn:aws:logs:eu-west-1:123456789012:log-group:%s",
	"aws_dynamodb_table.arn":                        "arn:aws:dynamodb:eu-west-1:123456789012:table/%s",
	"aws_ecr_repository.arn":                        "arn:aws:ecr:eu-west-1:123456789012:repository/%s",
	"aws_route53_zone.arn":                          "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ",
	"aws_kms_key.arn":                               "arn:aws:kms:eu-west-1:123456789012:key/%s",
	"aws_elasticache_user.arn":                      "arn:aws:elasticache:eu-west-1:123456789012:user:%s",
	"aws_s3_bucket.arn":                             "arn:aws:s3:::%s",
	"aws_s3_bucket.bucket":                          "%s",
	"aws_secretsmanager_secret.arn":                 "arn:aws:secretsmanager:eu-west-1:123456789012:secret:%s-AbCdEf",
	"aws_sns_topic.arn":                             "arn:aws:sns:eu-west-1:123456789012:%s",
	"aws_ssm_parameter.arn":                         "arn:aws:ssm:eu-west-1:123456789012:parameter/%s",
}

var reference = regexp.MustCompile(`\$?\$\{[^}]*\}`) // $${...} is a variable of IAM

// resolve returns the document as JSON, with values for the references.
func (d document) resolve(t *testing.T) json.RawMessage {
	t.Helper()
	content, err := json.Marshal(d)
	return reference.ReplaceAllFunc(harness.Must(t, content, err), func(found []byte) []byte {
		if bytes.HasPrefix(found, []byte("$$")) {
			return found[1:]
		}
		parts := strings.Split(strings.Trim(string(found), "${}"), ".")
		value, ok := referenceValues[parts[0]+"."+parts[len(parts)-1]]
		if !ok {
			t.Fatalf("%s: %s refers to %s, which has no value in referenceValues", d.stack, d.address, found)
		}
		return []byte(strings.ReplaceAll(value, "%s", parts[1]))
	})
}

// runParliament runs parliament once for all documents, because its database takes long to load. It returns the messages of
// each document by rule.
func runParliament(t *testing.T, documents []document) []map[string]string {
	t.Helper()
	var resolved []json.RawMessage
	for _, d := range documents {
		resolved = append(resolved, d.resolve(t))
	}
	input, err := json.Marshal(resolved)
	command := exec.CommandContext(t.Context(), filepath.Join(harness.Root, ".local", "checks", "bin", "python"), "testdata/lint_policies.py")
	command.Stdin = bytes.NewReader(harness.Must(t, input, err))
	var report struct {
		Findings []map[string]string
		Stale    []string
	}
	harness.Must(t, 0, runLinter(t, command, &report))
	if len(report.Findings) != len(documents) {
		t.Fatalf("parliament has linted %d of %d documents", len(report.Findings), len(documents))
	}
	for _, line := range report.Stale {
		t.Errorf("testdata/lint_policies.py: %s", line)
	}
	return report.Findings
}
