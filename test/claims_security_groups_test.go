package test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// admitted is everything that a security group lets in, in words: "tcp 443 from 10.0.0.0/16".
func (s stack) admitted(t *testing.T, group string) []string {
	t.Helper()
	return s.traffic(t, "aws_vpc_security_group_ingress_rule", group, "from")
}

// emitted is everything that a security group lets out: "everything to 0.0.0.0/0".
func (s stack) emitted(t *testing.T, group string) []string {
	t.Helper()
	return s.traffic(t, "aws_vpc_security_group_egress_rule", group, "to")
}

func (s stack) traffic(t *testing.T, kind, group, preposition string) []string {
	t.Helper()
	s.resource(t, group)
	var found []string
	for _, rule := range s.ofType(kind) {
		if rule.text("security_group_id") != ref(group, "id") {
			continue
		}
		what := "everything"
		if rule.text("ip_protocol") != "-1" {
			what = fmt.Sprintf("%v %v", rule.get("ip_protocol"), rule.get("from_port"))
			if rule.get("to_port") != rule.get("from_port") {
				what += fmt.Sprintf("-%v", rule.get("to_port"))
			}
		}
		for _, peer := range []string{"cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"} {
			if rule.text(peer) != "" {
				found = append(found, what+" "+preposition+" "+strings.TrimSuffix(strings.TrimPrefix(rule.text(peer), "${aws_security_group."), ".id}"))
			}
		}
	}
	slices.Sort(found)
	return found
}

const (
	balancerGroup  = "aws_security_group.load_balancer_group"
	instancesGroup = "aws_security_group.instances_group"
	redisGroup     = "aws_security_group.redis_group"
)

func TestTheInternetReachesTheLoadBalancerOn80And443(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "in", s.admitted(t, balancerGroup), []string{"tcp 443 from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0"})
	})
}

func TestTheInternetReachesNothingButTheLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for group := range s.ofType("aws_security_group") {
			for _, in := range s.admitted(t, group) {
				if group != balancerGroup && (strings.HasSuffix(in, "from 0.0.0.0/0") || strings.HasSuffix(in, "from ::/0")) {
					t.Errorf("%s: %s", group, in)
				}
			}
		}
	})
}

func TestTheLoadBalancerSendsOnlyToTheInstances(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "out", s.emitted(t, balancerGroup), []string{"everything to instances_group"})
	})
}

func TestOnlyTheLoadBalancerReaches8080AndNobodyReaches22(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if s.name == "open" {
			return // the next test
		}
		equal(t, "in", s.admitted(t, instancesGroup), []string{"tcp 8080 from load_balancer_group"})
	})
}

func TestOnlyTheRangesInTheFileReach22(t *testing.T) {
	equal(t, "in", variant(t, "open").admitted(t, instancesGroup), []string{
		"tcp 22 from 198.51.100.7/32",
		"tcp 22 from 203.0.113.0/24",
		"tcp 8080 from load_balancer_group",
	})
}

func TestTheInstancesReachEverything(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "out", s.emitted(t, instancesGroup), []string{"everything to 0.0.0.0/0"})
	})
}

func TestOnlyTheInstancesReachRedis(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "in", s.admitted(t, redisGroup), []string{"tcp 6379 from instances_group"})
		equal(t, "out", s.emitted(t, redisGroup), []string{"everything to 0.0.0.0/0"})
	})
}

func TestEachGroupGuardsWhatItIsNamedFor(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, balancer := s.only(t, "aws_lb")
		equal(t, "load balancer", balancer.strings("security_groups"), refs("id", balancerGroup))
		_, template := s.only(t, "aws_launch_template")
		equal(t, "instances", template.strings("network_interfaces", 0, "security_groups"), refs("id", instancesGroup))
		_, redis := s.only(t, "aws_elasticache_replication_group")
		equal(t, "redis", redis.strings("security_group_ids"), refs("id", redisGroup))
	})
}

func TestEveryRuleIsAResourceOfItsOwn(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		// Rules within a group and rules beside it undo each other.
		for address, group := range s.ofType("aws_security_group") {
			if group.get("ingress") != nil || group.get("egress") != nil {
				t.Errorf("%s has rules of its own", address)
			}
		}
		if old := s.ofType("aws_security_group_rule"); len(old) > 0 {
			t.Errorf("rules of the old kind: %v", old)
		}
	})
}

// groupDescription is what EC2 accepts as the description of a security group and its rules
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
var groupDescription = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

func TestEveryGroupAndRuleHasADescriptionThatAWSAccepts(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, kind := range []string{"aws_security_group", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"} {
			for address, r := range s.ofType(kind) {
				if !groupDescription.MatchString(r.text("description")) {
					t.Errorf("%s: %q", address, r.text("description"))
				}
			}
		}
	})
}
