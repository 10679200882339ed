package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// firewall is the web ACLs, their log groups, and what the web ACL of CloudFront needs in us-east-1: its alarm, and the topic and the key of
// that alarm.
func firewall(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Firewall != nil }) {
		return part{}
	}
	var (
		usEast1       = account{a.id, "us-east-1"}
		webACLs       = []string{usEast1.arn("wafv2", "global/webacl/"+prefixed("*/*")), a.arn("wafv2", "regional/webacl/"+prefixed("*/*"))}
		ruleSets      = []string{usEast1.arn("wafv2", "global/managedruleset/*/*"), a.arn("wafv2", "regional/managedruleset/*/*")}
		loadBalancers = a.arn("elasticloadbalancing", "loadbalancer/app/"+prefixed("*"))
		logGroups     = "arn:aws:logs:*:" + a.id + ":log-group:aws-waf-logs-" + prefixed("*")
		topics        = usEast1.arn("sns", prefixed("*"))
		keys          = usEast1.arn("kms", "key/*")
		alias         = usEast1.arn("kms", "alias/"+prefixed("*"))
		alarms        = usEast1.arn("cloudwatch", "alarm:"+prefixed("*"))
	)
	return part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadFirewall",
			Effect:   policy.Allow,
			Action:   []string{"wafv2:GetLoggingConfiguration", "wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:ListTagsForResource"},
			Resource: append(webACLs, loadBalancers),
		}, {
			Sid:    "ReadFirewallAlarms",
			Effect: policy.Allow,
			Action: []string{
				"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
				"kms:ListResourceTags", "logs:ListTagsForResource", "sns:GetTopicAttributes", "sns:ListTagsForResource",
			},
			Resource: []string{usEast1.arn("cloudwatch", "alarm:*"), keys, logGroups, topics},
		}},
		deploy: []policy.Statement{{
			// AWS asks for the managed rule groups of a web ACL as well, by this type of ARN
			// (https://github.com/aws-samples/amazon-cloudfront-waf-secretsmanager/issues/3).
			Sid:    "ManageFirewall",
			Effect: policy.Allow,
			Action: []string{
				"wafv2:AssociateWebACL", "wafv2:CreateWebACL", "wafv2:DeleteLoggingConfiguration", "wafv2:DeleteWebACL", "wafv2:DisassociateWebACL",
				"wafv2:PutLoggingConfiguration", "wafv2:TagResource", "wafv2:UntagResource", "wafv2:UpdateWebACL",
			},
			Resource: append(append([]string{}, webACLs...), append(ruleSets, loadBalancers)...),
		}, {
			// The reference has no resource for it. AWS compares the load balancer (https://github.com/mattclay/aws-terminator/pull/136).
			Sid:      "AssociateWithLoadBalancer",
			Effect:   policy.Allow,
			Action:   []string{"elasticloadbalancing:SetWebAcl"},
			Resource: []string{loadBalancers},
		}, {
			// AWS WAF delivers its logs by a log delivery, which it makes with the caller's permissions. They do not support resources
			// (https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html).
			Sid:      "DeliverFirewallLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogDelivery", "logs:DeleteLogDelivery"},
			Resource: []string{"*"},
		}, {
			Sid:       "CreateFirewallServiceLinkedRole",
			Effect:    policy.Allow,
			Action:    []string{"iam:CreateServiceLinkedRole"},
			Resource:  []string{a.globalARN("iam", "role/aws-service-role/wafv2.amazonaws.com/*")},
			Condition: policy.Condition{"StringEquals": {"iam:AWSServiceName": {"wafv2.amazonaws.com"}}},
		}, {
			Sid:    "ManageFirewallAlarms",
			Effect: policy.Allow,
			Action: []string{
				"cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource", "kms:CreateAlias",
				"kms:DeleteAlias", "kms:UpdateAlias", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource",
				"logs:UntagResource", "sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource",
				"sns:UntagResource",
			},
			Resource: []string{alarms, alias, logGroups, topics},
		}, {
			Sid:       "TagNewFirewallKey",
			Effect:    policy.Allow,
			Action:    []string{"kms:TagResource"},
			Resource:  []string{keys},
			Condition: withFirstProjectTag,
		}, {
			Sid:    "ManageFirewallKey",
			Effect: policy.Allow,
			Action: []string{
				"kms:CreateAlias", "kms:DeleteAlias", "kms:DisableKeyRotation", "kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
				"kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
			},
			Resource:  []string{keys},
			Condition: onProjectTag,
		}},
		suppressions: []suppression{permissionsManagement, {
			"The reference has no resource for it, but AWS compares the load balancer",
			[]string{"RESOURCE_MISMATCH:AssociateWithLoadBalancer"},
		}, {
			"An alias is selected by its name and a key by its tag, so each has its own statement",
			[]string{"RESOURCE_MISMATCH:ManageFirewallAlarms", "RESOURCE_MISMATCH:ManageFirewallKey"},
		}},
	}
}
