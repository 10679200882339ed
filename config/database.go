package config

import (
	"net/netip"
	"strings"
)

// Database is private ways to MongoDB Atlas. The access list of the public IPs stays.
type Database struct {
	// AWS PrivateLink: an interface endpoint in the private subnets.
	PrivateLink *PrivateLink `json:"privateLink,omitempty"`
	// VPC peering, which Atlas requests.
	Peering *Peering `json:"peering,omitempty"`
}

// PrivateLink is an interface endpoint to Atlas.
type PrivateLink struct {
	// Name of the endpoint service, which Atlas shows for its private endpoint.
	//
	// com.amazonaws.vpce.REGION.vpce-svc-ID: https://docs.aws.amazon.com/vpc/latest/privatelink/create-endpoint-service.html. Like the ids of
	// other resources of EC2, this one has 17 hexadecimal digits, or 8 if it is old
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html).
	ServiceName string `json:"serviceName" jsonschema:"required,pattern=^com\\.amazonaws\\.vpce\\.[a-z]{2\\,4}(-[a-z]+)+-[0-9]\\.vpce-svc-[0-9a-f]{8}([0-9a-f]{9})?$" change:"interrupts: the endpoint is replaced. Give Atlas the id of the new one (output database_endpoint_id); until then, the instances have no private way."`
}

// Peering is a peering connection to Atlas's VPC.
type Peering struct {
	// Id of the peering connection that Atlas has requested, pcx-0123456789abcdef0.
	//
	// The digits are those of privateLink.serviceName's id.
	ConnectionID string `json:"connectionId" jsonschema:"required,pattern=^pcx-[0-9a-f]{8}([0-9a-f]{9})?$" change:"interrupts: connections to Atlas end, once. Deploy bootstrap first, for the roles."`
	// IPv4 range of Atlas's VPC, the Atlas CIDR.
	//
	// Private, and between /21 and /24: https://mongodb.com/docs/atlas/security-vpc-peering.
	CIDR string `json:"cidr" jsonschema:"required,format=ipv4-cidr" change:"interrupts: connections to Atlas end, once. A range that overlaps Docker's bridge, 172.17.0.0/16, also rolls, because the bridge moves."`
}

// Netmasks of the Atlas CIDR (https://mongodb.com/docs/atlas/security-vpc-peering).
const minAtlasBits, maxAtlasBits = 21, 24

func (d Database) check(at place, e Environment) {
	if d.PrivateLink == nil && d.Peering == nil {
		at.problem("the block has neither privateLink nor peering; set at least one of them")
	}
	if d.PrivateLink != nil {
		name := d.PrivateLink.ServiceName
		if region := strings.Split(name, ".")[3]; region != e.Region {
			at.key("privateLink").key("serviceName").problem("%q is a service in %s; allowed: one in the region, %s", name, region, place{at.document, "region"}.other(e.Region))
		}
	}
	if d.Peering == nil {
		return
	}
	cidr, vpc := at.key("peering").key("cidr"), netip.MustParsePrefix(e.Network.CIDR)
	atlas := netip.MustParsePrefix(d.Peering.CIDR)
	if !atlas.Addr().IsPrivate() || atlas.Bits() < minAtlasBits || atlas.Bits() > maxAtlasBits {
		cidr.problem("%s is not an Atlas CIDR; allowed: /%d to /%d in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", atlas, minAtlasBits, maxAtlasBits)
	}
	if atlas.Overlaps(vpc) {
		cidr.problem("%s overlaps the VPC's range, %s; AWS refuses the peering: use another Atlas CIDR", atlas, place{at.document, "network.cidr"}.other(vpc))
	}
}

// connectedCIDRs are the ranges of the networks that the instances answer, or connect to.
func (e Environment) connectedCIDRs() []string {
	if e.Database == nil || e.Database.Peering == nil {
		return e.Network.SSHCIDRs
	}
	return append([]string{e.Database.Peering.CIDR}, e.Network.SSHCIDRs...)
}

// peeringConnection is the id of the peering connection, or empty.
func (e Environment) peeringConnection() string {
	if e.Database == nil || e.Database.Peering == nil {
		return ""
	}
	return e.Database.Peering.ConnectionID
}
