package logs

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchlogdelivery"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchlogdeliverydestination"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchlogdeliverysource"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchlogresourcepolicy"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/policy"
)

// CloudFrontConfig is the distribution whose access logs are delivered.
type CloudFrontConfig struct {
	NamePrefix         string // "starttech-production"
	PathPrefix         string // "/starttech/production"
	Account            string
	DistributionARN    *string
	LogRetentionDays   int  // one of the values that CloudWatch Logs has
	DeletionProtection bool // whether a destroy of the group is refused
	// USEast1 is a provider of us-east-1, where CloudFront's deliveries are
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html).
	USEast1 cdktf.TerraformProvider
}

// cloudFrontFields are the fields of an event: CloudFront's default ones, but for the cookies, in which the session is
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html). Provider 5.100 cannot change the fields of a
// delivery (https://github.com/hashicorp/terraform-provider-aws/issues/46108): a change needs `terraform apply -replace` for the delivery.
var cloudFrontFields = []string{
	"date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status", "cs(Referer)", "cs(User-Agent)",
	"cs-uri-query", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for",
	"ssl-protocol", "ssl-cipher", "x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port",
	"time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end",
}

// NewCloudFront creates, in us-east-1,
//
//	Distribution -> DeliverySource -> Delivery -> DeliveryDestination -> LogGroup cloudfront/access
//	                                  ResourcePolicy (allows the delivery) ->
//	QueryDefinition -> LogGroup
func NewCloudFront(scope constructs.Construct, c CloudFrontConfig) {
	name := jsii.String(c.NamePrefix + "-cloudfront-access")
	group := NewGroup(scope, "cloudfront_logs", c.PathPrefix+"/cloudfront/access", c.LogRetentionDays, c.DeletionProtection)
	group.SetProvider(c.USEast1)
	groupARN := group.Arn()
	permission := cloudwatchlogresourcepolicy.NewCloudwatchLogResourcePolicy(scope, jsii.String("cloudfront_logs_policy"), &cloudwatchlogresourcepolicy.CloudwatchLogResourcePolicyConfig{
		PolicyName:     name,
		PolicyDocument: policy.Document(deliveryPermission(c.Account, "us-east-1", groupARN)),
		Provider:       c.USEast1,
	})
	source := cloudwatchlogdeliverysource.NewCloudwatchLogDeliverySource(scope, jsii.String("cloudfront_logs_source"), &cloudwatchlogdeliverysource.CloudwatchLogDeliverySourceConfig{
		Name:        name,
		LogType:     jsii.String("ACCESS_LOGS"),
		ResourceArn: c.DistributionARN,
		Provider:    c.USEast1,
	})
	destination := cloudwatchlogdeliverydestination.NewCloudwatchLogDeliveryDestination(scope, jsii.String("cloudfront_logs_destination"), &cloudwatchlogdeliverydestination.CloudwatchLogDeliveryDestinationConfig{
		Name:         name,
		OutputFormat: jsii.String("json"),
		DeliveryDestinationConfiguration: []*cloudwatchlogdeliverydestination.CloudwatchLogDeliveryDestinationDeliveryDestinationConfiguration{{
			DestinationResourceArn: groupARN,
		}},
		Provider: c.USEast1,
	})
	cloudwatchlogdelivery.NewCloudwatchLogDelivery(scope, jsii.String("cloudfront_logs_delivery"), &cloudwatchlogdelivery.CloudwatchLogDeliveryConfig{
		DeliverySourceName:     source.Name(),
		DeliveryDestinationArn: destination.Arn(),
		RecordFields:           jsii.Strings(cloudFrontFields...),
		DependsOn:              &[]cdktf.ITerraformDependable{permission},
		Provider:               c.USEast1,
	})
	NewQuery(scope, c.NamePrefix, Query{
		ID: "viewer_errors_query", Name: "viewer-errors", Group: group.Name(), Provider: c.USEast1,
		// A field with a hyphen needs backticks; in JSON, the values are strings.
		Stages: []string{
			"filter `sc-status` like /^[45]/", "stats count(*) as requests by `sc-status`, `cs-method`, `cs-uri-stem`, `x-edge-detailed-result-type`",
			"sort requests desc", "limit 50",
		},
	})
}

// deliveryPermission allows the delivery service to write to a log group, for deliveries of this account and region only.
func deliveryPermission(account, region string, groupARN *string) policy.Statement {
	return policy.Statement{
		Sid:       "AllowLogDelivery",
		Effect:    policy.Allow,
		Principal: policy.Service("delivery.logs.amazonaws.com"),
		Action:    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resource:  []string{*groupARN + ":log-stream:*"},
		Condition: policy.Condition{
			"StringEquals": {"aws:SourceAccount": {account}},
			"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:" + region + ":" + account + ":*"}},
		},
	}
}
