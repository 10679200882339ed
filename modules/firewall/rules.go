package firewall

// block is a block of Terraform's configuration language. The constructs have no types for the rules of a web ACL.
type block = map[string]any

// rules are the rate limits and then the managed rule groups, each with its name as its metric.
func (c Config) rules(a acl) []any {
	var rules []any
	add := func(name string, rule block) {
		rule["name"] = name
		rule["priority"] = len(rules)
		rule["visibility_config"] = block{"cloudwatch_metrics_enabled": true, "metric_name": a.name + "-" + name, "sampled_requests_enabled": true}
		rules = append(rules, rule)
	}
	counts := c.Mode == "count"
	for i, limit := range a.limits {
		action := block{"block": block{"custom_response": block{"response_code": 429}}} // instead of 403
		if counts {
			action = block{"count": block{}}
		}
		add([]string{"rate-limit", "rate-limit-of-direct-requests"}[i], block{"action": action, "statement": block{"rate_based_statement": limit}})
	}
	for _, group := range a.groups {
		statement := block{"vendor_name": "AWS", "name": group}
		var overrides []any
		for _, override := range c.OverridesOf(group) {
			overrides = append(overrides, block{"name": override.Rule, "action_to_use": block{override.Action: block{}}})
		}
		if len(overrides) > 0 {
			statement["rule_action_override"] = overrides
		}
		action := block{"none": block{}}
		if counts {
			action = block{"count": block{}} // whatever a rule of the group decides
		}
		add(group, block{"override_action": action, "statement": block{"managed_rule_group_statement": statement}})
	}
	return rules
}

// forwardedFor is the header to which CloudFront appends the viewer's address.
const forwardedFor = "X-Forwarded-For"

// byAddress limits the requests of each address that connects.
func byAddress(limit int) block {
	return block{"limit": limit, "aggregate_key_type": "IP", "evaluation_window_sec": 5 * 60}
}

// byForwardedAddress limits the requests of each viewer behind CloudFront. By the address that connects, one of CloudFront's servers would be
// blocked, with all viewers behind it. AWS WAF reads the first address of the header, which a viewer can invent. NO_MATCH: some proxies write
// "unknown" there, and the web ACL at the edge has counted their requests already
// (https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-forwarded-ip-address.html).
func byForwardedAddress(limit int) block {
	return block{
		"limit": limit, "aggregate_key_type": "FORWARDED_IP", "evaluation_window_sec": 5 * 60,
		"forwarded_ip_config": block{"header_name": forwardedFor, "fallback_behavior": "NO_MATCH"},
	}
}

// byAddressOfDirectRequests limits the requests that do not come from CloudFront, which always sends the header. Without the header,
// byForwardedAddress does not apply at all (as above).
func byAddressOfDirectRequests(limit int) block {
	statement := byAddress(limit)
	statement["scope_down_statement"] = block{"not_statement": block{"statement": block{"size_constraint_statement": block{
		"field_to_match":      block{"single_header": block{"name": "x-forwarded-for"}}, // in lower case
		"comparison_operator": "GT",
		"size":                0,
		"text_transformation": block{"priority": 0, "type": "NONE"},
	}}}}
	return statement
}
