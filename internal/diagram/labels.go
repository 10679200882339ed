package diagram

import (
	"fmt"
	"slices"
	"strings"
)

func lines(text ...string) func(stack) []string {
	return func(stack) []string { return text }
}

// count is the number of the resources of a type, "2 topics".
func count(kind, name string) func(stack) []string {
	return func(s stack) []string { return []string{number(len(s.ofType(kind)), name)} }
}

// several is count, or nothing if there is one.
func several(kind, name string) func(stack) []string {
	return func(s stack) []string {
		if len(s.ofType(kind)) < 2 {
			return nil
		}
		return count(kind, name)(s)
	}
}

func number(n int, name string) string {
	if n == 1 {
		return "1 " + name
	}
	return fmt.Sprintf("%d %ss", n, name)
}

func budgetDetail(s stack) []string {
	b := s.ofType("aws_budgets_budget")[0]
	return []string{b.text("limit_amount") + " " + b.text("limit_unit") + " a month"}
}

func domainDetail(s stack) []string {
	for _, record := range s.ofType("aws_route53_record") {
		if record.properties["alias"] != nil {
			return []string{record.text("name")}
		}
	}
	return nil
}

// instancesDetail is the number and the type of the instances, and who may connect to them from outside.
func instancesDetail(s stack) []string {
	group, template := s.ofType("aws_autoscaling_group")[0], s.ofType("aws_launch_template")
	detail := "EC2"
	if len(template) > 0 {
		detail = template[0].text("instance_type")
	}
	return append([]string{group.text("min_size") + " to " + group.text("max_size") + " " + detail}, openPorts("aws_launch_template")(s)...)
}

func cacheDetail(s stack) []string {
	c := s.ofType("aws_elasticache_replication_group")[0]
	engine := map[string]string{"redis": "Redis", "valkey": "Valkey"}[c.text("engine")]
	return []string{engine + ", " + c.text("num_cache_clusters") + " " + c.text("node_type")}
}

func cloudWatchDetail(s stack) []string {
	return []string{
		number(len(s.ofType("aws_cloudwatch_log_group")), "log group") + ", " +
			number(len(s.ofType("aws_cloudwatch_metric_alarm")), "alarm"),
	}
}

// openPorts is the ports that the security groups of a resource open to IP addresses.
func openPorts(kind string) func(stack) []string {
	return func(s stack) []string {
		var cidrs []string
		ports := map[string][]string{}
		for _, rule := range s.ofType("aws_vpc_security_group_ingress_rule") {
			cidr := rule.text("cidr_ipv4")
			if cidr == "" || !slices.ContainsFunc(s.ofType(kind), func(r resource) bool { return sharesGroup(r, rule) }) {
				continue
			}
			if !slices.Contains(cidrs, cidr) {
				cidrs = append(cidrs, cidr)
			}
			ports[cidr] = append(ports[cidr], portsOf(rule))
		}
		var found []string
		for _, cidr := range cidrs {
			from := cidr
			if cidr == "0.0.0.0/0" {
				from = "the internet"
			}
			slices.Sort(ports[cidr])
			found = append(found, "TCP "+strings.Join(slices.Compact(ports[cidr]), ", ")+" from "+from)
		}
		return found
	}
}

// portsOf is "8080", or "1024-65535".
func portsOf(rule resource) string {
	from, to := rule.text("from_port"), rule.text("to_port")
	if from == to {
		return from
	}
	return from + "-" + to
}

// sharesGroup reports whether a rule is one of a security group that a resource has.
func sharesGroup(r, rule resource) bool {
	for _, group := range refs(rule.properties["security_group_id"]) {
		if slices.Contains(refs(r.properties), group) {
			return true
		}
	}
	return false
}
