package claims

import (
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// routes is the routes of a subnet's route table, without those by a peering connection, which are to one network.
func routes(t *testing.T, s stack, subnet string) []resource {
	t.Helper()
	table := ""
	for _, association := range s.OfType("aws_route_table_association") {
		if association.Text("subnet_id") == ref(subnet, "id") {
			if table != "" {
				t.Fatalf("%s has two route tables", subnet)
			}
			table = addressOf(association.Text("route_table_id"))
		}
	}
	if table == "" {
		t.Fatalf("%s has no route table", subnet)
	}
	var routes []resource
	for _, route := range s.OfType("aws_route") {
		if route.Text("route_table_id") == ref(table, "id") && route.Text("vpc_peering_connection_id") == "" {
			routes = append(routes, route)
		}
	}
	return routes
}

// egress describes how a subnet reaches the internet.
func egress(t *testing.T, s stack, subnet string) string {
	t.Helper()
	routes := routes(t, s, subnet)
	if len(routes) == 0 {
		return "no egress"
	}
	if len(routes) > 1 {
		t.Fatalf("%s has %d routes", subnet, len(routes))
	}
	routes[0].Want(t, "0.0.0.0/0", "destination_cidr_block")
	if gateway := routes[0].Text("gateway_id"); gateway != "" {
		s.Resource(t, addressOf(gateway)).Want(t, ref("aws_vpc.network", "id"), "vpc_id")
		return "egress by the " + strings.TrimPrefix(strings.Split(addressOf(gateway), ".")[0], "aws_")
	}
	nat := s.Resource(t, addressOf(routes[0].Text("nat_gateway_id")))
	return "egress by NAT in " + s.Resource(t, addressOf(nat.Text("subnet_id"))).Text("cidr_block")
}

const public = "egress by the internet_gateway"

// subnets is the addresses of the public or private subnets.
func subnets(t *testing.T, s stack, isPublic bool) []string {
	t.Helper()
	var found []string
	for address := range s.OfType("aws_subnet") {
		if (egress(t, s, address) == public) == isPublic {
			found = append(found, address)
		}
	}
	return found
}

func TestEverySubnetIsWhereItsFilePutsIt(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		n := s.Environment().Network
		want := map[string]string{}
		for _, zone := range n.AvailabilityZones {
			want[zone.PublicCIDR] = zone.Name + ", " + public
			want[zone.PrivateCIDR] = zone.Name + ", " + map[string]string{
				"none": "no egress", "single": "egress by NAT in " + n.AvailabilityZones[0].PublicCIDR, "per-az": "egress by NAT in " + zone.PublicCIDR,
			}[n.NATGateways]
		}
		got := map[string]string{}
		for address, subnet := range s.OfType("aws_subnet") {
			subnet.Want(t, ref("aws_vpc.network", "id"), "vpc_id")
			subnet.Want(t, false, "map_public_ip_on_launch")
			got[subnet.Text("cidr_block")] = subnet.Text("availability_zone") + ", " + egress(t, s, address)
		}
		equal(t, "subnets", got, want)
	})
}

func TestEveryNATGatewayHasAPublicIPThatIsAnOutput(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		var addresses []string
		for _, nat := range s.OfType("aws_nat_gateway") {
			address := addressOf(nat.Text("allocation_id"))
			s.Resource(t, address).Want(t, "vpc", "domain")
			addresses = append(addresses, address)
		}
		n := s.Environment().Network
		equal(t, "NAT gateways", len(addresses), map[string]int{"none": 0, "single": 1, "per-az": len(n.AvailabilityZones)}[n.NATGateways])
		equalSets(t, "output nat_public_ips", s.Output(t, "nat_public_ips").Strings("value"), refs("public_ip", addresses...))
	})
}

// AWS refuses an internet-facing load balancer in a VPC without an internet gateway.
func TestWhatHasAPublicIPWaitsForTheInternetGateway(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, kind := range []string{"aws_nat_gateway", "aws_lb"} {
			for address, r := range s.OfType(kind) {
				if !slices.Contains(r.Strings("depends_on"), "aws_internet_gateway.internet_gateway") {
					t.Errorf("%s waits for %v only", address, r.Strings("depends_on"))
				}
			}
		}
	})
}

func TestEverySubnetReachesS3WithoutTheInternet(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		endpoint := s.Resource(t, "aws_vpc_endpoint.s3_endpoint")
		endpoint.Want(t, "Gateway", "vpc_endpoint_type")
		endpoint.Want(t, "com.amazonaws."+s.Environment().Region+".s3", "service_name")
		var tables []string
		for address := range s.OfType("aws_route_table") {
			tables = append(tables, address)
		}
		equalSets(t, "route tables", endpoint.Strings("route_table_ids"), refs("id", tables...))
	})
}

func TestInterfaceEndpointsServeThePrivateSubnetsIfTheFileAsks(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		var services []string
		for _, endpoint := range s.OfType("aws_vpc_endpoint") {
			if endpoint.Text("vpc_endpoint_type") != "Interface" || isDatabaseEndpoint(endpoint) {
				continue
			}
			services = append(services, strings.TrimPrefix(endpoint.Text("service_name"), "com.amazonaws."+e.Region+"."))
			endpoint.Want(t, true, "private_dns_enabled")
			equalSets(t, "subnets", endpoint.Strings("subnet_ids"), refs("id", subnets(t, s, false)...))
			equal(t, "security groups", endpoint.Strings("security_group_ids"), refs("id", "aws_security_group.endpoints_group"))
		}
		if !e.Network.InterfaceEndpoints {
			equal(t, "services", services, []string(nil))
			return
		}
		equalSets(t, "services", services, []string{"ecr.api", "ecr.dkr", "logs", "ssm", "ssmmessages", "ec2messages"})
		equal(t, "ingress of the endpoints", ingress(t, s, "aws_security_group.endpoints_group"), []string{"tcp 443 from " + e.Network.CIDR})
	})
}

func TestFlowLogsRecordAllTrafficUnlessTheFileTurnsThemOff(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if !s.Environment().Network.FlowLogs {
			for _, address := range s.Addresses() {
				if strings.Contains(address, "flow_log") {
					t.Errorf("flow logs are off, but there is %s", address)
				}
			}
			return
		}
		_, logs := s.Only(t, "aws_flow_log")
		logs.Want(t, ref("aws_vpc.network", "id"), "vpc_id")
		logs.Want(t, "ALL", "traffic_type")
		logs.Want(t, ref("aws_cloudwatch_log_group.flow_logs_group", "arn"), "log_destination")
	})
}

func TestAThirdZoneChangesNoAddressOfTheOthers(t *testing.T) {
	s := variant(t, "three-zones")
	equal(t, "zones", len(s.Environment().Network.AvailabilityZones), len(config.Default().Network.AvailabilityZones)+1)
	for _, address := range production(t).Addresses() {
		if !s.Has(address) {
			t.Errorf("%s is gone", address)
		}
	}
}
