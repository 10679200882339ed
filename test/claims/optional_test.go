package claims

import (
	"maps"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// optionals are the optional components, and actions that the plan role or the deploy role is allowed for them only.
var optionals = map[string]struct {
	isIn    func(config.Environment) bool
	actions []string
}{
	"database.peering": {
		func(e config.Environment) bool { return e.Database != nil && e.Database.Peering != nil },
		[]string{"ec2:AcceptVpcPeeringConnection", "ec2:DescribeVpcPeeringConnections"},
	},
	"domain": {
		func(e config.Environment) bool { return e.Domain != nil },
		[]string{"route53:ChangeResourceRecordSets", "route53:GetChange", "route53:GetHostedZone", "route53:ListHostedZones", "route53:ListResourceRecordSets"},
	},
	"network.privateOrigin": {
		func(e config.Environment) bool { return e.Network.PrivateOrigin },
		[]string{"cloudfront:CreateVpcOrigin", "cloudfront:DeleteVpcOrigin", "cloudfront:GetVpcOrigin", "ec2:DescribeManagedPrefixLists", "ec2:GetManagedPrefixListEntries"},
	},
	"frontend.accessLogs": {
		func(e config.Environment) bool { return e.Frontend.AccessLogs },
		[]string{"cloudfront:AllowVendedLogDeliveryForResource"},
	},
	"schedule": {
		func(e config.Environment) bool { return e.Schedule != nil },
		[]string{"autoscaling:DeleteScheduledAction", "autoscaling:DescribeScheduledActions", "autoscaling:PutScheduledUpdateGroupAction"},
	},
	"tracing": {
		func(e config.Environment) bool { return e.Tracing != nil },
		[]string{
			"xray:CreateGroup", "xray:CreateSamplingRule", "xray:DeleteGroup", "xray:DeleteSamplingRule", "xray:GetGroup", "xray:GetSamplingRules",
			"xray:ListTagsForResource", "xray:TagResource", "xray:UntagResource", "xray:UpdateGroup", "xray:UpdateSamplingRule",
		},
	},
	"guardDuty": {
		func(e config.Environment) bool { return e.GuardDuty != nil || e.Secrets != nil }, // secrets has rules as well
		[]string{
			"events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:PutRule", "events:PutTargets",
			"events:RemoveTargets", "events:TagResource", "events:UntagResource",
		},
	},
	"guardDuty, with a detector": {
		func(e config.Environment) bool { return e.GuardDuty != nil && e.GuardDuty.Detector == "create" },
		[]string{"guardduty:GetDetector"},
	},
	"budget": {
		func(e config.Environment) bool { return e.Budget != nil },
		[]string{"budgets:ListTagsForResource", "budgets:ViewBudget"},
	},
	"budget.anomalies": {
		func(e config.Environment) bool { return e.Budget != nil && e.Budget.Anomalies != nil },
		[]string{"ce:GetAnomalyMonitors", "ce:GetAnomalySubscriptions", "ce:ListTagsForResource"},
	},
	"secrets": {
		func(e config.Environment) bool { return e.Secrets != nil },
		[]string{"lambda:CreateFunction", "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:RotateSecret"},
	},
	"cache.auth": {
		func(e config.Environment) bool { return e.Cache.Auth },
		[]string{"elasticache:CreateUser", "elasticache:DescribeUserGroups"},
	},
	"backup": {
		func(e config.Environment) bool { return e.Backup != nil },
		[]string{"backup:DescribeBackupVault", "backup:GetBackupPlan", "backup:GetBackupSelection", "backup:ListTags"},
	},
	"firewall": {
		func(e config.Environment) bool { return e.Firewall != nil },
		[]string{"elasticloadbalancing:SetWebAcl", "logs:CreateLogDelivery", "wafv2:AssociateWebACL", "wafv2:CreateWebACL", "wafv2:GetWebACL"},
	},
	"shield": {
		func(e config.Environment) bool { return e.Shield != nil },
		[]string{"shield:CreateProtection", "shield:DeleteProtection", "shield:DescribeProtection"},
	},
}

// The lock table itself stays, and the plan role reads it to plan bootstrap.
func TestRolesMayDoNothingWithLocksThatTerraformDoesNotTake(t *testing.T) {
	seen := map[string]bool{}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		lock := lockOf(s)
		seen[lock] = true
		for _, role := range []string{"aws_iam_role.plan_role", "aws_iam_role.deploy_role"} {
			allowed := harness.Actions(s.AttachedStatements(t, role))
			for _, action := range []string{"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"} {
				writes := action != "dynamodb:GetItem"
				if want := lock != "s3" && (role == "aws_iam_role.deploy_role" || !writes); slices.Contains(allowed, action) != want {
					t.Errorf("state.lock is %s, and %s may %s: %t", lock, role, action, !want)
				}
			}
		}
	})
	equalSets(t, "locks", slices.Collect(maps.Keys(seen)), []string{"dynamodb", "both", "s3"})
}

func TestRolesMayDoNothingForAComponentThatNoFileHas(t *testing.T) {
	seen := map[string]map[bool]bool{}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		allowed := append(harness.Actions(s.AttachedStatements(t, "aws_iam_role.plan_role")), harness.Actions(s.AttachedStatements(t, "aws_iam_role.deploy_role"))...)
		for name, optional := range optionals {
			used := slices.ContainsFunc(s.Environments(), optional.isIn)
			if seen[name] == nil {
				seen[name] = map[bool]bool{}
			}
			seen[name][used] = true
			for _, action := range optional.actions {
				if got := slices.Contains(allowed, action); got != used {
					t.Errorf("%s is in a file of the account: %t; the roles are allowed %s: %t", name, used, action, got)
				}
			}
		}
	})
	for name := range optionals {
		if !seen[name][true] || !seen[name][false] {
			t.Errorf("no stacks with and without %s", name)
		}
	}
}
