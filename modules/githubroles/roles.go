package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// roles is the IAM roles of instances, flow logs and releases. They are selected by the ends of their names, which the plan
// and deploy roles do not have. No role can be created, and no role's permissions changed, without the boundary.
func roles(a account) part {
	var (
		instance         = a.globalARN("iam", "role/"+prefixed("*-instance"))
		flowLogs         = a.globalARN("iam", "role/"+prefixed("*-flow-logs"))
		release          = a.globalARN("iam", "role/"+prefixed("*-release"))
		all              = []string{instance, flowLogs, release}
		instanceProfiles = a.globalARN("iam", "instance-profile/"+prefixed("*-instance"))
	)
	return part{
		id: "roles",
		plan: []policy.Statement{{
			Sid:    "ReadRoles",
			Effect: policy.Allow,
			Action: []string{
				"iam:GetInstanceProfile", "iam:GetRole", "iam:GetRolePolicy",
				"iam:ListAttachedRolePolicies", "iam:ListRolePolicies",
			},
			Resource: []string{
				a.globalARN("iam", "instance-profile/"+prefixed("*")), a.globalARN("iam", "role/"+prefixed("*")),
			},
		}},
		deploy: []policy.Statement{{
			Sid:       "ManageRolesWithinBoundary",
			Effect:    policy.Allow,
			Action:    []string{"iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"},
			Resource:  all,
			Condition: policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {config.BoundaryARN(a.id)}}},
		}, {
			Sid:      "ManageRoles",
			Effect:   policy.Allow,
			Action:   []string{"iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRoleDescription"},
			Resource: all,
		}, {
			Sid:      "UpdateReleaseTrust", // it depends on applicationRepository
			Effect:   policy.Allow,
			Action:   []string{"iam:UpdateAssumeRolePolicy"},
			Resource: []string{release},
		}, {
			Sid:    "ManageInstanceProfiles",
			Effect: policy.Allow,
			Action: []string{
				"iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
				"iam:TagInstanceProfile", "iam:UntagInstanceProfile",
			},
			Resource: []string{instanceProfiles},
		}, {
			Sid:       "PassInstanceRole",
			Effect:    policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  []string{instance},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"ec2.amazonaws.com"}}},
		}, {
			Sid:       "PassFlowLogsRole",
			Effect:    policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  []string{flowLogs},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"vpc-flow-logs.amazonaws.com"}}},
		}, {
			// AWS creates these for the first load balancer, group and Redis of an account, with the caller's permissions.
			Sid:      "CreateServiceLinkedRoles",
			Effect:   policy.Allow,
			Action:   []string{"iam:CreateServiceLinkedRole"},
			Resource: []string{a.globalARN("iam", "role/aws-service-role/*")},
			Condition: policy.Condition{"StringEquals": {"iam:AWSServiceName": {
				"autoscaling.amazonaws.com", "elasticache.amazonaws.com", "elasticloadbalancing.amazonaws.com", "spot.amazonaws.com",
			}}},
		}},
		boundaryUnscoped: []string{ // Session Manager
			"ssm:UpdateInstanceInformation",
			"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
			"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
		},
		suppressions: []suppression{
			permissionsManagement,
			{"The boundary is compared as one exact ARN", []string{"MISMATCHED_TYPE_BUT_USABLE:ManageRolesWithinBoundary"}},
		},
	}
}
