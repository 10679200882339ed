package claims

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

const inUSEast1 = "aws.us_east_1"

// onEveryFirewall is onEveryEnvironment with the block firewall, with its two web ACLs.
func onEveryFirewall(t *testing.T, claim func(t *testing.T, s stack, f config.Firewall, edge, origin resource)) {
	t.Helper()
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if f := s.Environment().Firewall; f != nil {
			claim(t, s, *f, s.Resource(t, "aws_wafv2_web_acl.edge_web_acl"), s.Resource(t, "aws_wafv2_web_acl.origin_web_acl"))
		}
	})
}

func rules(acl resource) []resource {
	list, _ := acl.Get("rule").([]any)
	var all []resource
	for _, rule := range list {
		all = append(all, rule.(map[string]any))
	}
	return all
}

// actionOf is the name of a block: {"count": {}} is "count".
func actionOf(rule resource, path ...any) string {
	block, _ := rule.Get(path...).(map[string]any)
	return strings.Join(slices.Sorted(maps.Keys(block)), ", ")
}

func TestTheFirewallIsInFrontOfTheDistributionAndTheLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		distribution := s.Resource(t, "aws_cloudfront_distribution.frontend_distribution")
		if s.Environment().Firewall == nil {
			distribution.Want(t, nil, "web_acl_id")
			for _, address := range s.Addresses() {
				if strings.HasPrefix(address, "aws_wafv2_") || strings.Contains(address, "firewall") || strings.Contains(address, "edge_") {
					t.Errorf("there is %s without the block", address)
				}
			}
			return
		}
		equal(t, "number of web ACLs", len(s.OfType("aws_wafv2_web_acl")), 2)
		distribution.Want(t, ref("aws_wafv2_web_acl.edge_web_acl", "arn"), "web_acl_id")
		_, association := s.Only(t, "aws_wafv2_web_acl_association")
		association.Want(t, ref("aws_wafv2_web_acl.origin_web_acl", "arn"), "web_acl_arn")
		association.Want(t, ref(loadBalancer(s), "arn"), "resource_arn")
	})
	onEveryFirewall(t, func(t *testing.T, s stack, _ config.Firewall, edge, origin resource) {
		for name, acl := range map[string]resource{"edge": edge, "origin": origin} {
			acl.Want(t, s.Environment().NamePrefix()+"-"+name, "name")
			acl.Want(t, acl.Get("name"), "visibility_config", "metric_name") // the dimension of the alarms and graphs
			acl.Want(t, map[string]any{"allow": map[string]any{}}, "default_action")
			// Otherwise Terraform would delete it before the distribution lets go of it, which AWS refuses.
			acl.Want(t, true, "lifecycle", "create_before_destroy")
		}
		edge.Want(t, "CLOUDFRONT", "scope")
		edge.Want(t, inUSEast1, "provider")
		origin.Want(t, "REGIONAL", "scope")
		origin.Want(t, nil, "provider")
	})
}

func TestTheFirewallHasAWSsRuleGroupsWithTheFilesOverrides(t *testing.T) {
	onEveryFirewall(t, func(t *testing.T, _ stack, f config.Firewall, edge, origin resource) {
		// Behind CloudFront, the list of addresses has nothing to compare.
		for _, c := range []struct {
			acl  resource
			want []string
		}{
			{edge, []string{config.IPReputationList, config.KnownBadInputsRuleSet, config.SQLiRuleSet, config.CommonRuleSet}},
			{origin, []string{config.KnownBadInputsRuleSet, config.SQLiRuleSet, config.CommonRuleSet}},
		} {
			groups, overrides := []string{}, map[string]string{}
			for i, rule := range rules(c.acl) {
				rule.Want(t, float64(i), "priority")
				rule.Want(t, true, "visibility_config", "cloudwatch_metrics_enabled")
				group := rule.Text("statement", "managed_rule_group_statement", "name")
				if group == "" {
					continue
				}
				rule.Want(t, "AWS", "statement", "managed_rule_group_statement", "vendor_name")
				equal(t, "the result of "+group, actionOf(rule, "override_action"), map[string]string{"count": "count", "block": "none"}[f.Mode])
				groups = append(groups, group)
				list, _ := rule.Get("statement", "managed_rule_group_statement", "rule_action_override").([]any)
				for _, item := range list {
					override := resource(item.(map[string]any))
					overrides[override.Text("name")] = actionOf(override, "action_to_use")
				}
			}
			equal(t, "rule groups", groups, c.want)
			want := map[string]string{}
			for _, group := range c.want {
				for _, override := range f.OverridesOf(group) {
					want[override.Rule] = override.Action
				}
			}
			equal(t, "overrides", overrides, want)
		}
	})
	row{"aws_wafv2_web_acl.origin_web_acl", at("rule", 4, "statement", "managed_rule_group_statement", "rule_action_override", 0, "name"), "SizeRestrictions_BODY"}.check(t, component(t, "everything"))
}

func TestTheFirewallLimitsTheRequestsOfEachViewer(t *testing.T) {
	onEveryFirewall(t, func(t *testing.T, _ stack, f config.Firewall, edge, origin resource) {
		limits := func(acl resource) []string {
			var all []string
			for _, rule := range rules(acl) {
				limit, ok := rule.Get("statement", "rate_based_statement").(map[string]any)
				if !ok {
					continue
				}
				equal(t, "action", actionOf(rule, "action"), f.Mode)
				if f.Mode == "block" {
					rule.Want(t, 429.0, "action", "block", "custom_response", "response_code")
				}
				of := resource(limit)
				description := fmt.Sprintf("%v in %v s by %v %v %v", of.Get("limit"), of.Get("evaluation_window_sec"), of.Get("aggregate_key_type"),
					of.Text("forwarded_ip_config", "header_name"), of.Text("forwarded_ip_config", "fallback_behavior"))
				if header := of.Text("scope_down_statement", "not_statement", "statement", "size_constraint_statement", "field_to_match", "single_header", "name"); header != "" {
					description += "without " + header
				}
				all = append(all, strings.TrimSpace(description))
			}
			return all
		}
		each := fmt.Sprintf("%d in 300 s by ", f.RateLimit)
		equal(t, "limits at the edge", limits(edge), []string{each + "IP"})
		// By the address of the connection, CloudFront itself would be refused.
		equal(t, "limits at the load balancer", limits(origin), []string{each + "FORWARDED_IP X-Forwarded-For NO_MATCH", each + "IP  without x-forwarded-for"})
	})
}

func TestTheFirewallStoresNoCredentials(t *testing.T) {
	onEveryFirewall(t, func(t *testing.T, s stack, _ config.Firewall, edge, origin resource) {
		headers := []string{"authorization", "cookie"}
		for _, acl := range []resource{edge, origin} {
			acl.Want(t, "SUBSTITUTION", "data_protection_config", "data_protection", 0, "action")
			acl.Want(t, "SINGLE_HEADER", "data_protection_config", "data_protection", 0, "field", "field_type")
			equal(t, "headers without their values in samples", acl.Strings("data_protection_config", "data_protection", 0, "field", "field_keys"), headers)
		}
		for _, logging := range s.OfType("aws_wafv2_web_acl_logging_configuration") {
			var redacted []string
			for i := range headers {
				redacted = append(redacted, logging.Text("redacted_fields", i, "single_header", "name"))
			}
			equal(t, "headers without their values in logs", redacted, headers)
		}
	})
}

func TestTheFirewallLogsWhatTheFileSays(t *testing.T) {
	onEveryFirewall(t, func(t *testing.T, s stack, f config.Firewall, _, _ resource) {
		e := s.Environment()
		want := map[string]string{}
		if f.Logs != nil {
			want = map[string]string{"edge": "us-east-1", "origin": e.Region}
		}
		got := map[string]string{}
		for address, logging := range s.OfType("aws_wafv2_web_acl_logging_configuration") {
			name := strings.TrimSuffix(strings.TrimPrefix(address, "aws_wafv2_web_acl_logging_configuration."), "_firewall_logging")
			got[name] = want[name]
			logging.Want(t, ref("aws_wafv2_web_acl."+name+"_web_acl", "arn"), "resource_arn")
			equal(t, "destinations", logging.Strings("log_destination_configs"), refs("arn", "aws_cloudwatch_log_group."+name+"_firewall_logs"))

			group := s.Resource(t, "aws_cloudwatch_log_group."+name+"_firewall_logs")
			permission := "aws_cloudwatch_log_resource_policy." + name + "_firewall_logs_policy"
			group.Want(t, "aws-waf-logs-"+e.NamePrefix()+"-"+name, "name")
			group.Want(t, float64(f.Logs.RetentionDays), "retention_in_days")
			equal(t, "logging waits for", logging.Strings("depends_on"), []string{permission})
			equal(t, "permission", s.Resource(t, permission).Statements(t, "policy_document"), []statement{{
				Sid: "AllowLogDelivery", Effect: "Allow", Principal: map[string][]string{"Service": {"delivery.logs.amazonaws.com"}},
				Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
				Resource: []string{"arn:aws:logs:" + want[name] + ":" + e.Account + ":log-group:" + group.Text("name") + ":log-stream:*"},
				Condition: map[string]map[string][]string{
					"StringEquals": {"aws:SourceAccount": {e.Account}},
					"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:" + want[name] + ":" + e.Account + ":*"}},
				},
			}})
			for _, each := range []resource{group, logging, s.Resource(t, permission)} {
				each.Want(t, map[string]any{"edge": inUSEast1, "origin": nil}[name], "provider")
			}

			var kept []string
			conditions, _ := logging.Get("logging_filter", "filter", 0, "condition").([]any)
			for i := range conditions {
				kept = append(kept, logging.Text("logging_filter", "filter", 0, "condition", i, "action_condition", "action"))
			}
			if f.Logs.Requests == "all" {
				logging.Want(t, nil, "logging_filter")
			} else {
				logging.Want(t, "DROP", "logging_filter", "default_behavior")
				logging.Want(t, "KEEP", "logging_filter", "filter", 0, "behavior")
				logging.Want(t, "MEETS_ANY", "logging_filter", "filter", 0, "requirement")
				equal(t, "actions that are logged", kept, []string{"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"})
			}
		}
		equal(t, "logs", got, want)
	})
}

// CloudWatch's alarms notify topics of their region, and the metrics of CloudFront's web ACL are in us-east-1.
func TestTheAlarmOfCloudFrontsFirewallIsInItsRegion(t *testing.T) {
	onEveryFirewall(t, func(t *testing.T, s stack, _ config.Firewall, _, _ resource) {
		for name, provider := range map[string]any{"edge": inUSEast1, "origin": nil} {
			alarm := s.Resource(t, "aws_cloudwatch_metric_alarm."+name+"_blocked_requests")
			alarm.Want(t, provider, "provider")
			alarm.Want(t, s.Environment().NamePrefix()+"-"+name, "dimensions", "WebACL")
		}
		for _, kind := range []string{"aws_sns_topic", "aws_sns_topic_policy", "aws_sns_topic_subscription", "aws_kms_key", "aws_kms_alias"} {
			for address, r := range s.OfType(kind) {
				if strings.Contains(address, ".edge_alarms") {
					r.Want(t, inUSEast1, "provider")
				} else {
					r.Want(t, nil, "provider")
				}
			}
		}
	})
}
