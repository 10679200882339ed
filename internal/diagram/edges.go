package diagram

import (
	"slices"
	"strings"
)

// references are the attributes that are drawn as an arrow from the resource to what it refers to, or the other way around.
var references = []struct {
	kind      string
	path      []any
	label     string
	backwards bool
}{
	{kind: "aws_route53_record", path: []any{"alias"}, label: "alias"},
	{kind: "aws_cloudfront_distribution", path: []any{"web_acl_id"}, label: "filters", backwards: true},
	{kind: "aws_shield_protection", path: []any{"resource_arn"}, label: "protects"},
	{kind: "aws_autoscaling_schedule", path: []any{"autoscaling_group_name"}, label: "scales"},
	{kind: "aws_cloudwatch_metric_alarm", path: []any{"dimensions"}, label: "metrics", backwards: true},
	{kind: "aws_cloudwatch_metric_alarm", path: []any{"alarm_actions"}, label: "alarms"},
}

// links are the resources that are no nodes, but connect two: from what one attribute refers to, to what the other one does.
var links = []struct {
	kind     string
	from, to string
	label    string
}{
	{"aws_wafv2_web_acl_association", "web_acl_arn", "resource_arn", "filters"},
	{"aws_wafv2_web_acl_logging_configuration", "resource_arn", "log_destination_configs", "logs"},
	{"aws_cloudwatch_event_target", "rule", "arn", "events"},
	{"aws_flow_log", "vpc_id", "log_destination", "logs"},
}

// addEdges adds the arrows: traffic, data, identity.
func (p *Picture) addEdges(s, account stack) {
	p.addTraffic(s)
	p.addLogs(s)
	for _, r := range references {
		for _, each := range s.ofType(r.kind) {
			for _, other := range refs(at(each.properties, r.path...)) {
				from, to := s.nodeOf(each.address), s.nodeOf(other)
				if r.backwards {
					from, to = to, from
				}
				p.addEdge(from, to, r.label)
			}
		}
	}
	for _, l := range links {
		for _, each := range s.ofType(l.kind) {
			for _, from := range refs(each.properties[l.from]) {
				for _, to := range refs(each.properties[l.to]) {
					p.addEdge(s.nodeOf(from), s.nodeOf(to), l.label)
				}
			}
		}
	}
	label := "no subscription"
	if subscriptions := s.ofType("aws_sns_topic_subscription"); len(subscriptions) > 0 {
		label = subscriptions[0].text("protocol")
	}
	p.addEdge("sns", "people", label)

	for _, use := range s.uses() {
		if use.action.flow != "" {
			p.addEdge(use.by.node, use.action.node, use.action.flow)
		}
	}
	p.addAccount(s, account)
}

// addTraffic adds what a request passes. The way of a viewer is the only one that no resource refers to.
func (p *Picture) addTraffic(s stack) {
	p.addEdge("viewer", "route53", "DNS")
	p.addEdge("viewer", "cloudfront", "HTTPS")
	for _, distribution := range s.ofType("aws_cloudfront_distribution") {
		for _, origin := range list(distribution.properties["origin"]) {
			for _, address := range refs(at(origin, "domain_name")) {
				p.addEdge("cloudfront", s.nodeOf(address), s.originLabel(distribution, origin))
			}
		}
	}
	// Security groups: who may connect, and to which port.
	for _, rule := range s.ofType("aws_vpc_security_group_ingress_rule") {
		for _, client := range refs(rule.properties["referenced_security_group_id"]) {
			for _, server := range refs(rule.properties["security_group_id"]) {
				p.addEdge(s.nodeOf(client), s.nodeOf(server), "TCP "+portsOf(rule))
			}
		}
	}
	// Routes of the instances' subnets.
	for _, group := range s.ofType("aws_autoscaling_group") {
		subnets := s.subnets(group)
		for _, association := range s.ofType("aws_route_table_association") {
			if !slices.ContainsFunc(subnets, func(subnet string) bool { return association.refersTo(subnet, "subnet_id") }) {
				continue
			}
			for _, route := range s.ofType("aws_route") {
				if sameTable(route, association) {
					for _, attribute := range []string{"nat_gateway_id", "vpc_peering_connection_id"} {
						for _, to := range refs(route.properties[attribute]) {
							p.addEdge("instances", s.nodeOf(to), route.text("destination_cidr_block"))
						}
					}
				}
			}
		}
	}
	for _, way := range s.databaseWays() {
		p.addEdge(way, "atlas", "TLS")
	}
}

// databaseWays are the nodes by which the instances reach MongoDB Atlas, which is in no stack: an endpoint or a peering connection if there
// is one, otherwise the internet.
func (s stack) databaseWays() []string {
	var private, internet []string
	for _, c := range components {
		if len(s.drawn(c)) == 0 {
			continue
		}
		switch c.id {
		case "endpoint", "peering":
			private = append(private, c.id)
		case "nat":
			internet = append(internet, c.id)
		}
	}
	if private != nil {
		return private
	}
	return internet
}

// originLabel is what an origin serves, and how CloudFront connects to it.
func (s stack) originLabel(distribution resource, origin any) string {
	label := "API"
	if distribution.text("default_cache_behavior", "target_origin_id") == at(origin, "origin_id") {
		label = "pages"
	}
	policy, _ := at(origin, "custom_origin_config", 0, "origin_protocol_policy").(string)
	for _, address := range refs(at(origin, "vpc_origin_config")) {
		for _, vpcOrigin := range s.ofType("aws_cloudfront_vpc_origin") {
			if vpcOrigin.address == address {
				policy = vpcOrigin.text("vpc_origin_endpoint_config", 0, "origin_protocol_policy")
			}
		}
	}
	switch policy {
	case "http-only":
		return label + ", HTTP"
	case "https-only":
		return label + ", HTTPS"
	}
	return label
}

// addLogs adds the access logs, which a delivery connects with a source and a destination.
func (p *Picture) addLogs(s stack) {
	for _, delivery := range s.ofType("aws_cloudwatch_log_delivery") {
		for _, source := range s.ofType("aws_cloudwatch_log_delivery_source") {
			if delivery.refersTo(source.address, "delivery_source_name") {
				for _, from := range refs(source.properties["resource_arn"]) {
					p.addEdge(s.nodeOf(from), "cloudwatch", "logs")
				}
			}
		}
	}
}

// addAccount adds what is backed up, and what the account's services report.
func (p *Picture) addAccount(s, account stack) {
	for _, rule := range s.ofType("aws_cloudwatch_event_rule") {
		if strings.Contains(rule.text("event_pattern"), `"aws.guardduty"`) {
			p.addEdge("guardduty", "eventbridge", "findings")
		}
	}
	p.addEdge("budgets", "people", "email")
	for _, each := range []struct {
		node string
		in   stack
	}{{"frontend", s}, {"state", account}} {
		for _, bucket := range each.in.ofType("aws_s3_bucket") {
			if bucket.text("tags", "backup") != "" { // the tag by which the backups select
				p.addEdge(each.node, "backup", "backup")
			}
		}
	}
}

// nodeOf is the node or group of a resource of an environment. A security group is that of the node that has it.
func (s stack) nodeOf(address string) string {
	kind, _, _ := strings.Cut(address, ".")
	switch kind {
	case "aws_vpc":
		return vpcGroup
	case "aws_launch_template":
		return "instances"
	case "aws_eip":
		return "nat"
	case "aws_lb_target_group":
		return "load_balancer"
	case "aws_security_group":
		for _, r := range s.resources {
			if r.kind == kind || !r.refersTo(address) {
				continue
			}
			if node := s.nodeOf(r.address); node != "" {
				return node
			}
		}
		return ""
	}
	for _, c := range components {
		if c.group != accountGroup && slices.Contains(c.types, kind) {
			return c.id
		}
	}
	return ""
}
