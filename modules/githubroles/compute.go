package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// compute is the load balancer and the Auto Scaling group. The launch template is in network.
func compute(a account) part {
	autoScalingGroups := a.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+prefixed("*"))
	launchTemplates := a.arn("ec2", "launch-template/*")
	return part{
		id: "compute",
		planUnscoped: []string{
			"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribePolicies",
			// To read and to write a credit specification, the provider asks whether the type is burstable
			// (https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/ec2/ec2_launch_template.go).
			"ec2:DescribeInstanceTypes",
			"elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
			"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
			"elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups",
		},
		deploy: []policy.Statement{{
			// The provider waits for instances, and the deploy command for instance refreshes. The actions do not support
			// resource-level permissions.
			Sid:    "DescribeForWaiters",
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
			Sid:      "DescribeAccountAttributes",
			Effect:   policy.Allow,
			Action:   []string{"ec2:DescribeAccountAttributes"},
			Resource: []string{"*"},
		}, {
			Sid:    "ManageLoadBalancer",
			Effect: policy.Allow,
			Action: []string{
				"elasticloadbalancing:AddTags", "elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateLoadBalancer",
				"elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteLoadBalancer",
				"elasticloadbalancing:DeleteTargetGroup", "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyLoadBalancerAttributes",
				"elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes", "elasticloadbalancing:RemoveTags",
				"elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets",
			},
			Resource: []string{
				a.arn("elasticloadbalancing", "loadbalancer/app/"+prefixed("*")),
				a.arn("elasticloadbalancing", "listener/app/"+prefixed("*")),
				a.arn("elasticloadbalancing", "targetgroup/"+prefixed("*")),
			},
		}, {
			Sid:    "ManageAutoScalingGroup",
			Effect: policy.Allow,
			Action: []string{
				"autoscaling:AttachLoadBalancerTargetGroups", "autoscaling:CancelInstanceRefresh", "autoscaling:CreateAutoScalingGroup",
				"autoscaling:CreateOrUpdateTags", "autoscaling:DeleteAutoScalingGroup", "autoscaling:DeletePolicy", "autoscaling:DeleteTags",
				"autoscaling:DetachLoadBalancerTargetGroups", "autoscaling:DisableMetricsCollection", "autoscaling:EnableMetricsCollection",
				"autoscaling:PutScalingPolicy", "autoscaling:StartInstanceRefresh", "autoscaling:UpdateAutoScalingGroup",
			},
			Resource: []string{autoScalingGroups},
		}, {
			// The alarms of the target tracking policy, TargetTracking-GROUP-AlarmHigh-ID. Auto Scaling's service-linked role may
			// manage them (https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html). AWS's policy
			// for callers allows it too (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AutoScalingFullAccess.html).
			Sid:      "ManageTargetTrackingAlarms",
			Effect:   policy.Allow,
			Action:   []string{"cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"},
			Resource: []string{a.arn("cloudwatch", "alarm:TargetTracking-"+prefixed("*"))},
		}, {
			// To create a group from a launch template, the caller needs the permission to launch its instances
			// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html). Only from the
			// project's templates, groups and subnets.
			Sid:       "RunInstancesFromProject",
			Effect:    policy.Allow,
			Action:    []string{"ec2:RunInstances"},
			Resource:  []string{launchTemplates, a.arn("ec2", "security-group/*"), a.arn("ec2", "subnet/*")},
			Condition: onProjectTag,
		}, {
			Sid:    "RunInstancesFromTemplateOnly",
			Effect: policy.Allow,
			Action: []string{"ec2:RunInstances"},
			Resource: []string{
				"arn:aws:ec2:" + a.region + "::image/*", a.arn("ec2", "instance/*"), a.arn("ec2", "network-interface/*"),
				a.arn("ec2", "volume/*"),
			},
			Condition: policy.Condition{"ArnLike": {"ec2:LaunchTemplate": {launchTemplates}}},
		}},
		deliveryUnscoped: []string{"autoscaling:DescribeInstanceRefreshes"},
		delivery: []policy.Statement{{
			Sid:      "RefreshInstances",
			Effect:   policy.Allow,
			Action:   []string{"autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"},
			Resource: []string{autoScalingGroups},
		}},
		suppressions: []suppression{{
			"RunInstances has two statements, for the resources that have a tag and for those that have none yet",
			[]string{"RESOURCE_MISMATCH:RunInstancesFromProject", "RESOURCE_MISMATCH:RunInstancesFromTemplateOnly"},
		}, {
			"Only application load balancers are created, no network load balancers",
			[]string{"RESOURCE_MISMATCH:ManageLoadBalancer"},
		}},
	}
}
