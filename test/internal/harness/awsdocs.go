package harness

import "slices"

// Documented is an action and what AWS requires with it, according to a page other than the Service Authorization Reference.
type Documented struct {
	Action    string            // of the caller; or the service that assumes a role, "vpc-flow-logs.amazonaws.com"
	AlsoNeeds []string          // other actions
	On        string            // an ARN that each of them has to be allowed on, with * for its variable parts; empty: any
	With      map[string]string // the condition keys of the call
	ByKey     bool              // the policy of the KMS key allows it to the caller, not the caller's own policies
	Source    string
}

// IsMetBy reports whether a call has a condition of a policy. A resource has no tag yet while it is created.
func (d Documented) IsMetBy(condition map[string]map[string][]string) bool {
	for operator, keys := range condition {
		for key, values := range keys {
			value, has := d.With[key]
			switch operator {
			case "StringEquals":
				if !has || !slices.Contains(values, value) {
					return false
				}
			case "ArnLike":
				if !has || !slices.ContainsFunc(values, func(pattern string) bool { return Overlap(pattern, value) }) {
					return false
				}
			case "Null":
				if has == slices.Contains(values, "true") {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}

const elbPermissions = "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html"

// DocumentedNeeds is what AWS documents outside of its Service Authorization Reference, and the local AWS does not check.
var DocumentedNeeds = []Documented{
	{
		Action: "elasticloadbalancing:CreateLoadBalancer",
		AlsoNeeds: []string{
			"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups",
			"ec2:DescribeSubnets", "ec2:DescribeVpcs",
		},
		Source: elbPermissions,
	},
	{
		Action:    "elasticloadbalancing:CreateLoadBalancer",
		AlsoNeeds: []string{"iam:CreateServiceLinkedRole"},
		On:        "arn:aws:iam::123456789012:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing",
		With:      map[string]string{"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"},
		Source:    elbPermissions,
	},
	{
		Action:    "elasticloadbalancing:CreateTargetGroup",
		AlsoNeeds: []string{"ec2:DescribeInternetGateways", "ec2:DescribeVpcs"},
		Source:    elbPermissions,
	},
	{
		Action:    "elasticloadbalancing:SetSubnets",
		AlsoNeeds: []string{"ec2:DescribeSubnets"},
		Source:    elbPermissions,
	},
	{
		Action:    "autoscaling:CreateAutoScalingGroup",
		AlsoNeeds: []string{"ec2:CreateTags", "ec2:RunInstances"},
		On:        "arn:aws:ec2:eu-west-1:123456789012:instance/*",
		With:      map[string]string{"aws:RequestTag/project": "starttech", "ec2:CreateAction": "RunInstances", "ec2:LaunchTemplate": "arn:aws:ec2:eu-west-1:123456789012:launch-template/lt-1"},
		Source:    "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html",
	},
	{
		Action:    "autoscaling:CreateAutoScalingGroup",
		AlsoNeeds: []string{"iam:PassRole"},
		On:        "arn:aws:iam::123456789012:role/starttech-production-instance",
		With:      map[string]string{"iam:PassedToService": "ec2.amazonaws.com"},
		Source:    "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html",
	},
	{
		Action:    "autoscaling:CreateAutoScalingGroup",
		AlsoNeeds: []string{"iam:CreateServiceLinkedRole"},
		On:        "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
		With:      map[string]string{"iam:AWSServiceName": "autoscaling.amazonaws.com"},
		Source:    "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html",
	},
	{
		// AWS's own policy for callers has PutMetricAlarm. Auto Scaling's service-linked role has the other two as well.
		Action:    "autoscaling:PutScalingPolicy",
		AlsoNeeds: []string{"cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"},
		On:        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:TargetTracking-starttech-production-backend-AlarmHigh-*",
		Source:    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AutoScalingFullAccess.html",
	},
	{
		Action:    "ec2:CreateFlowLogs",
		AlsoNeeds: []string{"iam:PassRole"},
		On:        "arn:aws:iam::123456789012:role/starttech-production-flow-logs",
		With:      map[string]string{"iam:PassedToService": "vpc-flow-logs.amazonaws.com"},
		Source:    "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html",
	},
	{
		Action:    "logs:PutDeliverySource",
		AlsoNeeds: []string{"elasticloadbalancing:AllowVendedLogDeliveryForResource"},
		On:        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/starttech-production/*",
		Source:    vendedLogs,
	},
	{
		// Unless the request bypasses the lockout safety check, which the provider does not by default.
		Action:    "kms:CreateKey",
		AlsoNeeds: []string{"kms:PutKeyPolicy"},
		ByKey:     true,
		Source:    "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html",
	},
	{
		// Policies that depend on the tags of a key can take five minutes to see them.
		Action:    "kms:CreateKey",
		AlsoNeeds: []string{"kms:CreateAlias", "kms:EnableKeyRotation"}, // what a deploy calls next
		ByKey:     true,
		Source:    "https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html",
	},
	{
		Action: flowLogs,
		AlsoNeeds: []string{
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents",
		},
		Source: "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html",
	},
}

const (
	flowLogs   = "vpc-flow-logs.amazonaws.com"
	vendedLogs = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-vended-logs-permissions-V2.html"
)

// UnlistedActions is actions that the copy of the reference lacks, with AWS's documentation of them.
var UnlistedActions = map[string]string{
	"elasticloadbalancing:AllowVendedLogDeliveryForResource": vendedLogs,
}

// FlowLogsNeeds is the actions of the role of VPC flow logs. The log group exists, so it is not created.
func FlowLogsNeeds() []string {
	var needs []string
	for _, d := range DocumentedNeeds {
		if d.Action == flowLogs {
			needs = append(needs, d.AlsoNeeds...)
		}
	}
	return slices.DeleteFunc(needs, func(action string) bool { return action == "logs:CreateLogGroup" })
}
