package test

import "testing"

func TestTheLoadBalancerFacesTheInternetFromThePublicTier(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, balancer := s.only(t, "aws_lb")
		balancer.want(t, "application", "load_balancer_type")
		balancer.want(t, false, "internal")
		balancer.want(t, true, "drop_invalid_header_fields")

		var public []string
		for address := range s.ofType("aws_subnet") {
			if s.wayOut(t, address) == "out by the internet_gateway" {
				public = append(public, address)
			}
		}
		equalSets(t, "subnets", balancer.strings("subnets"), refs("id", public...))
	})
}

func TestTheTargetsAreTheBackendsPort(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, targets := s.only(t, "aws_lb_target_group")
		targets.want(t, "HTTP", "protocol")
		targets.want(t, 8080.0, "port")
		targets.want(t, nil, "target_type") // the default: instances
	})
}

func TestTheHealthCheckAsksForPingEvery30Seconds(t *testing.T) {
	for _, name := range []string{"production", "staging"} {
		_, targets := variant(t, name).only(t, "aws_lb_target_group")
		targets.want(t, "/ping", "health_check", "path")
		targets.want(t, 30.0, "health_check", "interval")
		targets.want(t, "200", "health_check", "matcher")
		if timeout, _ := targets.get("health_check", "timeout").(float64); timeout < 2 || timeout >= 10 {
			t.Errorf("timeout %v: AWS wants it below the interval, which may be as short as 10", timeout)
		}
	}
}

func TestTheHealthCheckPathIsTheFiles(t *testing.T) {
	_, targets := variant(t, "open").only(t, "aws_lb_target_group")
	targets.want(t, "/health", "health_check", "path")
}

func TestALeavingInstanceFinishesItsRequests(t *testing.T) {
	_, targets := production(t).only(t, "aws_lb_target_group")
	targets.want(t, "60", "deregistration_delay")
}

func TestPort80ForwardsWhereThereIsNoCertificate(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if s.name == "own-domain" {
			return // redirects: see the claims on the domain
		}
		_, listener := s.only(t, "aws_lb_listener")
		listener.want(t, "HTTP", "protocol")
		listener.want(t, 80.0, "port")
		listener.want(t, "forward", "default_action", 0, "type")
		listener.want(t, ref("aws_lb_target_group.backend_targets", "arn"), "default_action", 0, "target_group_arn")
		listener.want(t, ref("aws_lb.load_balancer", "arn"), "load_balancer_arn")
	})
}

func TestTheLoadBalancerIsProtectedWhereTheFileSaysSo(t *testing.T) {
	production(t).resource(t, "aws_lb.load_balancer").want(t, true, "enable_deletion_protection")
	staging(t).resource(t, "aws_lb.load_balancer").want(t, false, "enable_deletion_protection")
}
