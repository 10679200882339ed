package network

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchloggroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/flowlog"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/modules/exception"
	"github.com/starttech/infrastructure/modules/policy"
)

// newFlowLogs creates
//
//	FlowLog -> LogGroup
//	  -> Role -> RolePolicy (write to that group)
func newFlowLogs(scope constructs.Construct, config Config, vpcID *string) {
	group := cloudwatchloggroup.NewCloudwatchLogGroup(scope, jsii.String("flow_logs_group"), &cloudwatchloggroup.CloudwatchLogGroupConfig{
		Name:            jsii.String(config.Path + "/vpc/flow"),
		RetentionInDays: jsii.Number(config.LogRetentionDays),
		Lifecycle:       &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(config.Protected)},
	})
	exception.Accept(group, exception.AWSKey, "CKV_AWS_158")
	if config.LogRetentionDays < 365 {
		exception.Accept(group, exception.ShortRetention, "CKV_AWS_338")
	}
	groupARN := group.Arn()
	role := iamrole.NewIamRole(scope, jsii.String("flow_logs_role"), &iamrole.IamRoleConfig{
		Name:                jsii.String(config.Name + "-flow-logs"),
		Description:         jsii.String("Lets VPC flow logs write to their log group"),
		AssumeRolePolicy:    policy.AssumeRole("vpc-flow-logs.amazonaws.com"),
		PermissionsBoundary: jsii.String(config.Boundary),
	})
	// The actions that AWS asks for (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html), but
	// for creating the group, which exists.
	iamrolepolicy.NewIamRolePolicy(scope, jsii.String("flow_logs_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("write-flow-logs"),
		Role: role.Id(),
		Policy: policy.Document(policy.Statement{
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
			Resource: []string{*groupARN + ":*"},
		}),
	})
	flowlog.NewFlowLog(scope, jsii.String("flow_logs"), &flowlog.FlowLogConfig{
		VpcId:          vpcID,
		TrafficType:    jsii.String("ALL"),
		LogDestination: groupARN,
		IamRoleArn:     role.Arn(),
		Tags:           name(config.Name),
	})
}
