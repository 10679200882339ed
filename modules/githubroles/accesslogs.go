package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// accessLogs is CloudFront's access logs, which are in us-east-1. What is not in another region is in monitoring.
func accessLogs(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Frontend.AccessLogs }) {
		return part{}
	}
	logs := account{a.id, "us-east-1"}
	everything := []string{
		logs.arn("logs", "delivery:*"), logs.arn("logs", "delivery-destination:"+prefixed("*")), logs.arn("logs", "delivery-source:"+prefixed("*")),
		logs.arn("logs", "log-group:"+pathPrefixed("*")),
	}
	return part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadCloudFrontLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:GetDelivery", "logs:GetDeliveryDestination", "logs:GetDeliverySource", "logs:ListTagsForResource"},
			Resource: everything,
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageCloudFrontLogs",
			Effect: policy.Allow,
			Action: []string{
				"logs:CreateDelivery", "logs:CreateLogGroup", "logs:DeleteDelivery", "logs:DeleteDeliveryDestination", "logs:DeleteDeliverySource",
				"logs:DeleteLogGroup", "logs:PutDeliveryDestination", "logs:PutDeliverySource", "logs:PutRetentionPolicy", "logs:TagResource",
				"logs:UntagResource", "logs:UpdateDeliveryConfiguration",
			},
			Resource: everything,
		}, {
			// CloudWatch Logs asks CloudFront, as in monitoring.
			Sid:       "AllowCloudFrontLogDelivery",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:AllowVendedLogDeliveryForResource"},
			Resource:  []string{a.globalARN("cloudfront", "distribution/*")},
			Condition: onProjectTag,
		}},
	}
}
