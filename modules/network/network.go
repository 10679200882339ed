// Package network is the VPC: a public tier for the load balancer and the NAT gateways, a private tier for the
// instances and Redis, and the egress of each.
package network

import (
	"fmt"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/defaultsecuritygroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/eip"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/internetgateway"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/natgateway"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/route"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/routetable"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/routetableassociation"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/subnet"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpc"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is what other modules are placed in and wait for.
type Output struct {
	VPCID            *string
	InternetGateway  internetgateway.InternetGateway
	PublicSubnetIDs  []*string
	PrivateSubnetIDs []*string
	NATAddresses     []NATAddress
	NATPublicIPs     []*string                    // the source addresses of the instances' requests; empty without NAT
	Egress           []cdktf.ITerraformDependable // routes and endpoints that have to exist before an instance boots

	privateRouteTables []privateRouteTable
}

// privateRouteTable is the route table of a private subnet.
type privateRouteTable struct {
	letter string // of the zone
	id     *string
}

// NATAddress is the Elastic IP of a NAT gateway.
type NATAddress struct {
	Letter       string // of its zone
	AllocationID *string
}

// Config is the network block of the environment file, and where the flow logs go.
type Config struct {
	NamePrefix string // "starttech-production"
	PathPrefix string // "/starttech/production"
	Account    string
	Region     string
	config.Network
	LogRetentionDays    int    // of flow logs
	PermissionsBoundary string // ARN of the permissions boundary of the flow logs' role
	DeletionProtection  bool   // whether a destroy of the VPC, its subnets and the flow logs is refused
}

// New creates
//
//	VPC -> DefaultSecurityGroup (emptied)
//	  -> InternetGateway
//	  -> public Subnets  -> RouteTable          -> InternetGateway
//	  -> private Subnets -> RouteTable per zone -> NATGateway -> EIP
//	  -> VPCEndpoints
//	  -> FlowLog -> LogGroup
func New(scope constructs.Construct, c Config) *Output {
	network := vpc.NewVpc(scope, jsii.String("network"), &vpc.VpcConfig{
		CidrBlock:          jsii.String(c.CIDR),
		EnableDnsSupport:   jsii.Bool(true),
		EnableDnsHostnames: jsii.Bool(true), // the DNS names of the services resolve to the interface endpoints
		Tags:               name(c.NamePrefix),
		// Another range replaces the VPC, and everything in it.
		Lifecycle: &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
	})
	vpcID := network.Id()

	// Resources without a security group of their own get this one. It has no rules, so it allows no traffic.
	defaultsecuritygroup.NewDefaultSecurityGroup(scope, jsii.String("network_default_group"), &defaultsecuritygroup.DefaultSecurityGroupConfig{
		VpcId: vpcID,
		Tags:  name(c.NamePrefix + "-default-closed"),
	})

	internet := internetgateway.NewInternetGateway(scope, jsii.String("internet_gateway"), &internetgateway.InternetGatewayConfig{
		VpcId: vpcID,
		Tags:  name(c.NamePrefix),
	})

	output := &Output{VPCID: vpcID, InternetGateway: internet}
	publicRouteTableID := routetable.NewRouteTable(scope, jsii.String("public_routes"), &routetable.RouteTableConfig{
		VpcId: vpcID,
		Tags:  name(c.NamePrefix + "-public"),
	}).Id()
	route.NewRoute(scope, jsii.String("public_to_internet"), &route.RouteConfig{
		RouteTableId:         publicRouteTableID,
		DestinationCidrBlock: jsii.String(anywhere),
		GatewayId:            internet.Id(),
	})
	for _, zone := range c.AvailabilityZones {
		publicID, _ := newSubnet(scope, "public", zone.Name, zone.PublicCIDR, vpcID, publicRouteTableID, c)
		output.PublicSubnetIDs = append(output.PublicSubnetIDs, publicID)
	}

	// Each zone has its own private route table, so that the egress of a zone can change without replacing a subnet.
	var privateRouteTableIDs []*string
	for _, zone := range c.AvailabilityZones {
		letter := letterOf(zone.Name)
		routeTableID := routetable.NewRouteTable(scope, jsii.String("private_routes_"+letter), &routetable.RouteTableConfig{
			VpcId: vpcID,
			Tags:  name(c.NamePrefix + "-private-" + letter),
		}).Id()
		privateRouteTableIDs = append(privateRouteTableIDs, routeTableID)
		output.privateRouteTables = append(output.privateRouteTables, privateRouteTable{letter, routeTableID})
		privateID, association := newSubnet(scope, "private", zone.Name, zone.PrivateCIDR, vpcID, routeTableID, c)
		output.PrivateSubnetIDs = append(output.PrivateSubnetIDs, privateID)
		output.Egress = append(output.Egress, association)
	}

	newNATGateways(scope, c, output, privateRouteTableIDs)
	newEndpoints(scope, c, output, append(privateRouteTableIDs, publicRouteTableID))
	if c.FlowLogs {
		newFlowLogs(scope, c, vpcID)
	} else {
		suppress.Finding(network, "The environment file turns flow logs off", "CKV2_AWS_11")
	}
	return output
}

const anywhere = "0.0.0.0/0"

// newSubnet returns the subnet's id and its association with the route table.
func newSubnet(scope constructs.Construct, tier, zone, cidr string, vpcID, routeTableID *string, c Config) (*string, cdktf.ITerraformDependable) {
	id := tier + "_" + letterOf(zone)
	subnetID := subnet.NewSubnet(scope, jsii.String(id), &subnet.SubnetConfig{
		VpcId:            vpcID,
		AvailabilityZone: jsii.String(zone),
		CidrBlock:        jsii.String(cidr),
		// The load balancer and the NAT gateways have their own public IPs. Nothing else gets one.
		MapPublicIpOnLaunch: jsii.Bool(false),
		Tags:                name(c.NamePrefix + "-" + tier + "-" + letterOf(zone)),
		Lifecycle:           &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
	}).Id()
	association := routetableassociation.NewRouteTableAssociation(scope, jsii.String(id+"_association"), &routetableassociation.RouteTableAssociationConfig{
		SubnetId:     subnetID,
		RouteTableId: routeTableID,
	})
	return subnetID, association
}

// newNATGateways creates the NAT gateways of the private tier: none, one for all zones, or one for each zone.
func newNATGateways(scope constructs.Construct, c Config, output *Output, privateRouteTableIDs []*string) {
	gateways := map[string]int{"none": 0, "single": 1, "per-az": len(c.AvailabilityZones)}[c.NATGateways]

	var natIDs []*string
	for i := range gateways {
		letter := letterOf(c.AvailabilityZones[i].Name)
		address := eip.NewEip(scope, jsii.String("nat_eip_"+letter), &eip.EipConfig{
			Domain: jsii.String("vpc"),
			Tags:   name(c.NamePrefix + "-nat-" + letter),
		})
		allocationID := address.AllocationId()
		output.NATAddresses = append(output.NATAddresses, NATAddress{letter, allocationID})
		output.NATPublicIPs = append(output.NATPublicIPs, address.PublicIp())
		natIDs = append(natIDs, natgateway.NewNatGateway(scope, jsii.String("nat_"+letter), &natgateway.NatGatewayConfig{
			AllocationId: allocationID,
			SubnetId:     output.PublicSubnetIDs[i],
			Tags:         name(c.NamePrefix + "-" + letter),
			DependsOn:    &[]cdktf.ITerraformDependable{output.InternetGateway},
		}).Id())
	}

	if gateways == 0 {
		return
	}
	for i, routeTableID := range privateRouteTableIDs {
		output.Egress = append(output.Egress, route.NewRoute(scope, jsii.String(fmt.Sprintf("private_%s_to_nat", letterOf(c.AvailabilityZones[i].Name))), &route.RouteConfig{
			RouteTableId:         routeTableID,
			DestinationCidrBlock: jsii.String(anywhere),
			NatGatewayId:         natIDs[i%gateways],
		}))
	}
}

// letterOf is the letter of a zone: "a" of eu-west-1a. It is in the ids, so that a new zone changes no other id.
func letterOf(zone string) string { return zone[len(zone)-1:] }

// name is the tag that the AWS console shows in its first column.
func name(name string) *map[string]*string { return &map[string]*string{"Name": jsii.String(name)} }
