package claims

import "testing"

func TestTheLoadBalancerIsInThePublicSubnets(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, loadBalancer := s.Only(t, "aws_lb")
		equalSets(t, "subnets", loadBalancer.Strings("subnets"), refs("id", subnets(t, s, true)...))
		loadBalancer.Want(t, s.Environment().DeletionProtection, "enable_deletion_protection")
	})
}

func TestOneListenerForwardsToTheInstances(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		http := s.Resource(t, "aws_lb_listener.http")
		forwarding := http
		if s.Environment().Domain != nil {
			http.Want(t, "redirect", "default_action", 0, "type")
			http.Want(t, "HTTPS", "default_action", 0, "redirect", "protocol")
			http.Want(t, "443", "default_action", 0, "redirect", "port")

			forwarding = s.Resource(t, "aws_lb_listener.https")
			forwarding.Want(t, 443.0, "port")
			forwarding.Want(t, "HTTPS", "protocol")
			forwarding.Want(t, "ELBSecurityPolicy-TLS13-1-2-2021-06", "ssl_policy") // TLS 1.2 and 1.3
			validation := s.Resource(t, addressOf(forwarding.Text("certificate_arn")))
			validation.Want(t, nil, "provider") // the region of the load balancer
		} else {
			equal(t, "listeners", len(s.OfType("aws_lb_listener")), 1)
		}
		forwarding.Want(t, "forward", "default_action", 0, "type")
		forwarding.Want(t, ref("aws_lb_target_group.backend_targets", "arn"), "default_action", 0, "target_group_arn")
	})
}
