package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestParliamentFindsNothingThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	var all []document
	for _, s := range variants.stacks {
		documents, err := s.documents()
		if err != nil {
			t.Fatal(err)
		}
		if len(documents) == 0 {
			t.Errorf("%s has no policies", s.name)
		}
		all = append(all, documents...)
	}
	answer := parliament(t, all)
	found := map[finding]string{}
	for i, d := range all {
		for _, f := range answer.Findings[i] {
			found[finding{d.stack, idOf(d.address), f.Rule}] = f.Words
		}
	}
	judge(t, found, func(rule string) bool { return !isCheckov(rule) })
	for _, line := range answer.Stale {
		t.Errorf("%s: %s", parliamentScript, line)
	}
}

func TestParliamentFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	onABucket := `"Effect": "Allow", "Resource": "arn:aws:s3:::bucket"`
	fromGitHub := `"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}`
	plants := []struct {
		name      string
		trust     bool
		statement string
		want      []string
	}{
		{"an action that does not exist", false, `"Sid": "Typo", "Action": "s3:ListBuckets", ` + onABucket, []string{"UNKNOWN_ACTION:Typo"}},
		{"an action on the wrong kind of resource", false, `"Sid": "Objects", "Action": "s3:GetObject", ` + onABucket, []string{"RESOURCE_MISMATCH:Objects"}},
		{"a resource that could be named", false, `"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"`, []string{"RESOURCE_STAR"}},
		{"a way to more rights", false, `"Effect": "Allow", "Action": "iam:CreatePolicyVersion", "Resource": "arn:aws:iam::123456789012:policy/*"`, []string{"PERMISSIONS_MANAGEMENT_ACTIONS", "PRIVILEGE_ESCALATION"}},
		{"a resource's policy without a resource", false, `"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:ListBucket"`, []string{"MALFORMED"}},
		{"a principal that is none", true, `"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "starttech"}`, []string{"UNKNOWN_PRINCIPAL"}},
		{"a claim that AWS does not compare", true, fromGitHub + `, "Condition": {"StringEquals": {"token.actions.githubusercontent.com:branch": "main"}}`, []string{"UNKNOWN_CONDITION_FOR_ACTION"}},
		{"nothing", true, fromGitHub + `, "Condition": {"StringEquals": {"token.actions.githubusercontent.com:ref": "refs/heads/main"}}`, nil},
	}
	var all []document
	for _, plant := range plants {
		d := document{Trust: plant.trust, Version: "2012-10-17"}
		if err := json.Unmarshal([]byte("[{"+plant.statement+"}]"), &d.Statement); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	for i, findings := range parliament(t, all).Findings {
		t.Run(plants[i].name, func(t *testing.T) {
			var rules []string
			for _, f := range findings {
				rules = append(rules, f.Rule)
			}
			equalSets(t, "rules", rules, plants[i].want)
		})
	}
}

// document is an IAM policy document that stands in a resource.
type document struct {
	stack, address string
	Trust          bool // whether it says who assumes a role
	Version        string
	Statement      []map[string]any
}

// grants tells a policy of roles from one of a resource, which names who it is for.
func (d document) grants() bool {
	return !slices.ContainsFunc(d.Statement, func(statement map[string]any) bool {
		_, named := statement["Principal"]
		return named
	})
}

// notIAM is resources whose attribute policy is a document of another kind.
var notIAM = []string{"aws_ecr_lifecycle_policy"}

// documents is every IAM policy document of a stack, whatever attribute holds it.
func (s stack) documents() ([]document, error) {
	var all []document
	for address, r := range s.resources() {
		kind, _, _ := strings.Cut(address, ".")
		err := eachString(r, "", func(attribute, text string) error {
			d := document{stack: s.name, address: address, Trust: attribute == "assume_role_policy"}
			if err := json.Unmarshal([]byte(text), &d); err == nil && len(d.Statement) > 0 {
				all = append(all, d)
				return nil
			}
			meant := strings.Contains(text, `"Statement"`) || slices.Contains([]string{"policy", "policy_document", "assume_role_policy"}, attribute)
			if meant && !slices.Contains(notIAM, kind) {
				return fmt.Errorf("%s: %s of %s is no policy document: %s", s.name, attribute, address, text)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// eachString calls do with every string in a value and the key that it stands under. Comments are left out.
func eachString(value any, key string, do func(key, text string) error) error {
	switch v := value.(type) {
	case string:
		return do(key, v)
	case resource:
		return eachString(map[string]any(v), key, do)
	case map[string]any:
		for key, value := range v {
			if key == "//" {
				continue
			}
			if err := eachString(value, key, do); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := eachString(value, key, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// standIns is what references are in a deployed policy, by kind of resource and attribute. %s is the resource's id.
var standIns = map[string]string{
	"aws_autoscaling_group.arn":                     "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/%s",
	"aws_cloudfront_distribution.arn":               "arn:aws:cloudfront::123456789012:distribution/%s",
	"aws_cloudfront_origin_access_identity.iam_arn": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity %s",
	"aws_cloudwatch_log_group.arn":                  "arn:aws:logs:eu-west-1:123456789012:log-group:%s",
	"aws_dynamodb_table.arn":                        "arn:aws:dynamodb:eu-west-1:123456789012:table/%s",
	"aws_ecr_repository.arn":                        "arn:aws:ecr:eu-west-1:123456789012:repository/%s",
	"aws_s3_bucket.arn":                             "arn:aws:s3:::%s",
	"aws_s3_bucket.bucket":                          "%s",
	"aws_sns_topic.arn":                             "arn:aws:sns:eu-west-1:123456789012:%s",
	"aws_ssm_parameter.arn":                         "arn:aws:ssm:eu-west-1:123456789012:parameter/%s",
}

var reference = regexp.MustCompile(`\$?\$\{[^}]*\}`) // with $$, IAM's own variable

// deployed is a document's JSON with stand-ins for the references.
func (d document) deployed(t *testing.T) json.RawMessage {
	t.Helper()
	written, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return reference.ReplaceAllFunc(written, func(found []byte) []byte {
		if bytes.HasPrefix(found, []byte("$$")) {
			return found[1:]
		}
		parts := strings.Split(strings.Trim(string(found), "${}"), ".")
		form, ok := standIns[parts[0]+"."+parts[len(parts)-1]]
		if !ok {
			t.Fatalf("%s: %s refers to %s, for which there is no stand-in", d.stack, d.address, found)
		}
		return []byte(strings.ReplaceAll(form, "%s", parts[1]))
	})
}

const parliamentScript = "testdata/lint_policies.py"

// parliamentAnswer is the findings in the order of the documents, and what is wrong with the script.
type parliamentAnswer struct {
	Findings [][]struct{ Rule, Words string }
	Stale    []string
}

// parliament runs it once for all documents: its start is its database.
func parliament(t *testing.T, documents []document) parliamentAnswer {
	t.Helper()
	var written []json.RawMessage
	for _, d := range documents {
		written = append(written, d.deployed(t))
	}
	in, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(root, ".local", "checks", "bin", "python"), parliamentScript)
	command.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", parliamentScript, err, complaints.Bytes())
	}
	var answer parliamentAnswer
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s: %v\n%s", parliamentScript, err, out)
	}
	if len(answer.Findings) != len(documents) {
		t.Fatalf("%s answered for %d of %d documents", parliamentScript, len(answer.Findings), len(documents))
	}
	return answer
}
