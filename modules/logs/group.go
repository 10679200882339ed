package logs

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchloggroup"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/suppress"
)

// NewGroup creates a log group. retentionDays is one of the values that CloudWatch Logs accepts. With deletionProtection,
// Terraform refuses to destroy the group.
func NewGroup(scope constructs.Construct, id, name string, retentionDays int, deletionProtection bool) cloudwatchloggroup.CloudwatchLogGroup {
	group := cloudwatchloggroup.NewCloudwatchLogGroup(scope, jsii.String(id), &cloudwatchloggroup.CloudwatchLogGroupConfig{
		Name:            jsii.String(name),
		RetentionInDays: jsii.Number(retentionDays),
		Lifecycle:       &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(deletionProtection)},
	})
	suppress.Finding(group, suppress.AWSKey, "CKV_AWS_158")
	if retentionDays < 365 {
		suppress.Finding(group, suppress.ShortRetention, "CKV_AWS_338")
	}
	return group
}
