package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Network is the VPC.
type Network struct {
	// IPv4 range of the VPC, between /16 and /28.
	//
	// Sources: see minBits and special.
	CIDR string `json:"cidr" jsonschema:"format=ipv4-cidr" change:"refused: the VPC is protected. Deploy another environment with the new range, and move the domain."`
	// One public and one private subnet each.
	//
	// A load balancer needs two zones, and has one subnet in each
	// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html). No region has more than six
	// (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html).
	AvailabilityZones []Zone `json:"availabilityZones" jsonschema:"minItems=2,maxItems=6" change:"free: a zone more; with natGateways per-az, add its public IP to the access list of MongoDB Atlas. A zone less is refused, because its subnets are protected: deploy deletionProtection: false first. If Redis has a node there, AWS refuses it in the middle of the deploy, and no key moves a node out of a zone."`
	// How the private subnets reach the internet.
	//
	// The values are this project's: no way, the cheapest, and the one that works when a zone fails.
	NATGateways string `json:"natGateways" jsonschema:"enum=none,enum=single,enum=per-az" change:"interrupts: connections of the instances to the internet end, once. A new gateway has a public IP that is not on the access list of MongoDB Atlas: until it is added (output nat_public_ips), the instances of its zone have no database."`
	// VPC endpoints for ECR, CloudWatch Logs and Systems Manager; required without a NAT gateway.
	InterfaceEndpoints bool `json:"interfaceEndpoints" change:"interrupts: connections of the instances to AWS end, once"`
	// VPC flow logs in CloudWatch Logs.
	FlowLogs bool `json:"flowLogs" change:"free: to true. To false is refused, because the log group is protected."`
	// IPv4 ranges that may reach the instances on port 22, inside the VPC or in a network that is connected to it. Instances
	// have no public IP and no key pair: to open a shell, use Session Manager.
	//
	// Each is a rule of a security group, of which AWS allows 60
	// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups). 50 leaves room for others.
	SSHCIDRs []string `json:"sshCidrs" jsonschema:"maxItems=50,uniqueItems=true,format=ipv4-cidr" change:"free: but a range that overlaps Docker's bridge, 172.17.0.0/16, rolls, because the bridge moves"`
	// Whether the load balancer is private: CloudFront reaches it inside AWS, by a VPC origin, and nobody else does.
	//
	// AWS's conditions: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html.
	//
	// Costs: nothing. The load balancer has no public IPv4 addresses, which cost 0.005 USD an hour each, one in each zone.
	//
	// https://aws.amazon.com/cloudfront/pricing/, https://aws.amazon.com/vpc/pricing/
	//
	// Needs: private subnets of /27 or larger, in the Regions and zones that AWS lists for VPC origins.
	//
	// Check: make smoke-test reaches the API, and load_balancer_dns_name resolves to private addresses.
	PrivateOrigin bool `json:"privateOrigin" change:"refused: the load balancer is protected. Deploy bootstrap, for the roles, and deletionProtection: false; then this: it creates the other load balancer, and the API answers errors from the moment in which the listeners move until CloudFront is deployed, up to half an hour. Then protect it again." removal:"refused: the private load balancer is protected. With deletionProtection: false, a public one takes its place. aws_lb_listener.http, aws_lb_listener.https, aws_cloudwatch_log_delivery_source.access_logs_source, aws_cloudwatch_log_delivery.access_logs_delivery and, with firewall, aws_wafv2_web_acl_association.origin_web_acl_association are replaced, and the API answers errors until CloudFront is deployed, up to half an hour."`
}

// Zone is a pair of subnets in an Availability Zone.
type Zone struct {
	// Name of the Availability Zone, eu-west-1a.
	//
	// The region's code and a letter (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html).
	Name string `json:"name" jsonschema:"required,pattern=^[a-z]{2\\,4}(-[a-z]+)+-[0-9][a-z]$" change:"refused: the subnets are protected. Add a zone and deploy; then remove the old one, as availabilityZones says."`
	// Range of the public subnet (load balancer, NAT gateway).
	PublicCIDR string `json:"publicCidr" jsonschema:"required,format=ipv4-cidr" change:"refused: the subnet is protected. Add a zone and deploy; then remove the old one, as availabilityZones says."`
	// Range of the private subnet (instances, Redis).
	PrivateCIDR string `json:"privateCidr" jsonschema:"required,format=ipv4-cidr" change:"refused: the subnet is protected. Add a zone and deploy; then remove the old one, as availabilityZones says."`
}

func defaultNetwork() Network {
	return Network{
		CIDR: "10.0.0.0/16",
		AvailabilityZones: []Zone{
			{Name: "eu-west-1a", PublicCIDR: "10.0.1.0/24", PrivateCIDR: "10.0.3.0/24"},
			{Name: "eu-west-1b", PublicCIDR: "10.0.2.0/24", PrivateCIDR: "10.0.4.0/24"},
		},
		NATGateways: "single",
		FlowLogs:    true,
		SSHCIDRs:    []string{},
	}
}

// check relies on the schema: ranges and zone names are well-formed.
func (n Network) check(at place, e Environment) {
	vpc := netip.MustParsePrefix(n.CIDR)
	checkNetmask(at.key("cidr"), vpc)
	if special := specialRange(vpc); special != "" {
		at.key("cidr").problem("%s overlaps %s, which a VPC cannot use; allowed: a private range, 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", vpc, special)
	}
	n.checkZones(at.key("availabilityZones"), e)
	n.checkSubnets(at, vpc)
	n.checkSizes(at.key("availabilityZones"), e)

	if n.NATGateways == "none" && !n.InterfaceEndpoints {
		at.key("natGateways").problem(`"none" gives the instances no route to ECR, CloudWatch and Systems Manager; set network.interfaceEndpoints to true, or use single or per-az`)
	}
	// The largest private range is 10.0.0.0/8 (https://datatracker.ietf.org/doc/html/rfc1918#section-3).
	for i, cidr := range n.SSHCIDRs {
		if netip.MustParsePrefix(cidr).Bits() < 8 {
			at.key("sshCidrs").item(i).problem("%q opens SSH to the internet; allowed: the ranges of your own networks, /8 or smaller", cidr)
		}
	}
}

// special are the IPv4 ranges that are no unicast addresses of a network. AWS names the link-local one
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions), and IANA all of them
// (https://www.iana.org/assignments/iana-ipv4-special-registry/iana-ipv4-special-registry.xhtml,
// https://www.iana.org/assignments/multicast-addresses/multicast-addresses.xhtml).
var special = []struct{ cidr, name string }{
	{"0.0.0.0/8", "this network"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "link-local"},
	{"224.0.0.0/4", "multicast"},
	{"240.0.0.0/4", "reserved"},
}

// specialRange returns the special range that a prefix overlaps: "127.0.0.0/8 (loopback)", or nothing.
func specialRange(prefix netip.Prefix) string {
	for _, s := range special {
		if prefix.Overlaps(netip.MustParsePrefix(s.cidr)) {
			return s.cidr + " (" + s.name + ")"
		}
	}
	return ""
}

func (n Network) checkZones(at place, e Environment) {
	region := place{at.document, "region"}.other(e.Region)
	seen := map[string]int{}
	for i, zone := range n.AvailabilityZones {
		name := at.item(i).key("name")
		if zone.Name[:len(zone.Name)-1] != e.Region {
			name.problem("%q is not an Availability Zone of the region, %s", zone.Name, region)
		}
		if first, ok := seen[zone.Name]; ok {
			name.problem("%q is duplicated; it is also item %d", zone.Name, first+1)
		}
		seen[zone.Name] = i
	}
}

func (n Network) checkSubnets(network place, vpc netip.Prefix) {
	at := network.key("availabilityZones")
	type subnet struct {
		at     place
		prefix netip.Prefix
	}
	var subnets []subnet
	for i, zone := range n.AvailabilityZones {
		subnets = append(subnets,
			subnet{at.item(i).key("publicCidr"), netip.MustParsePrefix(zone.PublicCIDR)},
			subnet{at.item(i).key("privateCidr"), netip.MustParsePrefix(zone.PrivateCIDR)})
	}
	for i, s := range subnets {
		checkNetmask(s.at, s.prefix)
		if !vpc.Contains(s.prefix.Addr()) || s.prefix.Bits() < vpc.Bits() {
			s.at.problem("%s is not inside the VPC's range, %s", s.prefix, network.key("cidr").other(vpc))
		}
		for _, other := range subnets[:i] {
			if s.prefix.Overlaps(other.prefix) {
				s.at.problem("%s overlaps %s of %s", s.prefix, other.at.other(other.prefix), other.at.path)
			}
		}
	}
}

// defaultBridge is the address of Docker's bridge on the instances, unless it has another one
// (https://docs.docker.com/engine/network/drivers/bridge/).
const defaultBridge = "172.17.0.1/16"

// bridges are the addresses that Docker's bridge can have. The last one is in the range for benchmarks, which no network uses
// (https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2). A VPC is /16 at most, so it overlaps one of them at most.
var bridges = []string{defaultBridge, "192.168.127.1/24", "198.18.127.1/24"}

// DockerBridge returns the address of Docker's bridge on the instances, with its netmask; empty: Docker's default. An instance cannot reach
// what is in the range of its bridge. So the bridge is outside of the VPC, and outside of Atlas's VPC and of the networks that SSH is used
// from if one of the addresses is.
func (e Environment) DockerBridge() string {
	vpc, chosen := netip.MustParsePrefix(e.Network.CIDR), ""
	for _, bridge := range bridges {
		prefix := netip.MustParsePrefix(bridge)
		if prefix.Overlaps(vpc) {
			continue
		}
		isFree := !slices.ContainsFunc(e.connectedCIDRs(), func(cidr string) bool { return prefix.Overlaps(netip.MustParsePrefix(cidr)) })
		if isFree || chosen == "" {
			chosen = bridge
		}
		if isFree {
			break
		}
	}
	if chosen == defaultBridge {
		return ""
	}
	return chosen
}

// BridgeAddress returns the address of an instance in Docker's bridge, at which a container reaches the instance: 172.17.0.1.
func (e Environment) BridgeAddress() string {
	return netip.MustParsePrefix(cmp.Or(e.DockerBridge(), defaultBridge)).Addr().String()
}

// checkRouteTo refuses a key whose service is not among those of network.interfaceEndpoints, if nothing else leads to the service.
func (n Network) checkRouteTo(service string, at place) {
	if n.NATGateways == "none" {
		at.problem("the instances have no route to %s, because network.natGateways is \"none\"; use single or per-az", service)
	}
}

// reservedAddresses are the addresses of every subnet that AWS keeps
// (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
const reservedAddresses = 5

// maxPublicBits is the smallest subnet of a load balancer
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html).
const maxPublicBits = 27

// endpointAddresses are the addresses of the interface endpoints in a private subnet, one each.
const endpointAddresses = 6

// privateOriginAddresses are the free addresses that a load balancer needs in a private subnet
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html), and that of CloudFront's network interface
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html).
const privateOriginAddresses = 8 + 1

// inEachZone returns how many of a number of instances or nodes are in a zone at most.
func (n Network) inEachZone(count int) int {
	zones := len(n.AvailabilityZones)
	return (count + zones - 1) / zones
}

// PrivateAddresses returns how many addresses of each private subnet are in use with a number of instances, with those that AWS keeps.
func (e Environment) PrivateAddresses(instances int) int {
	addresses := reservedAddresses + e.Network.inEachZone(instances) + e.Network.inEachZone(1+e.Cache.Replicas)
	if e.Network.InterfaceEndpoints {
		addresses += endpointAddresses
	}
	if e.Database != nil && e.Database.PrivateLink != nil {
		addresses++
	}
	if e.Network.PrivateOrigin {
		addresses += privateOriginAddresses
	}
	return addresses
}

// checkSizes requires that public subnets hold a load balancer, and private subnets their share of the instances and of Redis. During an
// instance refresh there are more instances than backend.maxSize (InRefresh).
func (n Network) checkSizes(at place, e Environment) {
	instances := n.inEachZone(InRefresh(e.Backend.MaxSize))
	need := e.PrivateAddresses(InRefresh(e.Backend.MaxSize))
	rest := "the rest for Redis and interface endpoints"
	if n.PrivateOrigin {
		rest = fmt.Sprintf("%d for the private load balancer, %s", privateOriginAddresses, rest)
	}
	for i, zone := range n.AvailabilityZones {
		public, private := netip.MustParsePrefix(zone.PublicCIDR), netip.MustParsePrefix(zone.PrivateCIDR)
		if public.Bits() > maxPublicBits && public.Bits() <= maxBits {
			at.item(i).key("publicCidr").problem("%s has a /%d netmask; a load balancer needs /%d or larger", public, public.Bits(), maxPublicBits)
		}
		if n.PrivateOrigin && private.Bits() > maxPublicBits && private.Bits() <= maxBits {
			at.item(i).key("privateCidr").problem("%s has a /%d netmask; a load balancer, which network.privateOrigin puts there, needs /%d or larger", private, private.Bits(), maxPublicBits)
		}
		if size := 1 << (32 - private.Bits()); private.Bits() <= maxBits && size < need {
			at.item(i).key("privateCidr").problem("%s has %d addresses; it needs %d: %d for AWS, %d for instances (backend.maxSize is %d), %s",
				private, size, need, reservedAddresses, instances, e.Backend.MaxSize, rest)
		}
	}
}

// minBits and maxBits are AWS's limits of a netmask, which are the same for a VPC and for a subnet
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
const minBits, maxBits = 16, 28

func checkNetmask(at place, prefix netip.Prefix) {
	if prefix.Bits() < minBits || prefix.Bits() > maxBits {
		at.problem("%s has a /%d netmask; allowed: /%d to /%d", prefix, prefix.Bits(), minBits, maxBits)
	}
}
