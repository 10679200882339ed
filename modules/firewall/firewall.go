// Package firewall is AWS WAF: a web ACL at the edge, in front of the distribution, and one in front of the load balancer, which can be reached
// without the distribution.
package firewall

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/wafv2webacl"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/wafv2webaclassociation"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/loadbalancer"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// Config is what the web ACLs protect, and who is notified of blocked requests.
type Config struct {
	NamePrefix   string // "starttech-production"
	Account      string
	Region       string
	USEast1      cdktf.TerraformProvider
	Distribution cloudfrontdistribution.CloudfrontDistribution
	LoadBalancer *loadbalancer.Output
	Alarms       monitoring.Alarms // in Region
	AlarmEmails  []string

	config.Firewall
	DeletionProtection bool // whether a destroy of the log groups is refused
}

// acl is a web ACL before it is created.
type acl struct {
	id       string // "edge"
	name     string // "starttech-production-edge"; of its metrics too
	scope    string // AWS's: CLOUDFRONT or REGIONAL
	region   string
	provider cdktf.TerraformProvider // nil: the stack's own
	groups   []string                // AWS's managed rule groups
	limits   []any                   // rate-based statements
	alarms   monitoring.Alarms
}

// New creates
//
//	WebACL edge   <- Distribution -> LoggingConfiguration -> LogGroup   (us-east-1)
//	              <- Alarm -> Topic edge_alarms
//	WebACL origin <- WebACLAssociation -> LoadBalancer
//	              -> LoggingConfiguration -> LogGroup
//	              <- Alarm -> Topic
//
// and returns the graphs of the dashboard. A web ACL for CloudFront, its log group, its metrics and its alarm are in us-east-1
// (https://docs.aws.amazon.com/waf/latest/developerguide/how-aws-waf-works-resources.html,
// https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html). So is the topic of the alarm: an alarm notifies topics of its own
// region (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html).
func New(scope constructs.Construct, c Config) []monitoring.Graph {
	edgeAlarms := c.Alarms
	if c.Region != usEast1 {
		edgeAlarms.TopicARN = monitoring.NewTopic(scope, monitoring.Topic{
			ID: "edge_alarms", Name: c.NamePrefix + "-edge", Account: c.Account, Region: usEast1, Provider: c.USEast1, Emails: c.AlarmEmails,
		})
	}
	edge := acl{
		id: "edge", name: c.NamePrefix + "-edge", scope: "CLOUDFRONT", region: usEast1, provider: c.USEast1, alarms: edgeAlarms,
		groups: []string{config.IPReputationList, config.KnownBadInputsRuleSet, config.SQLiRuleSet, config.CommonRuleSet},
		limits: []any{byAddress(c.RateLimit)},
	}
	// The load balancer gets most requests from CloudFront's addresses. AWS's reputation list compares the address of the connection only
	// (https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-ip-rep.html), so that it says nothing here.
	origin := acl{
		id: "origin", name: c.NamePrefix + "-origin", scope: "REGIONAL", region: c.Region, alarms: c.Alarms,
		groups: []string{config.KnownBadInputsRuleSet, config.SQLiRuleSet, config.CommonRuleSet},
		limits: []any{byForwardedAddress(c.RateLimit), byAddressOfDirectRequests(c.RateLimit)},
	}
	c.Distribution.SetWebAclId(c.newACL(scope, edge))
	wafv2webaclassociation.NewWafv2WebAclAssociation(scope, jsii.String("origin_web_acl_association"), &wafv2webaclassociation.Wafv2WebAclAssociationConfigA{
		ResourceArn: c.LoadBalancer.ARN,
		WebAclArn:   c.newACL(scope, origin),
	})
	const reason = "The check asks for AWSManagedRulesAnonymousIpList too, which refuses viewers behind VPNs and relays"
	suppress.Finding(c.Distribution, reason, "CKV2_AWS_47")
	if !c.LoadBalancer.Private { // the rule is for public ones
		suppress.Finding(c.LoadBalancer.Resource, reason, "CKV2_AWS_76")
	}
	return []monitoring.Graph{edge.graph("Firewall of CloudFront"), origin.graph("Firewall of the load balancer")}
}

const usEast1 = "us-east-1"

// newACL creates a web ACL with its logs and its alarm, and returns its ARN.
func (c Config) newACL(scope constructs.Construct, a acl) *string {
	webACL := wafv2webacl.NewWafv2WebAcl(scope, jsii.String(a.id+"_web_acl"), &wafv2webacl.Wafv2WebAclConfig{
		Provider:         a.provider,
		Name:             jsii.String(a.name),
		Scope:            jsii.String(a.scope),
		DefaultAction:    &wafv2webacl.Wafv2WebAclDefaultAction{Allow: &wafv2webacl.Wafv2WebAclDefaultActionAllow{}},
		VisibilityConfig: &wafv2webacl.Wafv2WebAclVisibilityConfig{CloudwatchMetricsEnabled: jsii.Bool(true), MetricName: jsii.String(a.name), SampledRequestsEnabled: jsii.Bool(true)},
		// The samples and the logs are without the credentials of the viewers
		// (https://docs.aws.amazon.com/waf/latest/developerguide/data-protection-masking.html).
		DataProtectionConfig: &wafv2webacl.Wafv2WebAclDataProtectionConfig{
			DataProtection: []*wafv2webacl.Wafv2WebAclDataProtectionConfigDataProtection{{
				Action: jsii.String("SUBSTITUTION"),
				Field:  &wafv2webacl.Wafv2WebAclDataProtectionConfigDataProtectionField{FieldType: jsii.String("SINGLE_HEADER"), FieldKeys: jsii.Strings(credentialHeaders...)},
			}},
		},
		// Without this, Terraform would delete the web ACL of a removed block before it updates the distribution, which AWS refuses
		// (https://github.com/hashicorp/terraform-provider-aws/issues/37229).
		Lifecycle: &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true)},
	})
	webACL.AddOverride(jsii.String("rule"), c.rules(a))
	arn := webACL.Arn()
	if c.Mode == "count" {
		suppress.Finding(webACL, "The environment file lets the rules count, so that they do not block the application's own requests", "CKV_AWS_192")
	}
	if c.Logs == nil {
		suppress.Finding(webACL, "The environment file has no logs of the firewall; the samples and the metrics remain", "CKV2_AWS_31")
	} else {
		c.newLogs(scope, a, arn)
	}

	// In the mode count, nothing is blocked, and the alarm is silent.
	a.alarms.New(scope, monitoring.Alarm{
		ID: a.id + "_blocked_requests", Name: a.id + "-blocked-requests", Section: "blocked-requests",
		Description: "The firewall has blocked more than 100 requests in 5 minutes: an attack, or a rule that matches the application's own requests",
		Metric:      a.metric("BlockedRequests"),
		Comparison:  monitoring.GreaterThan, Threshold: 100, PeriodSeconds: 5 * monitoring.Minute, TreatMissingData: monitoring.NotBreaching,
		Provider: a.provider,
	})
	return arn
}

// metric is a metric of all rules of the web ACL. The metrics of a web ACL for CloudFront have no dimension Region
// (https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html).
func (a acl) metric(name string) monitoring.Metric {
	dimensions := []string{"WebACL", a.name, "Rule", "ALL"}
	if a.scope == "REGIONAL" {
		dimensions = append(dimensions, "Region", a.region)
	}
	return monitoring.Metric{Namespace: "AWS/WAFV2", Name: name, Dimensions: dimensions, Statistic: "Sum"}
}

func (a acl) graph(title string) monitoring.Graph {
	return monitoring.Graph{
		Title:   title,
		Metrics: []monitoring.Metric{a.metric("AllowedRequests"), a.metric("BlockedRequests"), a.metric("CountedRequests")},
		Region:  a.region,
	}
}
