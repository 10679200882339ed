package network

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/flowlog"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/modules/logs"
)

// newFlowLogs creates
//
//	FlowLog -> LogGroup
//	  -> Role -> RolePolicy (write to that group)
//	QueryDefinition -> LogGroup
func newFlowLogs(scope constructs.Construct, c Config, vpcID *string) {
	group := logs.NewGroup(scope, "flow_logs_group", c.PathPrefix+"/vpc/flow", c.LogRetentionDays, c.DeletionProtection)
	groupARN := group.Arn()
	role := iamrole.NewIamRole(scope, jsii.String("flow_logs_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(c.NamePrefix + "-flow-logs"),
		Description: jsii.String("Lets VPC flow logs write to their log group"),
		AssumeRolePolicy: policy.AssumeRole("vpc-flow-logs.amazonaws.com", policy.Condition{
			// Only for flow logs of this account
			// (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html). AWS chooses the id of a flow log.
			"StringEquals": {"aws:SourceAccount": {c.Account}},
			"ArnLike":      {"aws:SourceArn": {"arn:aws:ec2:" + c.Region + ":" + c.Account + ":vpc-flow-log/*"}},
		}),
		PermissionsBoundary: jsii.String(c.PermissionsBoundary),
	})
	// The actions that AWS asks for (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html), except to
	// create the group, which exists.
	iamrolepolicy.NewIamRolePolicy(scope, jsii.String("flow_logs_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("write-flow-logs"),
		Role: role.Id(),
		Policy: policy.Document(policy.Statement{
			Sid:      "WriteFlowLogs",
			Effect:   policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
			Resource: []string{*groupARN + ":*"},
		}, policy.Statement{
			Sid:      "FindLogGroup",
			Effect:   policy.Allow,
			Action:   []string{"logs:DescribeLogGroups"},
			Resource: []string{"*"}, // does not support resource-level permissions
		}),
	})
	flowlog.NewFlowLog(scope, jsii.String("flow_logs"), &flowlog.FlowLogConfig{
		VpcId:          vpcID,
		TrafficType:    jsii.String("ALL"),
		LogDestination: groupARN,
		IamRoleArn:     role.Arn(),
		Tags:           name(c.NamePrefix),
	})
	// The fields are those that Insights discovers in flow logs
	// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html).
	logs.NewQuery(scope, c.NamePrefix, logs.Query{
		ID: "rejected_connections_query", Name: "rejected-connections", Group: group.Name(),
		Stages: []string{
			`filter action = "REJECT"`, "stats count(*) as records by srcAddr, dstAddr, dstPort, protocol", "sort records desc", "limit 50",
		},
	})
}
