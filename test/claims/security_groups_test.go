package claims

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ingress and egressTo are the traffic that a security group allows: "tcp 443 from 10.0.0.0/16", "everything to 0.0.0.0/0".
func ingress(t *testing.T, s stack, group string) []string {
	t.Helper()
	return traffic(t, s, "aws_vpc_security_group_ingress_rule", group, "from")
}

func egressTo(t *testing.T, s stack, group string) []string {
	t.Helper()
	return traffic(t, s, "aws_vpc_security_group_egress_rule", group, "to")
}

func traffic(t *testing.T, s stack, kind, group, preposition string) []string {
	t.Helper()
	s.Resource(t, group)
	var found []string
	for _, rule := range s.OfType(kind) {
		if rule.Text("security_group_id") != ref(group, "id") {
			continue
		}
		what := "everything"
		if rule.Text("ip_protocol") != "-1" {
			what = fmt.Sprintf("%v %v", rule.Get("ip_protocol"), rule.Get("from_port"))
			if rule.Get("to_port") != rule.Get("from_port") {
				what += fmt.Sprintf("-%v", rule.Get("to_port"))
			}
		}
		for _, peer := range []string{"cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"} {
			if rule.Text(peer) != "" {
				found = append(found, what+" "+preposition+" "+strings.TrimSuffix(strings.TrimPrefix(rule.Text(peer), "${aws_security_group."), ".id}"))
			}
		}
	}
	slices.Sort(found)
	return found
}

// loadBalancerGroup is the group of the load balancer.
func loadBalancerGroup(s stack) string {
	if s.Environment().Network.PrivateOrigin {
		return "aws_security_group.private_load_balancer_group"
	}
	return "aws_security_group.load_balancer_group"
}

const (
	instancesGroup = "aws_security_group.instances_group"
	redisGroup     = "aws_security_group.redis_group"
)

func TestSecurityGroupsAllowWhatTheArchitectureDocumentSays(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		instances := []string{"tcp 8080 from " + strings.TrimPrefix(loadBalancerGroup(s), "aws_security_group.")}
		for _, cidr := range e.Network.SSHCIDRs {
			instances = append(instances, "tcp 22 from "+cidr)
		}
		public := []string{"tcp 443 from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0"}
		if e.Network.PrivateOrigin {
			list := s.Resource(t, "data.aws_ec2_managed_prefix_list.cloudfront")
			list.Want(t, "com.amazonaws.global.cloudfront.origin-facing", "name")
			public = []string{"tcp 80 from " + strings.TrimSuffix(ref("data.aws_ec2_managed_prefix_list.cloudfront", "id"), ".id}")}
			if e.Domain != nil {
				public = []string{"tcp 443 from " + strings.TrimSuffix(ref("data.aws_ec2_managed_prefix_list.cloudfront", "id"), ".id}")}
			}
		}
		equal(t, "ingress of the load balancer", ingress(t, s, loadBalancerGroup(s)), public)
		equalSets(t, "ingress of the instances", ingress(t, s, instancesGroup), instances)
		equal(t, "ingress of Redis", ingress(t, s, redisGroup), []string{"tcp 6379 from instances_group"})
		equal(t, "egress of the load balancer", egressTo(t, s, loadBalancerGroup(s)), []string{"everything to instances_group"})
		equal(t, "egress of the instances", egressTo(t, s, instancesGroup), []string{"everything to 0.0.0.0/0"})
		equal(t, "egress of Redis", egressTo(t, s, redisGroup), []string{"everything to 0.0.0.0/0"})
	})
}

func TestTheInternetReachesNothingButAPublicLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for group := range s.OfType("aws_security_group") {
			for _, allowed := range ingress(t, s, group) {
				isPublic := group == loadBalancerGroup(s) && !s.Environment().Network.PrivateOrigin
				if !isPublic && (strings.HasSuffix(allowed, "from 0.0.0.0/0") || strings.HasSuffix(allowed, "from ::/0")) {
					t.Errorf("%s: %s", group, allowed)
				}
			}
		}
	})
}

func TestEachSecurityGroupIsAttachedToItsResource(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, loadBalancer := s.Only(t, "aws_lb")
		equal(t, "load balancer", loadBalancer.Strings("security_groups"), refs("id", loadBalancerGroup(s)))
		_, template := s.Only(t, "aws_launch_template")
		equal(t, "instances", template.Strings("network_interfaces", 0, "security_groups"), refs("id", instancesGroup))
		_, redis := s.Only(t, "aws_elasticache_replication_group")
		equal(t, "redis", redis.Strings("security_group_ids"), refs("id", redisGroup))
	})
}

// Rules in a group and rules as resources overwrite each other.
func TestEveryRuleIsAResource(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, group := range s.OfType("aws_security_group") {
			if group.Get("ingress") != nil || group.Get("egress") != nil {
				t.Errorf("%s has inline rules", address)
			}
		}
		equal(t, "rules of the old type", len(s.OfType("aws_security_group_rule")), 0)
	})
}

// groupDescription is what EC2 accepts as the description of a security group and its rules
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
var groupDescription = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

func TestEveryGroupAndRuleHasADescriptionThatEC2Accepts(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, kind := range []string{"aws_security_group", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"} {
			for address, r := range s.OfType(kind) {
				if !groupDescription.MatchString(r.Text("description")) {
					t.Errorf("%s: %q", address, r.Text("description"))
				}
			}
		}
	})
}
