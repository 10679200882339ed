package test

import (
	"slices"
	"strings"
	"testing"
)

const instanceRole = "aws_iam_role.instance_role"

// grants is everything that the policies of a role allow, in words: "s3:GetObject on ...".
func (s stack) grants(t *testing.T, role string) []string {
	t.Helper()
	var grants []string
	for address, policy := range s.ofType("aws_iam_role_policy") {
		if addressOf(policy.text("role")) != role {
			continue
		}
		if strings.Contains(policy.text("policy"), `"Not`) {
			t.Errorf("%s grants all but something", address)
		}
		for _, statement := range policy.statements(t, "policy") {
			if statement.Effect != "Allow" {
				continue
			}
			for _, action := range statement.Action {
				for _, on := range statement.Resource {
					grants = append(grants, action+" on "+on)
				}
			}
		}
	}
	slices.Sort(grants)
	return grants
}

// backendGrants is what design.md and the document give an instance: pull, log, read the site's files and its own
// parameters.
func backendGrants(environment string) []string {
	repository := ref("aws_ecr_repository.backend_images", "arn")
	logs := ref("aws_cloudwatch_log_group.backend_logs", "arn") + ":*"
	files := ref("aws_s3_bucket.frontend", "arn")
	parameters := "arn:aws:ssm:eu-west-1:123456789012:parameter/starttech/" + environment + "/backend"
	return []string{
		"ecr:GetAuthorizationToken on *",
		"ecr:BatchCheckLayerAvailability on " + repository,
		"ecr:BatchGetImage on " + repository,
		"ecr:GetDownloadUrlForLayer on " + repository,
		"logs:CreateLogStream on " + logs,
		"logs:PutLogEvents on " + logs,
		"s3:GetObject on " + files + "/*",
		"s3:ListBucket on " + files,
		"ssm:GetParameter on " + ref("aws_ssm_parameter.release", "arn"),
		"ssm:GetParametersByPath on " + parameters,
		"ssm:GetParametersByPath on " + parameters + "/*",
	}
}

var sessionManagerGrants = []string{
	"ssm:UpdateInstanceInformation on *",
	"ssmmessages:CreateControlChannel on *",
	"ssmmessages:CreateDataChannel on *",
	"ssmmessages:OpenControlChannel on *",
	"ssmmessages:OpenDataChannel on *",
}

func TestAnInstanceMayDoWhatItsWorkNeedsAndNothingElse(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := backendGrants(s.name)
		if s.name != "open" { // where Session Manager is off
			want = append(want, sessionManagerGrants...)
		}
		equalSets(t, "grants", s.grants(t, instanceRole), want)
	})
}

func TestARoleMayDoNothingOnEverythingButWhatKnowsNoResources(t *testing.T) {
	allowed := append([]string{"autoscaling:DescribeInstanceRefreshes on *", "ecr:GetAuthorizationToken on *"}, sessionManagerGrants...)
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for role := range s.ofType("aws_iam_role") {
			for _, grant := range s.grants(t, role) {
				action, on, _ := strings.Cut(grant, " on ")
				if strings.Contains(action, "*") {
					t.Errorf("%s: %s has a wildcard in the action", role, grant)
				}
				if on == "*" && !slices.Contains(allowed, grant) {
					t.Errorf("%s: %s", role, grant)
				}
			}
		}
	})
}

func TestNoRoleMayDoEverything(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		for role := range s.ofType("aws_iam_role") {
			if slices.Contains(s.grants(t, role), "* on *") {
				t.Errorf("%s may do everything", role)
			}
		}
	})
}

func TestPermissionsComeFromNowhereElse(t *testing.T) {
	// A managed policy is wider than it looks, and changes without a plan.
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, r := range s.resources() {
			kind, _, _ := strings.Cut(address, ".")
			switch kind {
			case "aws_iam_role_policy_attachment", "aws_iam_policy_attachment", "aws_iam_role_policy_attachments_exclusive", "aws_iam_user", "aws_iam_access_key":
				t.Errorf("there is %s", address)
			case "aws_iam_role":
				r.want(t, nil, "managed_policy_arns")
				r.want(t, nil, "inline_policy")
			}
		}
	})
}

func TestARoleIsTakenOnByItsServiceOnly(t *testing.T) {
	services := map[string]string{
		instanceRole:                  "ec2.amazonaws.com",
		"aws_iam_role.flow_logs_role": "vpc-flow-logs.amazonaws.com",
	}
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, role := range s.ofType("aws_iam_role") {
			if address == "aws_iam_role.release_role" {
				continue // the application's; TestTheRolesTrustTheRepositoriesOfTheConfiguration
			}
			equal(t, address, role.statements(t, "assume_role_policy"), []statement{{
				Effect:    "Allow",
				Principal: map[string][]string{"Service": {services[address]}},
				Action:    []string{"sts:AssumeRole"},
			}})
		}
	})
}

func TestTheInstancesHaveTheInstanceRole(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, template := s.only(t, "aws_launch_template")
		profile := addressOf(template.text("iam_instance_profile", "arn"))
		s.resource(t, profile).want(t, ref(instanceRole, "name"), "role")
	})
}

func TestFlowLogsAreWrittenToTheirGroupAndNoOther(t *testing.T) {
	group := ref("aws_cloudwatch_log_group.flow_logs_group", "arn") + ":*"
	equal(t, "grants", production(t).grants(t, "aws_iam_role.flow_logs_role"), []string{
		"logs:CreateLogStream on " + group,
		"logs:DescribeLogStreams on " + group,
		"logs:PutLogEvents on " + group,
	})
}
