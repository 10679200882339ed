package claims

import (
	"maps"
	"slices"
	"testing"
)

// loadBalancer is the address of the load balancer.
func loadBalancer(s stack) string {
	if s.Environment().Network.PrivateOrigin {
		return "aws_lb.private_load_balancer"
	}
	return "aws_lb.load_balancer"
}

func TestTheLoadBalancerIsInThePublicSubnetsUnlessTheFileMakesItPrivate(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		address, loadBalancer := s.Only(t, "aws_lb")
		private := s.Environment().Network.PrivateOrigin
		equalSets(t, "subnets", loadBalancer.Strings("subnets"), refs("id", subnets(t, s, !private)...))
		loadBalancer.Want(t, private, "internal")
		for _, listener := range s.OfType("aws_lb_listener") {
			listener.Want(t, ref(address, "arn"), "load_balancer_arn")
		}
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

// AWS changes no VPC origin that a distribution uses.
func TestCloudFrontReachesAPrivateLoadBalancerByAVPCOriginOfItsProtocol(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		var want []string
		if e.Network.PrivateOrigin {
			protocol := "http"
			if e.Domain != nil {
				protocol = "https"
			}
			want = []string{"aws_cloudfront_vpc_origin.vpc_origin_" + protocol}
			origin := s.Resource(t, want[0])
			origin.Want(t, ref("aws_lb.private_load_balancer", "arn"), "vpc_origin_endpoint_config", 0, "arn")
			origin.Want(t, protocol+"-only", "vpc_origin_endpoint_config", 0, "origin_protocol_policy")
			origin.Want(t, e.NamePrefix()+"-"+protocol, "vpc_origin_endpoint_config", 0, "name") // unique in the account
			equal(t, "TLS", resource(origin.Get("vpc_origin_endpoint_config", 0).(map[string]any)).Strings("origin_ssl_protocols", 0, "items"), []string{"TLSv1.2"})
			origin.Want(t, true, "lifecycle", "create_before_destroy")
		}
		equalSets(t, "VPC origins", slices.Collect(maps.Keys(s.OfType("aws_cloudfront_vpc_origin"))), want)
	})
}
