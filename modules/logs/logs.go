// Package logs is the CloudWatch log groups, and the deliveries of the access logs: the load balancer's, and CloudFront's by choice.
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

// Output is the log groups.
type Output struct {
	BackendName *string
	BackendARN  *string
	AccessName  *string // of the load balancer's access logs
}

// Config is the names, the retention and the load balancer whose access logs are delivered.
type Config struct {
	NamePrefix         string // "starttech-production"
	PathPrefix         string // "/starttech/production"
	Account            string
	Region             string
	LoadBalancerName   string
	LoadBalancerARN    *string
	LogRetentionDays   int  // one of the values that CloudWatch Logs has
	DeletionProtection bool // whether a destroy of the groups is refused
}

// New creates
//
//	LogGroup backend
//	LoadBalancer -> DeliverySource -> Delivery -> DeliveryDestination -> LogGroup alb/access
//	                                  ResourcePolicy (allows the delivery) ->
//	QueryDefinitions -> LogGroups
//
// Load balancers send access logs to CloudWatch Logs as vended logs
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html).
func New(scope constructs.Construct, c Config) *Output {
	backend := NewGroup(scope, "backend_logs", c.PathPrefix+"/backend", c.LogRetentionDays, c.DeletionProtection)
	access := NewGroup(scope, "access_logs", c.PathPrefix+"/alb/access", c.LogRetentionDays, c.DeletionProtection)
	accessARN := access.Arn()

	permission := cloudwatchlogresourcepolicy.NewCloudwatchLogResourcePolicy(scope, jsii.String("access_logs_policy"), &cloudwatchlogresourcepolicy.CloudwatchLogResourcePolicyConfig{
		PolicyName:     jsii.String(c.NamePrefix + "-alb-access"),
		PolicyDocument: policy.Document(deliveryPermission(c.Account, c.Region, accessARN)),
	})
	source := cloudwatchlogdeliverysource.NewCloudwatchLogDeliverySource(scope, jsii.String("access_logs_source"), &cloudwatchlogdeliverysource.CloudwatchLogDeliverySourceConfig{
		// AWS does not delete a source that has a delivery. With the load balancer's name, another one replaces the delivery as well.
		Name:        jsii.String(c.LoadBalancerName + "-alb-access"),
		LogType:     jsii.String("ALB_ACCESS_LOGS"),
		ResourceArn: c.LoadBalancerARN,
	})
	destination := cloudwatchlogdeliverydestination.NewCloudwatchLogDeliveryDestination(scope, jsii.String("access_logs_destination"), &cloudwatchlogdeliverydestination.CloudwatchLogDeliveryDestinationConfig{
		Name:         jsii.String(c.NamePrefix + "-alb-access"),
		OutputFormat: jsii.String("json"),
		DeliveryDestinationConfiguration: []*cloudwatchlogdeliverydestination.CloudwatchLogDeliveryDestinationDeliveryDestinationConfiguration{{
			DestinationResourceArn: accessARN,
		}},
	})
	cloudwatchlogdelivery.NewCloudwatchLogDelivery(scope, jsii.String("access_logs_delivery"), &cloudwatchlogdelivery.CloudwatchLogDeliveryConfig{
		DeliverySourceName:     source.Name(),
		DeliveryDestinationArn: destination.Arn(),
		DependsOn:              &[]cdktf.ITerraformDependable{permission},
	})
	output := &Output{BackendName: backend.Name(), BackendARN: backend.Arn(), AccessName: access.Name()}
	for _, query := range []Query{{
		ID: "backend_errors_query", Name: "backend-errors", Group: output.BackendName,
		Stages: []string{"fields @timestamp, @logStream, @message", "filter @message like /(?i)(error|panic|fatal)/", "sort @timestamp desc", "limit 100"},
	}, {
		ID: "boot_failures_query", Name: "boot-failures", Group: output.BackendName,
		Stages: []string{"fields @timestamp, @logStream, @message", `filter @logStream like "/boot" and @message like /(?i)fail/`, "sort @timestamp desc", "limit 100"},
	}, {
		ID: "server_errors_query", Name: "server-errors", Group: output.AccessName,
		Stages: []string{"filter elb_status_code >= 500", "stats count(*) as requests by elb_status_code, target_status_code, request_line", "sort requests desc", "limit 50"},
	}, {
		ID: "slow_requests_query", Name: "slow-requests", Group: output.AccessName,
		Stages: []string{"fields @timestamp, target_processing_time, elb_status_code, request_line", "sort target_processing_time desc", "limit 50"},
	}} {
		NewQuery(scope, c.NamePrefix, query)
	}
	return output
}
