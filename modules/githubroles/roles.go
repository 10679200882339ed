package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// granting is to give a role its permissions, which takes a boundary; managing is the rest.
var (
	granting = []string{"iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"}
	managing = []string{
		"iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy",
		"iam:UpdateRoleDescription",
	}
)

// within is a role with a permissions boundary.
func (a account) within(boundary string) policy.Condition {
	return policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {config.PolicyARN(a.id, boundary)}}}
}

// roles is the IAM roles of instances, flow logs and releases. They are selected by the ends of their names, which the plan
// and deploy roles do not have. No role can be created, and no role's permissions changed, without its boundary.
func roles(a account) part {
	var (
		instance         = a.globalARN("iam", "role/"+prefixed("*-instance"))
		flowLogs         = a.globalARN("iam", "role/"+prefixed("*-flow-logs"))
		release          = a.globalARN("iam", "role/"+prefixed("*-release"))
		delivery         = []string{flowLogs, release}
		all              = append([]string{instance}, delivery...)
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
			Sid:       "GrantToInstancesWithinBoundary",
			Effect:    policy.Allow,
			Action:    granting,
			Resource:  []string{instance},
			Condition: a.within(config.InstanceBoundary),
		}, {
			Sid:       "GrantToDeliveryWithinBoundary",
			Effect:    policy.Allow,
			Action:    granting,
			Resource:  delivery,
			Condition: a.within(config.DeliveryBoundary),
		}, {
			Sid:      "ManageRoles",
			Effect:   policy.Allow,
			Action:   managing,
			Resource: all,
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
		instanceUnscoped: []string{ // Session Manager
			"ssm:UpdateInstanceInformation",
			"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
			"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
		},
		suppressions: []suppression{
			permissionsManagement,
			{
				"The boundary is compared as one exact ARN",
				[]string{"MISMATCHED_TYPE_BUT_USABLE:GrantToInstancesWithinBoundary", "MISMATCHED_TYPE_BUT_USABLE:GrantToDeliveryWithinBoundary"},
			},
		},
	}
}
