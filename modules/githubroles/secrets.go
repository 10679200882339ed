package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// secrets is the secrets of the backend, and the function that rotates them. Neither pipeline role may read a value: Terraform creates no
// version of a secret. cacheUsers is the users of Redis.
func secrets(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Secrets != nil }) {
		return part{}
	}
	var (
		secrets   = a.arn("secretsmanager", "secret:"+pathPrefixed("*"))
		functions = a.arn("lambda", "function:"+prefixed("*-rotation"))
		rules     = a.arn("events", "rule/"+prefixed("*-rotation"))
		roles     = a.globalARN("iam", "role/"+prefixed("*-rotation"))
		logGroups = a.arn("logs", "log-group:"+pathPrefixed("*"))
	)
	return part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadSecrets",
			Effect:   policy.Allow,
			Action:   []string{"secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"},
			Resource: []string{secrets},
		}, {
			Sid:    "ReadRotation",
			Effect: policy.Allow,
			Action: []string{
				"lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetPolicy", "lambda:ListVersionsByFunction",
				"events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule",
			},
			Resource: []string{functions, rules},
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageSecrets",
			Effect: policy.Allow,
			Action: []string{
				"secretsmanager:CancelRotateSecret", "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:RotateSecret",
				"secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret",
			},
			Resource: []string{secrets},
		}, {
			// Secrets Manager asks whether the caller of RotateSecret may invoke the function
			// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html).
			Sid:    "ManageRotation",
			Effect: policy.Allow,
			Action: []string{
				"events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource",
				"lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:InvokeFunction", "lambda:RemovePermission",
				"lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
			},
			Resource: []string{functions, rules},
		}, {
			Sid:       "GrantToRotationWithinBoundary",
			Effect:    policy.Allow,
			Action:    granting,
			Resource:  []string{roles},
			Condition: a.within(config.RotationBoundary),
		}, {
			Sid:      "ManageRotationRole",
			Effect:   policy.Allow,
			Action:   managing,
			Resource: []string{roles},
		}, {
			Sid:       "PassRotationRole",
			Effect:    policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  []string{roles},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"lambda.amazonaws.com"}}},
		}},
		instance: []policy.Statement{{
			Sid:       "ReadSecretsFromInstance", // as ReadParametersFromInstance
			Effect:    policy.Allow,
			Action:    []string{"secretsmanager:GetSecretValue"},
			Resource:  []string{secrets},
			Condition: policy.Condition{"ArnLike": {"ec2:SourceInstanceARN": {a.arn("ec2", "instance/*")}}},
		}},
		rotationUnscoped: []string{"autoscaling:DescribeInstanceRefreshes"},
		rotation: []policy.Statement{{
			// Only the generated secrets: not the operator's.
			Sid:    "RotateSecrets",
			Effect: policy.Allow,
			Action: []string{
				"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
			},
			Resource: []string{
				a.arn("secretsmanager", "secret:"+pathPrefixed("*/"+config.JWTSecret+"-*")), a.arn("secretsmanager", "secret:"+pathPrefixed("*/"+config.RedisSecret+"-*")),
			},
		}, {
			Sid:      "ChangePasswords",
			Effect:   policy.Allow,
			Action:   []string{"elasticache:DescribeUsers", "elasticache:ModifyUser"},
			Resource: []string{a.arn("elasticache", "user:"+prefixed("*-redis"))},
		}, {
			Sid:      "RefreshInstances",
			Effect:   policy.Allow,
			Action:   []string{"autoscaling:StartInstanceRefresh"},
			Resource: []string{a.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+prefixed("*"))},
		}, {
			Sid:      "WriteLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource: []string{logGroups},
		}},
		suppressions: []suppression{permissionsManagement, {
			"The boundary is compared as one exact ARN",
			[]string{"MISMATCHED_TYPE_BUT_USABLE:GrantToRotationWithinBoundary"},
		}, {
			"A deploy creates the function and updates its code; its role is within a boundary without the operators' secrets",
			[]string{"PRIVILEGE_ESCALATION"},
		}},
	}
}

// cacheUsers is the user of Redis and its group.
func cacheUsers(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Cache.Auth }) {
		return part{}
	}
	users := []string{a.arn("elasticache", "user:"+prefixed("*-redis")), a.arn("elasticache", "usergroup:"+prefixed("*-redis"))}
	return part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadCacheUsers",
			Effect:   policy.Allow,
			Action:   []string{"elasticache:DescribeUserGroups", "elasticache:DescribeUsers", "elasticache:ListTagsForResource"},
			Resource: users,
		}},
		deploy: []policy.Statement{{
			// AWS checks CreateReplicationGroup and ModifyReplicationGroup on the user group as well.
			Sid:    "ManageCacheUsers",
			Effect: policy.Allow,
			Action: []string{
				"elasticache:AddTagsToResource", "elasticache:CreateReplicationGroup", "elasticache:CreateUser", "elasticache:CreateUserGroup",
				"elasticache:DeleteUser", "elasticache:DeleteUserGroup", "elasticache:ModifyReplicationGroup", "elasticache:ModifyUserGroup",
				"elasticache:RemoveTagsFromResource",
			},
			Resource: users,
		}},
		suppressions: []suppression{{
			"ManageElastiCache allows the replication group itself, and this statement its user group",
			[]string{"RESOURCE_MISMATCH:ManageCacheUsers"},
		}},
	}
}
