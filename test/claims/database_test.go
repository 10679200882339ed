package claims

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// database is the block of the stack's file; empty without one.
func database(s stack) config.Database {
	if block := s.Environment().Database; block != nil {
		return *block
	}
	return config.Database{}
}

// isDatabaseEndpoint reports whether an endpoint is to a service that is not AWS's own.
func isDatabaseEndpoint(endpoint resource) bool {
	return strings.HasPrefix(endpoint.Text("service_name"), "com.amazonaws.vpce.")
}

func TestTheInstancesReachAtlasByPrivateLinkIfTheFileAsks(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		link := database(s).PrivateLink
		endpoints := 0
		for address, endpoint := range s.OfType("aws_vpc_endpoint") {
			if !isDatabaseEndpoint(endpoint) {
				continue
			}
			endpoints++
			if link == nil {
				t.Fatalf("the file does not ask for %s", address)
			}
			endpoint.Want(t, link.ServiceName, "service_name")
			endpoint.Want(t, "Interface", "vpc_endpoint_type")
			endpoint.Want(t, ref("aws_vpc.network", "id"), "vpc_id")
			endpoint.Want(t, false, "private_dns_enabled") // Atlas's service has no private DNS name
			equalSets(t, "subnets", endpoint.Strings("subnet_ids"), refs("id", subnets(t, s, false)...))
			equal(t, "security groups", endpoint.Strings("security_group_ids"), refs("id", "aws_security_group.database_endpoint_group"))
			equal(t, "ingress", ingress(t, s, "aws_security_group.database_endpoint_group"), []string{"tcp 1024-65535 from instances_group"})
			equal(t, "egress", egressTo(t, s, "aws_security_group.database_endpoint_group"), []string(nil))
			s.Output(t, "database_endpoint_id").Want(t, ref(address, "id"), "value")
		}
		if link != nil {
			equal(t, "endpoints", endpoints, 1)
		} else if s.Has("aws_security_group.database_endpoint_group") || slices.Contains(outputNames(s), "database_endpoint_id") {
			t.Error("there is a security group or an output without the endpoint")
		}
	})
}

func TestEveryPrivateSubnetReachesAtlasByPeeringIfTheFileAsks(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		peering := database(s).Peering
		var tables, want []string
		for _, route := range s.OfType("aws_route") {
			if route.Text("vpc_peering_connection_id") == "" {
				continue
			}
			if peering == nil {
				t.Fatal("there is a route by a peering connection, which the file does not ask for")
			}
			route.Want(t, peering.CIDR, "destination_cidr_block")
			route.Want(t, ref("aws_vpc_peering_connection_accepter.database_peering", "id"), "vpc_peering_connection_id")
			tables = append(tables, route.Text("route_table_id"))
		}
		if peering == nil {
			equal(t, "peering connections", len(s.OfType("aws_vpc_peering_connection_accepter")), 0)
			return
		}
		for _, association := range s.OfType("aws_route_table_association") {
			if slices.Contains(refs("id", subnets(t, s, false)...), association.Text("subnet_id")) {
				want = append(want, association.Text("route_table_id"))
			}
		}
		equalSets(t, "route tables", tables, want)
		accepter := s.Resource(t, "aws_vpc_peering_connection_accepter.database_peering")
		accepter.Want(t, peering.ConnectionID, "vpc_peering_connection_id")
		accepter.Want(t, true, "auto_accept")
		accepter.Want(t, nil, "accepter") // its DNS option is for names of this VPC
	})
}

// Atlas's connections have no tag, so the files name them.
func TestADeployAcceptsOnlyThePeeringConnectionsOfTheFiles(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		ec2 := "arn:aws:ec2:" + s.Environment().Region + ":" + s.Environment().Account + ":"
		want := map[string]bool{}
		for _, e := range s.Environments() {
			if e.Database != nil && e.Database.Peering != nil {
				want[ec2+"vpc-peering-connection/"+e.Database.Peering.ConnectionID] = true
			}
		}
		got := map[string]bool{}
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			if !slices.Contains(statement.Action, "ec2:AcceptVpcPeeringConnection") {
				continue
			}
			for _, target := range statement.Resource {
				if target == ec2+"vpc/*" {
					equal(t, "condition of the VPC", statement.Condition, map[string]map[string][]string{"StringEquals": {"aws:ResourceTag/project": {config.Project}}})
				} else {
					got[target] = true
				}
			}
		}
		equalSets(t, "peering connections", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
	})
}
