package config

import "net/netip"

// Network is the VPC.
type Network struct {
	// IPv4 range of the VPC, between /16 and /28.
	CIDR string `json:"cidr" jsonschema:"format=ipv4-cidr"`
	// One public and one private subnet each.
	AvailabilityZones []Zone `json:"availabilityZones" jsonschema:"minItems=2,maxItems=6"`
	// How the private subnets reach the internet.
	NATGateways string `json:"natGateways" jsonschema:"enum=none,enum=single,enum=per-az"`
	// VPC endpoints for ECR, CloudWatch Logs and Systems Manager; required without a NAT gateway.
	InterfaceEndpoints bool `json:"interfaceEndpoints"`
	// VPC flow logs in CloudWatch Logs.
	FlowLogs bool `json:"flowLogs"`
	// IPv4 ranges that may reach the instances on port 22, inside the VPC or in a network that is connected to it. Instances
	// have no public IP and no key pair: to open a shell, use Session Manager.
	SSHCIDRs []string `json:"sshCidrs" jsonschema:"uniqueItems=true,format=ipv4-cidr"`
}

// Zone is a pair of subnets in an Availability Zone.
type Zone struct {
	// Name of the Availability Zone, eu-west-1a.
	Name string `json:"name" jsonschema:"required,pattern=^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$"`
	// Range of the public subnet (load balancer, NAT gateway).
	PublicCIDR string `json:"publicCidr" jsonschema:"required,format=ipv4-cidr"`
	// Range of the private subnet (instances, Redis).
	PrivateCIDR string `json:"privateCidr" jsonschema:"required,format=ipv4-cidr"`
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
	n.checkZones(at.key("availabilityZones"), e.Region)
	n.checkSubnets(at.key("availabilityZones"), vpc)

	if n.NATGateways == "none" && !n.InterfaceEndpoints {
		at.key("natGateways").problem(`"none" gives the instances no route to ECR, CloudWatch and Systems Manager; set network.interfaceEndpoints to true, or use single or per-az`)
	}
	for i, cidr := range n.SSHCIDRs {
		if netip.MustParsePrefix(cidr).Bits() < 8 {
			at.key("sshCidrs").item(i).problem("%q opens SSH to the internet; allowed: the ranges of your own networks, /8 or smaller", cidr)
		}
	}
}

func (n Network) checkZones(at place, region string) {
	seen := map[string]int{}
	for i, zone := range n.AvailabilityZones {
		name := at.item(i).key("name")
		if zone.Name[:len(zone.Name)-1] != region {
			name.problem("%q is not an Availability Zone of region %s", zone.Name, region)
		}
		if first, ok := seen[zone.Name]; ok {
			name.problem("%q is duplicated; it is also item %d", zone.Name, first+1)
		}
		seen[zone.Name] = i
	}
}

func (n Network) checkSubnets(at place, vpc netip.Prefix) {
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
			s.at.problem("%s is not inside the VPC's range %s", s.prefix, vpc)
		}
		for _, other := range subnets[:i] {
			if s.prefix.Overlaps(other.prefix) {
				s.at.problem("%s overlaps %s of %s", s.prefix, other.prefix, other.at.path)
			}
		}
	}
}

// checkNetmask applies AWS's limits for a VPC and for a subnet, which are the same
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
func checkNetmask(at place, prefix netip.Prefix) {
	if prefix.Bits() < 16 || prefix.Bits() > 28 {
		at.problem("%s has a /%d netmask; allowed: /16 to /28", prefix, prefix.Bits())
	}
}
