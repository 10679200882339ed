package network

import (
	"fmt"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/route"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/securitygroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcendpoint"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcpeeringconnectionaccepter"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcsecuritygroupingressrule"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// DatabaseConfig is the database block of the environment file, and where the private ways begin.
type DatabaseConfig struct {
	NamePrefix       string // "starttech-production"
	VPC              *Output
	InstancesGroupID *string
	config.Database
}

// The ports of Atlas behind PrivateLink. They change with the cluster, so MongoDB recommends to allow all of them
// (https://www.mongodb.com/docs/atlas/security-private-endpoint/#port-ranges-used-for-private-endpoints).
const firstAtlasPort, lastAtlasPort = 1024, 65535

// NewDatabase creates
//
//	instances -1024-65535-> SecurityGroup <- VPCEndpoint (PrivateLink) -> private Subnets
//	private RouteTables -> Routes (Atlas CIDR) -> VPCPeeringConnectionAccepter
//
// It returns the endpoint's id; nil without PrivateLink.
func NewDatabase(scope constructs.Construct, c DatabaseConfig) (endpointID *string) {
	if c.PrivateLink != nil {
		endpointID = newDatabaseEndpoint(scope, c)
	}
	if c.Peering != nil {
		newDatabasePeering(scope, c)
	}
	return endpointID
}

func newDatabaseEndpoint(scope constructs.Construct, c DatabaseConfig) *string {
	tags := name(c.NamePrefix + "-database")
	groupID := securitygroup.NewSecurityGroup(scope, jsii.String("database_endpoint_group"), &securitygroup.SecurityGroupConfig{
		Name:        jsii.String(c.NamePrefix + "-database"),
		Description: jsii.String("Interface endpoint of MongoDB Atlas: in from the backend instances only"),
		VpcId:       c.VPC.VPCID,
		Tags:        tags,
	}).Id()
	ingress := vpcsecuritygroupingressrule.NewVpcSecurityGroupIngressRule(scope, jsii.String("database_endpoint_from_instances"), &vpcsecuritygroupingressrule.VpcSecurityGroupIngressRuleConfig{
		SecurityGroupId:           groupID,
		Description:               jsii.String("MongoDB Atlas from the instances"),
		IpProtocol:                jsii.String("tcp"),
		FromPort:                  jsii.Number(firstAtlasPort),
		ToPort:                    jsii.Number(lastAtlasPort),
		ReferencedSecurityGroupId: c.InstancesGroupID,
	})
	suppress.Finding(ingress, "The source is the instances' security group, not 0.0.0.0/0", "CKV_AWS_25")
	return vpcendpoint.NewVpcEndpoint(scope, jsii.String("database_endpoint"), &vpcendpoint.VpcEndpointConfig{
		VpcId:           c.VPC.VPCID,
		ServiceName:     jsii.String(c.PrivateLink.ServiceName),
		VpcEndpointType: jsii.String("Interface"),
		// The host names of Atlas's connection string resolve to the endpoint in public DNS
		// (https://www.mongodb.com/docs/atlas/security-private-endpoint/#private-endpoint-aware-connection-strings).
		PrivateDnsEnabled: jsii.Bool(false),
		SubnetIds:         &c.VPC.PrivateSubnetIDs,
		SecurityGroupIds:  &[]*string{groupID},
		Tags:              tags,
	}).Id()
}

// newDatabasePeering accepts Atlas's request. The DNS option of the accepter is for names of this VPC, which Atlas does not resolve
// (https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-dns.html). Those of Atlas resolve to private addresses because this VPC has DNS
// support and DNS hostnames (https://docs.atlas.mongodb.com/security-vpc-peering/).
func newDatabasePeering(scope constructs.Construct, c DatabaseConfig) {
	peeringID := vpcpeeringconnectionaccepter.NewVpcPeeringConnectionAccepterA(scope, jsii.String("database_peering"), &vpcpeeringconnectionaccepter.VpcPeeringConnectionAccepterAConfig{
		VpcPeeringConnectionId: jsii.String(c.Peering.ConnectionID),
		AutoAccept:             jsii.Bool(true),
		Tags:                   name(c.NamePrefix + "-database"),
	}).Id()
	for _, table := range c.VPC.privateRouteTables {
		route.NewRoute(scope, jsii.String(fmt.Sprintf("private_%s_to_database", table.letter)), &route.RouteConfig{
			RouteTableId:           table.id,
			DestinationCidrBlock:   jsii.String(c.Peering.CIDR),
			VpcPeeringConnectionId: peeringID,
		})
	}
}
