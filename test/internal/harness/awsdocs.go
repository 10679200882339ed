package harness

import "slices"

// Documented is an action and what AWS requires with it, according to a page other than the Service Authorization Reference.
type Documented struct {
	Action    string   // of the caller; or the service that assumes a role, "vpc-flow-logs.amazonaws.com"
	AlsoNeeds []string // other actions
	On        string   // an ARN that each of them has to be allowed on, with * for its variable parts; empty: any
	Source    string
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
		Source:    "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html",
	},
	{
		Action:    "autoscaling:CreateAutoScalingGroup",
		AlsoNeeds: []string{"iam:PassRole"},
		On:        "arn:aws:iam::123456789012:role/starttech-production-instance",
		Source:    "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html",
	},
	{
		Action:    "autoscaling:CreateAutoScalingGroup",
		AlsoNeeds: []string{"iam:CreateServiceLinkedRole"},
		On:        "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
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
		Source:    "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html",
	},
	{
		Action:    "logs:PutDeliverySource",
		AlsoNeeds: []string{"elasticloadbalancing:AllowVendedLogDeliveryForResource"},
		On:        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/starttech-production/*",
		Source:    vendedLogs,
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
