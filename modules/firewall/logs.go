package firewall

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchlogresourcepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/wafv2webaclloggingconfiguration"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/modules/logs"
)

// credentialHeaders are the headers in which a viewer sends its credentials.
var credentialHeaders = []string{"authorization", "cookie"}

// newLogs creates
//
//	WebACL <- LoggingConfiguration -> LogGroup aws-waf-logs-NAME
//	                                  <- ResourcePolicy (allows the delivery)
//	                                  <- QueryDefinition
//
// The name of the group has to begin with aws-waf-logs-
// (https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html). AWS would write a resource policy of its own, which Terraform
// would not delete, if this one did not allow the delivery
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html). A region has ten resource policies, of 5,120
// characters each (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutResourcePolicy.html).
func (c Config) newLogs(scope constructs.Construct, a acl, webACLARN *string) {
	name := "aws-waf-logs-" + a.name
	group := logs.NewGroup(scope, a.id+"_firewall_logs", name, c.Logs.RetentionDays, c.DeletionProtection)
	permission := cloudwatchlogresourcepolicy.NewCloudwatchLogResourcePolicy(scope, jsii.String(a.id+"_firewall_logs_policy"), &cloudwatchlogresourcepolicy.CloudwatchLogResourcePolicyConfig{
		PolicyName: jsii.String(a.name + "-firewall"),
		PolicyDocument: policy.Document(policy.Statement{
			Sid:       "AllowLogDelivery",
			Effect:    policy.Allow,
			Principal: policy.Service("delivery.logs.amazonaws.com"),
			Action:    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource:  []string{"arn:aws:logs:" + a.region + ":" + c.Account + ":log-group:" + name + ":log-stream:*"},
			Condition: policy.Condition{
				"StringEquals": {"aws:SourceAccount": {c.Account}},
				"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:" + a.region + ":" + c.Account + ":*"}},
			},
		}),
	})
	if a.provider != nil {
		group.SetProvider(a.provider)
		permission.SetProvider(a.provider)
	}
	var redacted []*wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationRedactedFields
	for _, header := range credentialHeaders {
		redacted = append(redacted, &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationRedactedFields{
			SingleHeader: &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationRedactedFieldsSingleHeader{Name: jsii.String(header)},
		})
	}
	logging := &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationConfig{
		Provider:              a.provider,
		ResourceArn:           webACLARN,
		LogDestinationConfigs: &[]*string{group.Arn()},
		RedactedFields:        redacted,
		DependsOn:             &[]cdktf.ITerraformDependable{permission},
	}
	if c.Logs.Requests == "matched" {
		logging.LoggingFilter = matched()
	}
	wafv2webaclloggingconfiguration.NewWafv2WebAclLoggingConfiguration(scope, jsii.String(a.id+"_firewall_logging"), logging)
	logs.NewQuery(scope, c.NamePrefix, logs.Query{
		ID: a.id + "_blocked_requests_query", Name: "blocked-requests-" + a.id, Group: group.Name(), Provider: a.provider,
		Stages: []string{
			`filter action = "BLOCK"`, "stats count(*) as requests by terminatingRuleId, httpRequest.clientIp, httpRequest.uri", "sort requests desc", "limit 50",
		},
	})
}

// matched keeps the requests that a rule has blocked or counted. EXCLUDED_AS_COUNT is AWS's other name for a rule of a group that only counts
// (https://docs.aws.amazon.com/waf/latest/APIReference/API_ActionCondition.html).
func matched() *wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilter {
	var conditions []*wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilterFilterCondition
	for _, action := range []string{"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"} {
		conditions = append(conditions, &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilterFilterCondition{
			ActionCondition: &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilterFilterConditionActionCondition{Action: jsii.String(action)},
		})
	}
	return &wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilter{
		DefaultBehavior: jsii.String("DROP"),
		Filter: []*wafv2webaclloggingconfiguration.Wafv2WebAclLoggingConfigurationLoggingFilterFilter{{
			Behavior:    jsii.String("KEEP"),
			Requirement: jsii.String("MEETS_ANY"),
			Condition:   conditions,
		}},
	}
}
