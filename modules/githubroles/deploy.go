package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// What a deploy writes, part by part, in the order of the stack. A resource is told by its name, which begins with the
// project's, or where names are AWS's own by its tag project, which the provider puts on everything. Where IAM knows
// neither, the action stands alone. Which actions know what:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html

var (
	// tagging is a request that gives the project's tag.
	tagging = policy.Condition{"StringEquals": {"aws:RequestTag/project": {config.Project}}}
	// tagged is a resource that has it.
	tagged = policy.Condition{"StringEquals": {"aws:ResourceTag/project": {config.Project}}}
)

// path begins the names of the environments' log groups and parameters: path("*") is all of them.
func path(rest string) string { return "/" + config.Project + "/" + rest }

func frontendBuckets(here place) string {
	return "arn:aws:s3:::" + name("*-frontend-"+here.account)
}

func autoScalingGroups(here place) string {
	return here.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+name("*"))
}

// deploysNetwork is VPC, subnets, ways out and security groups. A resource that is made needs the tag in the request,
// and every one that it is made in, or that is changed, has it already.
func deploysNetwork(here place) []policy.Statement {
	everything := []string{here.arn("ec2", "*/*")}
	makes := []string{
		"ec2:AllocateAddress", "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateFlowLogs",
		"ec2:CreateInternetGateway", "ec2:CreateLaunchTemplate", "ec2:CreateNatGateway", "ec2:CreateRouteTable",
		"ec2:CreateSecurityGroup", "ec2:CreateSubnet", "ec2:CreateVpc", "ec2:CreateVpcEndpoint",
	}
	return []policy.Statement{{
		Sid:       "Make",
		Effect:    policy.Allow,
		Action:    makes,
		Resource:  everything,
		Condition: tagging,
	}, {
		Sid:      "TagWhatIsMade",
		Effect:   policy.Allow,
		Action:   []string{"ec2:CreateTags"},
		Resource: everything,
		Condition: policy.Condition{"StringEquals": {
			"aws:RequestTag/project": {config.Project},
			"ec2:CreateAction":       actionNames(makes, "ec2:RunInstances"),
		}},
	}, {
		Sid:    "Use",
		Effect: policy.Allow,
		Action: append(makes,
			"ec2:AssociateRouteTable", "ec2:AttachInternetGateway", "ec2:CreateLaunchTemplateVersion", "ec2:CreateRoute", "ec2:CreateTags",
			"ec2:DeleteFlowLogs", "ec2:DeleteInternetGateway", "ec2:DeleteLaunchTemplate", "ec2:DeleteNatGateway",
			"ec2:DeleteRoute", "ec2:DeleteRouteTable", "ec2:DeleteSecurityGroup", "ec2:DeleteSubnet", "ec2:DeleteTags",
			"ec2:DeleteVpc", "ec2:DeleteVpcEndpoints", "ec2:DetachInternetGateway", "ec2:DisassociateAddress",
			"ec2:DisassociateRouteTable", "ec2:ModifyLaunchTemplate",
			"ec2:ModifyVpcAttribute", "ec2:ModifyVpcEndpoint", "ec2:ReleaseAddress", "ec2:ReplaceRoute",
			"ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress",
		),
		Resource:  everything,
		Condition: tagged,
	}, {
		// The private names of interface endpoints.
		Sid:      "AssociateHostedZone",
		Effect:   policy.Allow,
		Action:   []string{"route53:AssociateVPCWithHostedZone"},
		Resource: []string{"arn:aws:route53:::hostedzone/*"},
	}, {
		// The default security group comes with the VPC, without tags. It gets some, and is emptied.
		Sid:      "AdoptDefaultSecurityGroup",
		Effect:   policy.Allow,
		Action:   []string{"ec2:CreateTags"},
		Resource: []string{here.arn("ec2", "security-group/*")},
		Condition: policy.Condition{
			"StringEquals": tagging["StringEquals"],
			"Null":         {"aws:ResourceTag/Name": {"true"}, "aws:ResourceTag/project": {"true"}},
		},
	}}
}

// actionNames is actions without their service, as the condition ec2:CreateAction has them.
func actionNames(actions []string, more ...string) []string {
	var names []string
	for _, action := range append(actions, more...) {
		names = append(names, action[len("ec2:"):])
	}
	return names
}

// deploysCompute is the load balancer, the Auto Scaling group and its launch template, which deploysNetwork makes.
func deploysCompute(here place) []policy.Statement {
	return []policy.Statement{{
		Sid:    "Wait", // for instances that come and go; the actions know no resources
		Effect: policy.Allow,
		Action: []string{
			"autoscaling:DescribeInstanceRefreshes", "autoscaling:DescribeScalingActivities", "ec2:DescribeNetworkInterfaces",
			"elasticloadbalancing:DescribeTargetHealth",
		},
		Resource: []string{"*"},
	}, {
		// The first load balancer of an account needs it
		// (https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html). The action does not
		// support resource-level permissions.
		Sid:      "DescribeAccount",
		Effect:   policy.Allow,
		Action:   []string{"ec2:DescribeAccountAttributes"},
		Resource: []string{"*"},
	}, {
		Sid:    "LoadBalancer",
		Effect: policy.Allow,
		Action: []string{
			"elasticloadbalancing:AddTags", "elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateLoadBalancer",
			"elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteLoadBalancer",
			"elasticloadbalancing:DeleteTargetGroup", "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyLoadBalancerAttributes",
			"elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes", "elasticloadbalancing:RemoveTags",
			"elasticloadbalancing:SetSubnets",
		},
		Resource: []string{
			here.arn("elasticloadbalancing", "loadbalancer/app/"+name("*")),
			here.arn("elasticloadbalancing", "listener/app/"+name("*")),
			here.arn("elasticloadbalancing", "targetgroup/"+name("*")),
		},
	}, {
		Sid:    "AutoScalingGroup",
		Effect: policy.Allow,
		Action: []string{
			"autoscaling:CancelInstanceRefresh", "autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags",
			"autoscaling:DeleteAutoScalingGroup", "autoscaling:DeletePolicy", "autoscaling:DeleteTags",
			"autoscaling:EnableMetricsCollection", "autoscaling:PutScalingPolicy", "autoscaling:StartInstanceRefresh",
			"autoscaling:UpdateAutoScalingGroup",
		},
		Resource: []string{autoScalingGroups(here)},
	}, {
		// A group that is made from a launch template is checked as if the caller launched instances
		// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html). Only from ours.
		Sid:       "LaunchFromOurTemplates",
		Effect:    policy.Allow,
		Action:    []string{"ec2:RunInstances"},
		Resource:  []string{here.arn("ec2", "launch-template/*"), here.arn("ec2", "security-group/*"), here.arn("ec2", "subnet/*")},
		Condition: tagged,
	}, {
		Sid:    "LaunchFromTemplatesOnly",
		Effect: policy.Allow,
		Action: []string{"ec2:RunInstances"},
		Resource: []string{
			"arn:aws:ec2:" + here.region + "::image/*", here.arn("ec2", "instance/*"), here.arn("ec2", "network-interface/*"),
			here.arn("ec2", "volume/*"),
		},
		Condition: policy.Condition{"ArnLike": {"ec2:LaunchTemplate": {here.arn("ec2", "launch-template/*")}}},
	}}
}

// deploysSite is the frontend's bucket, CloudFront, and where there is a domain its certificates and records. What
// CloudFront makes has an id of AWS's choice; only a distribution can be told by its tag.
func deploysSite(here place, c Config) []policy.Statement {
	statements := []policy.Statement{{
		Sid:    "Bucket",
		Effect: policy.Allow,
		Action: []string{
			"s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteBucketWebsite", "s3:ListBucket", "s3:ListBucketVersions",
			"s3:PutBucketOwnershipControls", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging",
			"s3:PutBucketVersioning", "s3:PutBucketWebsite", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
		},
		Resource: []string{frontendBuckets(here)},
	}, {
		Sid:      "EmptyBucket",
		Effect:   policy.Allow,
		Action:   []string{"s3:DeleteObject", "s3:DeleteObjectVersion"},
		Resource: []string{frontendBuckets(here) + "/*"},
	}, {
		Sid:      "MakeDistribution",
		Effect:   policy.Allow,
		Action:   []string{"cloudfront:CreateDistribution"},
		Resource: []string{here.global("cloudfront", "distribution/*")},
	}, {
		Sid:       "TagDistribution",
		Effect:    policy.Allow,
		Action:    []string{"cloudfront:TagResource"},
		Resource:  []string{here.global("cloudfront", "distribution/*")},
		Condition: tagging,
	}, {
		Sid:       "ChangeDistribution",
		Effect:    policy.Allow,
		Action:    []string{"cloudfront:DeleteDistribution", "cloudfront:TagResource", "cloudfront:UntagResource", "cloudfront:UpdateDistribution"},
		Resource:  []string{here.global("cloudfront", "distribution/*")},
		Condition: tagged,
	}, {
		Sid:    "DistributionParts",
		Effect: policy.Allow,
		Action: []string{
			"cloudfront:CreateCachePolicy", "cloudfront:CreateCloudFrontOriginAccessIdentity", "cloudfront:CreateResponseHeadersPolicy",
			"cloudfront:DeleteCachePolicy", "cloudfront:DeleteCloudFrontOriginAccessIdentity", "cloudfront:DeleteResponseHeadersPolicy",
			"cloudfront:UpdateCachePolicy", "cloudfront:UpdateResponseHeadersPolicy",
		},
		Resource: []string{
			here.global("cloudfront", "cache-policy/*"), here.global("cloudfront", "origin-access-identity/*"),
			here.global("cloudfront", "response-headers-policy/*"),
		},
	}, {
		Sid:      "Function",
		Effect:   policy.Allow,
		Action:   []string{"cloudfront:CreateFunction", "cloudfront:DeleteFunction", "cloudfront:PublishFunction", "cloudfront:UpdateFunction"},
		Resource: []string{here.global("cloudfront", "function/"+name("*"))},
	}, {
		Sid:       "RequestCertificate",
		Effect:    policy.Allow,
		Action:    []string{"acm:RequestCertificate"},
		Resource:  []string{"*"}, // the action knows no resources
		Condition: tagging,
	}, {
		Sid:       "TagCertificate",
		Effect:    policy.Allow,
		Action:    []string{"acm:AddTagsToCertificate"},
		Resource:  []string{"arn:aws:acm:*:" + here.account + ":certificate/*"},
		Condition: tagging,
	}, {
		Sid:       "ChangeCertificate",
		Effect:    policy.Allow,
		Action:    []string{"acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:RemoveTagsFromCertificate"},
		Resource:  []string{"arn:aws:acm:*:" + here.account + ":certificate/*"}, // CloudFront's is in us-east-1
		Condition: tagged,
	}}
	if zones := hostedZones(c); len(zones) > 0 {
		statements = append(statements, policy.Statement{
			Sid:      "Records",
			Effect:   policy.Allow,
			Action:   []string{"route53:ChangeResourceRecordSets"},
			Resource: zones,
		}, policy.Statement{
			Sid:      "RecordChanges",
			Effect:   policy.Allow,
			Action:   []string{"route53:GetChange"},
			Resource: []string{"arn:aws:route53:::change/*"},
		})
	}
	return statements
}

func hostedZones(c Config) []string {
	var zones []string
	for _, id := range c.HostedZones {
		zones = append(zones, "arn:aws:route53:::hostedzone/"+id)
	}
	return zones
}

// deploysData is Redis, the images, and the parameter that names the released one. The parameters with the backend's
// secrets are not among them.
func deploysData(here place) []policy.Statement {
	return []policy.Statement{{
		Sid:    "Redis",
		Effect: policy.Allow,
		Action: []string{
			"elasticache:AddTagsToResource", "elasticache:CreateCacheSubnetGroup", "elasticache:CreateReplicationGroup",
			"elasticache:DecreaseReplicaCount", "elasticache:DeleteCacheSubnetGroup",
			"elasticache:DeleteReplicationGroup", "elasticache:IncreaseReplicaCount", "elasticache:ModifyCacheSubnetGroup",
			"elasticache:ModifyReplicationGroup", "elasticache:RemoveTagsFromResource",
		},
		Resource: []string{
			here.arn("elasticache", "cluster:"+name("*")), here.arn("elasticache", "replicationgroup:"+name("*")),
			here.arn("elasticache", "subnetgroup:"+name("*")),
			here.arn("elasticache", "parametergroup:default.*"),
		},
	}, {
		Sid:    "Images",
		Effect: policy.Allow,
		Action: []string{
			"ecr:CreateRepository", "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepository",
			"ecr:PutLifecyclePolicy", "ecr:TagResource", "ecr:UntagResource",
		},
		Resource: []string{here.arn("ecr", "repository/"+name("*"))},
	}, {
		Sid:      "Release",
		Effect:   policy.Allow,
		Action:   []string{"ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"},
		Resource: []string{here.arn("ssm", "parameter"+path("*/release"))},
	}}
}

// deploysObservability is log groups and who writes to them, alarms, dashboard and topic.
func deploysObservability(here place) []policy.Statement {
	return []policy.Statement{{
		Sid:    "LogGroups",
		Effect: policy.Allow,
		Action: []string{
			"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource",
		},
		Resource: []string{here.arn("logs", "log-group:"+path("*"))},
	}, {
		Sid:    "AccessLogs",
		Effect: policy.Allow,
		Action: []string{
			"logs:CreateDelivery", "logs:DeleteDelivery", "logs:DeleteDeliveryDestination", "logs:DeleteDeliverySource",
			"logs:PutDeliveryDestination", "logs:PutDeliverySource", "logs:TagResource", "logs:UntagResource",
		},
		Resource: []string{
			here.arn("logs", "delivery:*"), here.arn("logs", "delivery-destination:"+name("*")), here.arn("logs", "delivery-source:"+name("*")),
		},
	}, {
		// Who delivers a resource's logs asks its service
		// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-vended-logs-permissions-V2.html).
		Sid:      "LogLoadBalancer",
		Effect:   policy.Allow,
		Action:   []string{"elasticloadbalancing:AllowVendedLogDeliveryForResource"},
		Resource: []string{here.arn("elasticloadbalancing", "loadbalancer/app/"+name("*"))},
	}, {
		Sid:      "LogPolicy",
		Effect:   policy.Allow,
		Action:   []string{"logs:DeleteResourcePolicy", "logs:PutResourcePolicy"},
		Resource: []string{"*"}, // the actions know no resources
	}, {
		Sid:    "Alarms",
		Effect: policy.Allow,
		Action: []string{
			"cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource",
		},
		Resource: []string{here.arn("cloudwatch", "alarm:"+name("*"))},
	}, {
		Sid:      "Dashboard",
		Effect:   policy.Allow,
		Action:   []string{"cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"},
		Resource: []string{here.global("cloudwatch", "dashboard/"+name("*"))},
	}, {
		Sid:    "Topic",
		Effect: policy.Allow,
		Action: []string{
			"sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:UntagResource",
		},
		Resource: []string{here.arn("sns", name("*"))},
	}, {
		Sid:      "Unsubscribe",
		Effect:   policy.Allow,
		Action:   []string{"sns:Unsubscribe"},
		Resource: []string{"*"}, // the action knows no resources
	}, {
		Sid:       "MakeTopicKey",
		Effect:    policy.Allow,
		Action:    []string{"kms:CreateKey"},
		Resource:  []string{"*"}, // a key has no name
		Condition: tagging,
	}, {
		Sid:       "TagTopicKey",
		Effect:    policy.Allow,
		Action:    []string{"kms:TagResource"},
		Resource:  []string{here.arn("kms", "key/*")},
		Condition: tagging,
	}, {
		// What follows at once upon its creation: KMS may take five minutes to know of a tag
		// (https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html).
		Sid:      "SetUpTopicKey",
		Effect:   policy.Allow,
		Action:   []string{"kms:CreateAlias", "kms:EnableKeyRotation"},
		Resource: []string{here.arn("kms", "key/*")},
	}, {
		Sid:       "TopicKey",
		Effect:    policy.Allow,
		Action:    []string{"kms:DeleteAlias", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource"},
		Resource:  []string{here.arn("kms", "key/*")},
		Condition: tagged,
	}, {
		Sid:      "TopicKeyAlias",
		Effect:   policy.Allow,
		Action:   []string{"kms:CreateAlias", "kms:DeleteAlias"},
		Resource: []string{here.arn("kms", "alias/"+name("*"))},
	}}
}

// deploysIdentity is the roles of instances, flow logs and releases. They are told by the ends of their names, which
// this role and plan do not have, and none of them can be made, or its permissions changed, without the boundary.
func deploysIdentity(here place) []policy.Statement {
	instance := here.global("iam", "role/"+name("*-instance"))
	flowLogs := here.global("iam", "role/"+name("*-flow-logs"))
	release := here.global("iam", "role/"+name("*-release"))
	roles := []string{instance, flowLogs, release}
	bounded := policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {config.BoundaryARN(here.account)}}}
	return []policy.Statement{{
		Sid:       "GrantWithinBoundary",
		Effect:    policy.Allow,
		Action:    []string{"iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"},
		Resource:  roles,
		Condition: bounded,
	}, {
		Sid:      "Roles",
		Effect:   policy.Allow,
		Action:   []string{"iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRoleDescription"},
		Resource: roles,
	}, {
		Sid:      "Releasers", // who may release changes with applicationRepository
		Effect:   policy.Allow,
		Action:   []string{"iam:UpdateAssumeRolePolicy"},
		Resource: []string{release},
	}, {
		Sid:    "InstanceProfiles",
		Effect: policy.Allow,
		Action: []string{
			"iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
			"iam:TagInstanceProfile", "iam:UntagInstanceProfile",
		},
		Resource: []string{here.global("iam", "instance-profile/"+name("*-instance"))},
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
		// AWS makes these by itself for the first load balancer, group and Redis of an account, on behalf of who makes them.
		Sid:      "ServiceLinkedRoles",
		Effect:   policy.Allow,
		Action:   []string{"iam:CreateServiceLinkedRole"},
		Resource: []string{here.global("iam", "role/aws-service-role/*")},
		Condition: policy.Condition{"StringEquals": {"iam:AWSServiceName": {
			"autoscaling.amazonaws.com", "elasticache.amazonaws.com", "elasticloadbalancing.amazonaws.com", "spot.amazonaws.com",
		}}},
	}}
}
