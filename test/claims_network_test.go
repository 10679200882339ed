package test

import (
	"strings"
	"testing"
)

func TestTheNetworkIsTheDocuments(t *testing.T) {
	vpc := production(t).resource(t, "aws_vpc.network")
	vpc.want(t, "10.0.0.0/16", "cidr_block")
	staging(t).resource(t, "aws_vpc.network").want(t, "10.1.0.0/16", "cidr_block")
}

func TestNamesAreResolvedInsideTheNetwork(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, vpc := s.only(t, "aws_vpc")
		vpc.want(t, true, "enable_dns_support")
		vpc.want(t, true, "enable_dns_hostnames")
	})
}

// routes is the routes of a subnet, by the route table that it is associated with.
func (s stack) routes(t *testing.T, subnet string) (table string, routes []resource) {
	t.Helper()
	for _, association := range s.ofType("aws_route_table_association") {
		if association.text("subnet_id") == ref(subnet, "id") {
			if table != "" {
				t.Fatalf("%s has two route tables", subnet)
			}
			table = addressOf(association.text("route_table_id"))
		}
	}
	if table == "" {
		t.Fatalf("%s has no route table", subnet)
	}
	for _, route := range s.ofType("aws_route") {
		if route.text("route_table_id") == ref(table, "id") {
			routes = append(routes, route)
		}
	}
	return table, routes
}

// wayOut says in words where a subnet's requests leave the network.
func (s stack) wayOut(t *testing.T, subnet string) string {
	t.Helper()
	_, routes := s.routes(t, subnet)
	if len(routes) == 0 {
		return "stays inside"
	}
	if len(routes) > 1 {
		t.Fatalf("%s has %d routes", subnet, len(routes))
	}
	routes[0].want(t, "0.0.0.0/0", "destination_cidr_block")
	if gateway := routes[0].text("gateway_id"); gateway != "" {
		s.resource(t, addressOf(gateway)).want(t, ref("aws_vpc.network", "id"), "vpc_id")
		return "out by the " + strings.TrimPrefix(strings.Split(addressOf(gateway), ".")[0], "aws_")
	}
	nat := s.resource(t, addressOf(routes[0].text("nat_gateway_id")))
	return "out by NAT in " + s.resource(t, addressOf(nat.text("subnet_id"))).text("cidr_block")
}

func TestEverySubnetIsWhereTheDocumentPutsIt(t *testing.T) {
	const public = ", out by the internet_gateway"
	for name, want := range map[string]map[string]string{
		"production": {
			"10.0.1.0/24": "eu-west-1a" + public,
			"10.0.2.0/24": "eu-west-1b" + public,
			"10.0.3.0/24": "eu-west-1a, out by NAT in 10.0.1.0/24",
			"10.0.4.0/24": "eu-west-1b, out by NAT in 10.0.1.0/24",
		},
		"staging": {
			"10.1.1.0/24": "eu-west-1a" + public,
			"10.1.2.0/24": "eu-west-1b" + public,
			"10.1.3.0/24": "eu-west-1a, out by NAT in 10.1.1.0/24",
			"10.1.4.0/24": "eu-west-1b, out by NAT in 10.1.1.0/24",
		},
		"three-zones": {
			"10.0.1.0/24": "eu-west-1a" + public,
			"10.0.2.0/24": "eu-west-1b" + public,
			"10.0.5.0/24": "eu-west-1c" + public,
			"10.0.3.0/24": "eu-west-1a, out by NAT in 10.0.1.0/24",
			"10.0.4.0/24": "eu-west-1b, out by NAT in 10.0.2.0/24",
			"10.0.6.0/24": "eu-west-1c, out by NAT in 10.0.5.0/24",
		},
		"no-nat": {
			"10.0.1.0/24": "eu-west-1a" + public,
			"10.0.2.0/24": "eu-west-1b" + public,
			"10.0.3.0/24": "eu-west-1a, stays inside",
			"10.0.4.0/24": "eu-west-1b, stays inside",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := variant(t, name)
			got := map[string]string{}
			for address, subnet := range s.ofType("aws_subnet") {
				subnet.want(t, ref("aws_vpc.network", "id"), "vpc_id")
				got[subnet.text("cidr_block")] = subnet.text("availability_zone") + ", " + s.wayOut(t, address)
			}
			equal(t, "subnets", got, want)
		})
	}
}

func TestNothingGetsAPublicAddressBecauseOfItsSubnet(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, subnet := range s.ofType("aws_subnet") {
			if subnet.get("map_public_ip_on_launch") != false {
				t.Errorf("%s gives out public addresses", address)
			}
		}
	})
}

func TestEveryNATGatewayHasAFixedAddressThatIsAnOutput(t *testing.T) {
	for name, gateways := range map[string]int{"production": 1, "staging": 1, "three-zones": 3, "no-nat": 0} {
		t.Run(name, func(t *testing.T) {
			s := variant(t, name)
			var addresses []string
			for _, nat := range s.ofType("aws_nat_gateway") {
				address := addressOf(nat.text("allocation_id"))
				s.resource(t, address).want(t, "vpc", "domain")
				addresses = append(addresses, address)
			}
			if len(addresses) != gateways {
				t.Errorf("%d NAT gateways, want %d", len(addresses), gateways)
			}
			equalSets(t, "output nat_public_ips", s.output(t, "nat_public_ips").strings("value"), refs("public_ip", addresses...))
		})
	}
}

func TestWhatHasAPublicAddressWaitsForTheInternetGateway(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		// AWS refuses an internet-facing load balancer in a network without an internet gateway.
		for _, kind := range []string{"aws_nat_gateway", "aws_lb"} {
			for address, r := range s.ofType(kind) {
				if after := strings.Join(r.strings("depends_on"), " "); !strings.Contains(after, "aws_internet_gateway.") && !strings.Contains(after, "aws_route.public_to_internet") {
					t.Errorf("%s waits for %q only", address, after)
				}
			}
		}
	})
}

func TestS3IsReachedWithoutTheInternetFromEverySubnet(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		endpoint := s.resource(t, "aws_vpc_endpoint.s3_endpoint")
		endpoint.want(t, "Gateway", "vpc_endpoint_type")
		endpoint.want(t, "com.amazonaws.eu-west-1.s3", "service_name")

		var tables []string
		for address := range s.ofType("aws_route_table") {
			tables = append(tables, address)
		}
		equalSets(t, "route tables", endpoint.strings("route_table_ids"), refs("id", tables...))
	})
}

func TestWithoutNATTheInstancesReachAWSByEndpoints(t *testing.T) {
	s := variant(t, "no-nat")
	var services []string
	for _, endpoint := range s.ofType("aws_vpc_endpoint") {
		if endpoint.text("vpc_endpoint_type") != "Interface" {
			continue
		}
		services = append(services, strings.TrimPrefix(endpoint.text("service_name"), "com.amazonaws.eu-west-1."))
		endpoint.want(t, true, "private_dns_enabled")
		equalSets(t, "subnets", endpoint.strings("subnet_ids"), refs("id", "aws_subnet.private_a", "aws_subnet.private_b"))
		equal(t, "security groups", endpoint.strings("security_group_ids"), refs("id", "aws_security_group.endpoints_group"))
	}
	equalSets(t, "services", services, []string{"ecr.api", "ecr.dkr", "logs", "ssm", "ssmmessages", "ec2messages"})
	equal(t, "who reaches the endpoints", s.admitted(t, "aws_security_group.endpoints_group"), []string{"tcp 443 from 10.0.0.0/16"})
}

func TestWithNATThereAreNoInterfaceEndpointsToPayFor(t *testing.T) {
	for _, name := range []string{"production", "staging", "three-zones"} {
		for address, endpoint := range variant(t, name).ofType("aws_vpc_endpoint") {
			if endpoint.text("vpc_endpoint_type") == "Interface" {
				t.Errorf("%s has %s", name, address)
			}
		}
	}
}

func TestTheDefaultSecurityGroupLetsNothingThrough(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.only(t, "aws_default_security_group")
		group.want(t, ref("aws_vpc.network", "id"), "vpc_id")
		group.want(t, nil, "ingress")
		group.want(t, nil, "egress")
	})
}

func TestFlowLogsRecordAllTrafficUnlessTurnedOff(t *testing.T) {
	_, logs := production(t).only(t, "aws_flow_log")
	logs.want(t, ref("aws_vpc.network", "id"), "vpc_id")
	logs.want(t, "ALL", "traffic_type")
	logs.want(t, ref("aws_cloudwatch_log_group.flow_logs_group", "arn"), "log_destination")
	for _, address := range variant(t, "open").addresses() {
		if strings.Contains(address, "flow_log") {
			t.Errorf("flow logs are off, and there is %s", address)
		}
	}
}

func TestAThirdZoneMovesNothingOfTheOthers(t *testing.T) {
	s := variant(t, "three-zones")
	for _, address := range production(t).addresses() {
		if !s.has(address) {
			t.Errorf("%s is gone", address)
		}
	}
}
