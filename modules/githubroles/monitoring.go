package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// monitoring is log groups with their deliveries and saved queries, alarms, dashboard, and the alarms' topic with its key.
func monitoring(a account) part {
	var (
		logGroups  = a.arn("logs", "log-group:"+pathPrefixed("*"))
		deliveries = []string{
			a.arn("logs", "delivery:*"), a.arn("logs", "delivery-destination:"+prefixed("*")), a.arn("logs", "delivery-source:"+prefixed("*")),
		}
		dashboards = a.globalARN("cloudwatch", "dashboard/"+prefixed("*"))
		topics     = a.arn("sns", prefixed("*"))
		keys       = a.arn("kms", "key/*")
	)
	return part{
		id: "monitoring",
		planUnscoped: []string{
			"kms:ListAliases", "logs:DescribeLogGroups", "logs:DescribeQueryDefinitions", "logs:DescribeResourcePolicies",
			"sns:GetSubscriptionAttributes",
		},
		plan: []policy.Statement{{
			Sid:      "ReadLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:GetDelivery", "logs:GetDeliveryDestination", "logs:GetDeliverySource", "logs:ListTagsForResource"},
			Resource: append(deliveries, logGroups),
		}, {
			Sid:      "ReadAlarms",
			Effect:   policy.Allow,
			Action:   []string{"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"},
			Resource: []string{a.arn("cloudwatch", "alarm:*")},
		}, {
			Sid:      "ReadDashboards",
			Effect:   policy.Allow,
			Action:   []string{"cloudwatch:GetDashboard"},
			Resource: []string{dashboards},
		}, {
			Sid:      "ReadTopics",
			Effect:   policy.Allow,
			Action:   []string{"sns:GetTopicAttributes", "sns:ListTagsForResource"},
			Resource: []string{topics},
		}, {
			Sid:      "ReadTopicKeys",
			Effect:   policy.Allow,
			Action:   []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"},
			Resource: []string{keys},
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageLogGroups",
			Effect: policy.Allow,
			Action: []string{
				"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource",
			},
			Resource: []string{logGroups},
		}, {
			Sid:    "ManageLogDelivery",
			Effect: policy.Allow,
			Action: []string{
				"logs:CreateDelivery", "logs:DeleteDelivery", "logs:DeleteDeliveryDestination", "logs:DeleteDeliverySource",
				"logs:PutDeliveryDestination", "logs:PutDeliverySource", "logs:TagResource", "logs:UntagResource",
				"logs:UpdateDeliveryConfiguration",
			},
			Resource: deliveries,
		}, {
			// CloudWatch Logs asks the service of the resource whose logs are delivered
			// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-vended-logs-permissions-V2.html).
			Sid:      "AllowVendedLogDelivery",
			Effect:   policy.Allow,
			Action:   []string{"elasticloadbalancing:AllowVendedLogDeliveryForResource"},
			Resource: []string{a.arn("elasticloadbalancing", "loadbalancer/app/"+prefixed("*"))},
		}, {
			Sid:      "ManageLogResourcePolicies",
			Effect:   policy.Allow,
			Action:   []string{"logs:DeleteResourcePolicy", "logs:PutResourcePolicy"},
			Resource: []string{"*"}, // do not support resource-level permissions
		}, {
			Sid:      "ManageQueryDefinitions",
			Effect:   policy.Allow,
			Action:   []string{"logs:DeleteQueryDefinition", "logs:PutQueryDefinition"},
			Resource: []string{"*"}, // do not support resource-level permissions
		}, {
			Sid:    "ManageAlarms",
			Effect: policy.Allow,
			Action: []string{
				"cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource",
			},
			Resource: []string{a.arn("cloudwatch", "alarm:"+prefixed("*"))},
		}, {
			Sid:      "ManageDashboard",
			Effect:   policy.Allow,
			Action:   []string{"cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"},
			Resource: []string{dashboards},
		}, {
			Sid:    "ManageTopic",
			Effect: policy.Allow,
			Action: []string{
				"sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:UntagResource",
			},
			Resource: []string{topics},
		}, {
			Sid:      "Unsubscribe",
			Effect:   policy.Allow,
			Action:   []string{"sns:Unsubscribe"},
			Resource: []string{"*"}, // does not support resource-level permissions
		}, {
			Sid:       "CreateTopicKey",
			Effect:    policy.Allow,
			Action:    []string{"kms:CreateKey"},
			Resource:  []string{"*"}, // a new key has no ARN yet
			Condition: withProjectTag,
		}, {
			Sid:       "TagNewTopicKey",
			Effect:    policy.Allow,
			Action:    []string{"kms:TagResource"},
			Resource:  []string{keys},
			Condition: withFirstProjectTag,
		}, {
			// KMS may take five minutes to see the tag of a new key. Until then, the key's own policy allows what the deploy does.
			Sid:    "ManageProjectTopicKey",
			Effect: policy.Allow,
			Action: []string{
				"kms:CreateAlias", "kms:DeleteAlias", "kms:DisableKeyRotation", "kms:EnableKeyRotation", "kms:PutKeyPolicy",
				"kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
			},
			Resource:  []string{keys},
			Condition: onProjectTag,
		}, {
			Sid:      "ManageTopicKeyAlias",
			Effect:   policy.Allow,
			Action:   []string{"kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"},
			Resource: []string{a.arn("kms", "alias/"+prefixed("*"))},
		}},
		instance: []policy.Statement{{
			Sid:      "WriteLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource: []string{logGroups},
		}},
		deliveryUnscoped: []string{"logs:DescribeLogGroups"},
		delivery: []policy.Statement{{
			Sid:      "WriteFlowLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resource: []string{logGroups},
		}},
		suppressions: []suppression{
			permissionsManagement,
			{
				"An alias is selected by its name and a key by its tag, so each has its own statement",
				[]string{"RESOURCE_MISMATCH:ManageProjectTopicKey", "RESOURCE_MISMATCH:ManageTopicKeyAlias"},
			},
		},
	}
}
