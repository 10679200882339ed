package config

import (
	"maps"
	"slices"
	"strings"
)

// Firewall is the web ACLs of AWS WAF: one at the edge, for the distribution, and one for the load balancer.
type Firewall struct {
	// What happens to a request that a rule matches. count: it is only counted, whatever the rules and the overrides say. block: the rules act.
	//
	// AWS recommends to count first, in production too (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-testing.html).
	Mode string `json:"mode" jsonschema:"enum=count,enum=block" change:"free: with the block, deploy bootstrap first, for the roles"`
	// Requests of one address in 5 minutes, from which on it is refused with status 429, at the edge and at the load balancer.
	//
	// AWS's limits: https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html.
	RateLimit int `json:"rateLimit" jsonschema:"minimum=10,maximum=2000000000" change:"free"`
	// Other actions of rules in AWS's managed rule groups, each rule at most once.
	//
	// AWS allows 100 in a managed rule group (https://docs.aws.amazon.com/waf/latest/APIReference/API_ManagedRuleGroupStatement.html), more than
	// the groups have rules.
	Overrides []FirewallOverride `json:"overrides" change:"free"`
	// Logs of requests, in two log groups of their own, aws-waf-logs-*. Without it there are no logs.
	Logs *FirewallLogs `json:"logs,omitempty"`
}

// FirewallOverride is another action of a rule in a managed rule group.
type FirewallOverride struct {
	// Rule of AWS's managed rule groups, SizeRestrictions_BODY. docs/components.md lists the groups.
	//
	// The names are in managedRules, which the check compares.
	Rule string `json:"rule" jsonschema:"required" change:"free"`
	// What the rule does to a request that it matches. allow: the request skips every later rule.
	//
	// AWS's actions, without those that ask a browser to prove itself, which the API's clients do not answer
	// (https://docs.aws.amazon.com/waf/latest/APIReference/API_RuleAction.html).
	Action string `json:"action" jsonschema:"required,enum=allow,enum=block,enum=count" change:"free"`
}

// FirewallLogs is the destination of the logs, and what is logged. Both keys are required, so that there is no logging without a destination.
type FirewallLogs struct {
	// Days that the two log groups, which are the destination, keep the logs.
	//
	// AWS's values: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html.
	RetentionDays int `json:"retentionDays" jsonschema:"required,enum=1,enum=3,enum=5,enum=7,enum=14,enum=30,enum=60,enum=90,enum=120,enum=150,enum=180,enum=365,enum=400,enum=545,enum=731,enum=1096,enum=1827,enum=2192,enum=2557,enum=2922,enum=3288,enum=3653" change:"free"`
	// Which requests are logged. matched: those that a rule has blocked or counted.
	//
	// AWS's filter compares the actions of the rules (https://docs.aws.amazon.com/waf/latest/APIReference/API_ActionCondition.html).
	Requests string `json:"requests" jsonschema:"required,enum=all,enum=matched" change:"free"`
}

func defaultFirewall() *Firewall {
	return &Firewall{Mode: "count", RateLimit: 2000, Overrides: []FirewallOverride{}}
}

// The managed rule groups of the web ACLs.
const (
	CommonRuleSet         = "AWSManagedRulesCommonRuleSet"
	KnownBadInputsRuleSet = "AWSManagedRulesKnownBadInputsRuleSet"
	SQLiRuleSet           = "AWSManagedRulesSQLiRuleSet"
	IPReputationList      = "AWSManagedRulesAmazonIpReputationList"
)

// managedRules are the rules of each managed rule group. An override of any other name has no effect on AWS.
//
// The first two: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html. Then
// https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-use-case.html and
// https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-ip-rep.html.
var managedRules = map[string][]string{
	CommonRuleSet: {
		"NoUserAgent_HEADER", "UserAgent_BadBots_HEADER",
		"SizeRestrictions_QUERYSTRING", "SizeRestrictions_Cookie_HEADER", "SizeRestrictions_BODY", "SizeRestrictions_URIPATH",
		"EC2MetaDataSSRF_BODY", "EC2MetaDataSSRF_COOKIE", "EC2MetaDataSSRF_URIPATH", "EC2MetaDataSSRF_QUERYARGUMENTS",
		"GenericLFI_QUERYARGUMENTS", "GenericLFI_URIPATH", "GenericLFI_BODY",
		"RestrictedExtensions_URIPATH", "RestrictedExtensions_QUERYARGUMENTS",
		"GenericRFI_QUERYARGUMENTS", "GenericRFI_BODY", "GenericRFI_URIPATH",
		"CrossSiteScripting_COOKIE", "CrossSiteScripting_QUERYARGUMENTS", "CrossSiteScripting_BODY", "CrossSiteScripting_URIPATH",
	},
	KnownBadInputsRuleSet: {
		"JavaDeserializationRCE_HEADER", "JavaDeserializationRCE_BODY", "JavaDeserializationRCE_URIPATH", "JavaDeserializationRCE_QUERYSTRING",
		"Host_localhost_HEADER", "PROPFIND_METHOD", "ExploitablePaths_URIPATH",
		"Log4JRCE_HEADER", "Log4JRCE_QUERYSTRING", "Log4JRCE_BODY", "Log4JRCE_URIPATH",
		"ReactJSRCE_BODY",
	},
	SQLiRuleSet: {
		"SQLi_QUERYARGUMENTS", "SQLiExtendedPatterns_QUERYARGUMENTS", "SQLi_BODY", "SQLiExtendedPatterns_BODY", "SQLi_COOKIE", "SQLi_URIPATH",
	},
	IPReputationList: {"AWSManagedIPReputationList", "AWSManagedReconnaissanceList", "AWSManagedIPDDoSList"},
}

// OverridesOf returns the overrides of the rules in a managed rule group.
func (f Firewall) OverridesOf(group string) []FirewallOverride {
	var overrides []FirewallOverride
	for _, override := range f.Overrides {
		if slices.Contains(managedRules[group], override.Rule) {
			overrides = append(overrides, override)
		}
	}
	return overrides
}

func (f Firewall) check(at place, _ Environment) {
	known := slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(managedRules))...)))
	seen := map[string]int{}
	for i, override := range f.Overrides {
		rule := at.key("overrides").item(i).key("rule")
		if !slices.Contains(known, override.Rule) {
			rule.problem("%q is not a rule of the managed rule groups; allowed: %s", override.Rule, strings.Join(known, ", "))
		}
		if first, ok := seen[override.Rule]; ok {
			rule.problem("%q is duplicated; it is also item %d", override.Rule, first+1)
		}
		seen[override.Rule] = i
	}
}
