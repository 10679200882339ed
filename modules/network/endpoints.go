package network

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/securitygroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcendpoint"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcsecuritygroupingressrule"
)

// endpointServices are the AWS services that an instance calls: images, logs, parameters, and Session Manager's channels
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html).
var endpointServices = []string{"ecr.api", "ecr.dkr", "logs", "ssm", "ssmmessages", "ec2messages"}

// newEndpoints creates
//
//	S3 gateway endpoint -> every route table (free of charge; ECR's layers and Amazon Linux's packages are in S3)
//	SecurityGroup -> 443 from the VPC
//	  <- interface endpoint per service -> private Subnets
func newEndpoints(scope constructs.Construct, c Config, output *Output, routeTableIDs []*string) {
	output.Egress = append(output.Egress, vpcendpoint.NewVpcEndpoint(scope, jsii.String("s3_endpoint"), &vpcendpoint.VpcEndpointConfig{
		VpcId:           output.VPCID,
		ServiceName:     jsii.String("com.amazonaws." + c.Region + ".s3"),
		VpcEndpointType: jsii.String("Gateway"),
		RouteTableIds:   &routeTableIDs,
		Tags:            name(c.NamePrefix + "-s3"),
	}))
	if !c.InterfaceEndpoints {
		return
	}

	groupID := securitygroup.NewSecurityGroup(scope, jsii.String("endpoints_group"), &securitygroup.SecurityGroupConfig{
		Name:        jsii.String(c.NamePrefix + "-endpoints"),
		Description: jsii.String("Interface endpoints of AWS services"),
		VpcId:       output.VPCID,
		Tags:        name(c.NamePrefix + "-endpoints"),
	}).Id()
	output.Egress = append(output.Egress, vpcsecuritygroupingressrule.NewVpcSecurityGroupIngressRule(scope, jsii.String("endpoints_https_from_vpc"), &vpcsecuritygroupingressrule.VpcSecurityGroupIngressRuleConfig{
		SecurityGroupId: groupID,
		Description:     jsii.String("HTTPS from the VPC"),
		IpProtocol:      jsii.String("tcp"),
		FromPort:        jsii.Number(443),
		ToPort:          jsii.Number(443),
		CidrIpv4:        jsii.String(c.CIDR),
	}))
	for _, service := range endpointServices {
		output.Egress = append(output.Egress, vpcendpoint.NewVpcEndpoint(scope, jsii.String(strings.ReplaceAll(service, ".", "_")+"_endpoint"), &vpcendpoint.VpcEndpointConfig{
			VpcId:             output.VPCID,
			ServiceName:       jsii.String("com.amazonaws." + c.Region + "." + service),
			VpcEndpointType:   jsii.String("Interface"),
			PrivateDnsEnabled: jsii.Bool(true),
			SubnetIds:         &output.PrivateSubnetIDs,
			SecurityGroupIds:  &[]*string{groupID},
			Tags:              name(c.NamePrefix + "-" + strings.ReplaceAll(service, ".", "-")),
		}))
	}
}
