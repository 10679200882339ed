package githubroles

import (
	"github.com/starttech/infrastructure/internal/policy"
)

// reads is what Terraform looks at to plan an environment. It does not read what the environment keeps: no object of a
// site, no log, and of the parameters only the release.
func reads(here place, c Config) []policy.Statement {
	statements := []policy.Statement{{
		Sid:    "WithoutResources", // actions that know none
		Effect: policy.Allow,
		Action: []string{
			"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribePolicies",
			"ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute", "ec2:DescribeFlowLogs",
			"ec2:DescribeInternetGateways", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeNatGateways",
			"ec2:DescribeNetworkAcls", "ec2:DescribePrefixLists", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules",
			"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs",
			"elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
			"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
			"elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups",

			"kms:ListAliases", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "sns:GetSubscriptionAttributes", "ssm:DescribeParameters",
		},
		Resource: []string{"*"},
	}, {
		Sid:      "Network",
		Effect:   policy.Allow,
		Action:   []string{"ec2:DescribeVpcAttribute"},
		Resource: []string{here.arn("ec2", "vpc/*")},
	}, {
		Sid:    "Site",
		Effect: policy.Allow,
		Action: []string{
			"cloudfront:DescribeFunction", "cloudfront:GetCachePolicy", "cloudfront:GetCloudFrontOriginAccessIdentity", "cloudfront:GetDistribution",
			"cloudfront:GetFunction", "cloudfront:GetResponseHeadersPolicy", "cloudfront:ListTagsForResource",
		},
		Resource: []string{here.global("cloudfront", "*")},
	}, {
		Sid:    "Buckets",
		Effect: policy.Allow,
		Action: []string{
			"s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLocation", "s3:GetBucketLogging",
			"s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock",
			"s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning", "s3:GetBucketWebsite",
			"s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket",
		},
		Resource: []string{*c.StateBucketARN, frontendBuckets(here)},
	}, {
		Sid:      "Certificates",
		Effect:   policy.Allow,
		Action:   []string{"acm:DescribeCertificate", "acm:ListTagsForCertificate"},
		Resource: []string{"arn:aws:acm:*:" + here.account + ":certificate/*"}, // CloudFront's is in us-east-1
	}, {
		Sid:    "Redis",
		Effect: policy.Allow,
		Action: []string{
			"elasticache:DescribeCacheClusters", "elasticache:DescribeCacheSubnetGroups", "elasticache:DescribeReplicationGroups",
			"elasticache:ListTagsForResource",
		},
		Resource: []string{
			here.arn("elasticache", "cluster:"+name("*")), here.arn("elasticache", "replicationgroup:"+name("*")),
			here.arn("elasticache", "subnetgroup:"+name("*")),
		},
	}, {
		Sid:      "Images",
		Effect:   policy.Allow,
		Action:   []string{"ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"},
		Resource: []string{here.arn("ecr", "repository/"+name("*"))},
	}, {
		Sid:      "Parameters",
		Effect:   policy.Allow,
		Action:   []string{"ssm:GetParameter", "ssm:ListTagsForResource"},
		Resource: []string{"arn:aws:ssm:" + here.region + "::parameter/aws/service/ami-amazon-linux-latest/*", here.arn("ssm", "parameter"+path("*/release"))},
	}, {
		Sid:    "Logs",
		Effect: policy.Allow,
		Action: []string{"logs:GetDelivery", "logs:GetDeliveryDestination", "logs:GetDeliverySource", "logs:ListTagsForResource"},
		Resource: []string{
			here.arn("logs", "delivery:*"), here.arn("logs", "delivery-destination:"+name("*")), here.arn("logs", "delivery-source:"+name("*")),
			here.arn("logs", "log-group:"+path("*")),
		},
	}, {
		Sid:      "Alarms",
		Effect:   policy.Allow,
		Action:   []string{"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"},
		Resource: []string{here.arn("cloudwatch", "alarm:*")},
	}, {
		Sid:      "Dashboards",
		Effect:   policy.Allow,
		Action:   []string{"cloudwatch:GetDashboard"},
		Resource: []string{here.global("cloudwatch", "dashboard/"+name("*"))},
	}, {
		Sid:      "Topics",
		Effect:   policy.Allow,
		Action:   []string{"sns:GetTopicAttributes", "sns:ListTagsForResource"},
		Resource: []string{here.arn("sns", name("*"))},
	}, {
		Sid:      "TopicKeys",
		Effect:   policy.Allow,
		Action:   []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"},
		Resource: []string{here.arn("kms", "key/*")},
	}, {
		Sid:    "Identities",
		Effect: policy.Allow,
		Action: []string{
			"iam:GetInstanceProfile", "iam:GetRole", "iam:GetRolePolicy",
			"iam:ListAttachedRolePolicies", "iam:ListRolePolicies",
		},
		Resource: []string{
			here.global("iam", "instance-profile/"+name("*")), here.global("iam", "role/"+name("*")),
		},
	}}
	if zones := hostedZones(c); len(zones) > 0 {
		statements = append(statements, policy.Statement{
			Sid:      "HostedZones",
			Effect:   policy.Allow,
			Action:   []string{"route53:GetHostedZone", "route53:ListResourceRecordSets"},
			Resource: zones,
		})
	}
	return statements
}

// readsBootstrap is what it looks at, besides, to plan this stack.
func readsBootstrap(here place, c Config) []policy.Statement {
	return []policy.Statement{{
		Sid:    "LockTable",
		Effect: policy.Allow,
		Action: []string{
			"dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource",
		},
		Resource: []string{*c.LockTableARN},
	}, {
		Sid:      "Policies",
		Effect:   policy.Allow,
		Action:   []string{"iam:GetPolicy", "iam:GetPolicyVersion"},
		Resource: []string{here.global("iam", "policy/"+name("*"))},
	}, {
		Sid:      "OIDCProvider",
		Effect:   policy.Allow,
		Action:   []string{"iam:GetOpenIDConnectProvider"},
		Resource: []string{policy.GitHubProviderARN(here.account)},
	}}
}
