// Package securitygroups is the security groups and their rules. Each rule is a resource, so that a change to one rule is
// one line in a plan.
package securitygroups

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/dataawsec2managedprefixlist"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/securitygroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcsecuritygroupegressrule"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/vpcsecuritygroupingressrule"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is the ids of the three groups in the architecture document.
type Output struct {
	LoadBalancerID *string
	InstancesID    *string
	RedisID        *string
}

// Config is the VPC of the groups, and the sources that may use SSH.
type Config struct {
	NamePrefix  string // "starttech-production"
	VPCID       *string
	BackendPort int
	SSHCIDRs    []string // IPv4 ranges that may reach the instances on port 22; empty: no rule

	PrivateOrigin bool // whether the load balancer is private, so that only CloudFront reaches it
	HTTPS         bool // whether CloudFront talks HTTPS to it
}

// New creates
//
//	internet -80, 443-> LoadBalancer -8080-> Instances -6379-> Redis
//	CloudFront -80 or 443-> private LoadBalancer
//	                          sshCidrs -22-> Instances -> anywhere
func New(scope constructs.Construct, c Config) *Output {
	output := &Output{
		InstancesID: newGroup(scope, "instances_group", c, "instances", "Backend instances: in from the load balancer only, out to anywhere"),
		RedisID:     newGroup(scope, "redis_group", c, "redis", "Redis: in from the backend instances only"),
	}

	// Terraform destroys a group before it changes a rule that names it, which AWS refuses. So each group has rules of its own.
	id := "load_balancer"
	if c.PrivateOrigin {
		id = "private_load_balancer"
		output.LoadBalancerID = newPrivateLoadBalancerGroup(scope, c)
	} else {
		output.LoadBalancerID = newLoadBalancerGroup(scope, c)
	}
	vpcsecuritygroupegressrule.NewVpcSecurityGroupEgressRule(scope, jsii.String(id+"_to_instances"), &vpcsecuritygroupegressrule.VpcSecurityGroupEgressRuleConfig{
		SecurityGroupId:           output.LoadBalancerID,
		Description:               jsii.String("Everything to the instances and nowhere else"),
		IpProtocol:                jsii.String("-1"),
		ReferencedSecurityGroupId: output.InstancesID,
	})

	allowFrom(scope, "instances_from_"+id, output.InstancesID, c.BackendPort, group(output.LoadBalancerID), "Requests and health checks from the load balancer")
	for _, allowed := range c.SSHCIDRs {
		allowFrom(scope, "instances_ssh_from_"+config.IDSafe(allowed), output.InstancesID, 22, cidr(allowed), "SSH from "+allowed)
	}
	allowAnywhere(scope, "instances_to_anywhere", output.InstancesID, "Everything to the internet and other services")

	allowFrom(scope, "redis_from_instances", output.RedisID, 6379, group(output.InstancesID), "Redis from the instances")
	allowAnywhere(scope, "redis_to_anywhere", output.RedisID, "Everything")
	return output
}

// newLoadBalancerGroup creates the group of the public load balancer and returns its id.
func newLoadBalancerGroup(scope constructs.Construct, c Config) *string {
	id := newGroup(scope, "load_balancer_group", c, "load-balancer", "Load balancer: HTTP and HTTPS from the internet, out to the instances")
	http := allowFrom(scope, "load_balancer_http_from_internet", id, 80, cidr("0.0.0.0/0"), "HTTP from the internet")
	suppress.Finding(http, "The architecture document opens port 80 to the internet; with a certificate it only redirects to HTTPS", "CKV_AWS_260")
	allowFrom(scope, "load_balancer_https_from_internet", id, 443, cidr("0.0.0.0/0"), "HTTPS from the internet")
	return id
}

// newPrivateLoadBalancerGroup creates the group of the private load balancer and returns its id. It has one rule for CloudFront, because the prefix
// list counts as 55 rules of the 60 that a group has
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/LocationsOfEdgeServers.html).
func newPrivateLoadBalancerGroup(scope constructs.Construct, c Config) *string {
	id := newGroup(scope, "private_load_balancer_group", c, "private-load-balancer", "Private load balancer: in from CloudFront only, out to the instances")
	// Besides the list, AWS allows the group CloudFront-VPCOrigins-Service-SG, which exists only after the first VPC origin of the VPC
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html).
	list := dataawsec2managedprefixlist.NewDataAwsEc2ManagedPrefixList(scope, jsii.String("cloudfront"), &dataawsec2managedprefixlist.DataAwsEc2ManagedPrefixListConfig{
		Name: jsii.String("com.amazonaws.global.cloudfront.origin-facing"),
	})
	protocol, port := "http", 80
	if c.HTTPS {
		protocol, port = "https", 443
	}
	allowFrom(scope, "private_load_balancer_"+protocol+"_from_cloudfront", id, port, source{prefixListID: list.Id()}, strings.ToUpper(protocol)+" from CloudFront")
	return id
}

// newGroup creates a security group and returns its id.
func newGroup(scope constructs.Construct, id string, c Config, name, description string) *string {
	physical := c.NamePrefix + "-" + name
	return securitygroup.NewSecurityGroup(scope, jsii.String(id), &securitygroup.SecurityGroupConfig{
		Name:        jsii.String(physical),
		Description: jsii.String(description),
		VpcId:       c.VPCID,
		Tags:        &map[string]*string{"Name": jsii.String(physical)},
	}).Id()
}

// source is the source of allowed traffic: an IPv4 range, a security group or a prefix list.
type source struct{ cidr, groupID, prefixListID *string }

func cidr(block string) source { return source{cidr: jsii.String(block)} }

func group(id *string) source { return source{groupID: id} }

func allowFrom(scope constructs.Construct, id string, toID *string, port int, from source, description string) vpcsecuritygroupingressrule.VpcSecurityGroupIngressRule {
	return vpcsecuritygroupingressrule.NewVpcSecurityGroupIngressRule(scope, jsii.String(id), &vpcsecuritygroupingressrule.VpcSecurityGroupIngressRuleConfig{
		SecurityGroupId:           toID,
		Description:               jsii.String(description),
		IpProtocol:                jsii.String("tcp"),
		FromPort:                  jsii.Number(port),
		ToPort:                    jsii.Number(port),
		CidrIpv4:                  from.cidr,
		ReferencedSecurityGroupId: from.groupID,
		PrefixListId:              from.prefixListID,
	})
}

func allowAnywhere(scope constructs.Construct, id string, fromID *string, description string) {
	vpcsecuritygroupegressrule.NewVpcSecurityGroupEgressRule(scope, jsii.String(id), &vpcsecuritygroupegressrule.VpcSecurityGroupEgressRuleConfig{
		SecurityGroupId: fromID,
		Description:     jsii.String(description),
		IpProtocol:      jsii.String("-1"),
		CidrIpv4:        jsii.String("0.0.0.0/0"),
	})
}
