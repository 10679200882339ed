// Package securitygroups is the security groups and their rules. Each rule is a resource, so that a change to one rule is
// one line in a plan.
package securitygroups

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
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
}

// New creates
//
//	internet -80, 443-> LoadBalancer -8080-> Instances -6379-> Redis
//	                          sshCidrs -22-> Instances -> anywhere
func New(scope constructs.Construct, c Config) *Output {
	output := &Output{
		LoadBalancerID: newGroup(scope, "load_balancer_group", c, "load-balancer", "Load balancer: HTTP and HTTPS from the internet, out to the instances"),
		InstancesID:    newGroup(scope, "instances_group", c, "instances", "Backend instances: in from the load balancer only, out to anywhere"),
		RedisID:        newGroup(scope, "redis_group", c, "redis", "Redis: in from the backend instances only"),
	}

	http := allowFrom(scope, "load_balancer_http_from_internet", output.LoadBalancerID, 80, cidr("0.0.0.0/0"), "HTTP from the internet")
	suppress.Finding(http, "The architecture document opens port 80 to the internet; with a certificate it only redirects to HTTPS", "CKV_AWS_260")
	allowFrom(scope, "load_balancer_https_from_internet", output.LoadBalancerID, 443, cidr("0.0.0.0/0"), "HTTPS from the internet")
	vpcsecuritygroupegressrule.NewVpcSecurityGroupEgressRule(scope, jsii.String("load_balancer_to_instances"), &vpcsecuritygroupegressrule.VpcSecurityGroupEgressRuleConfig{
		SecurityGroupId:           output.LoadBalancerID,
		Description:               jsii.String("Everything to the instances and nowhere else"),
		IpProtocol:                jsii.String("-1"),
		ReferencedSecurityGroupId: output.InstancesID,
	})

	allowFrom(scope, "instances_from_load_balancer", output.InstancesID, c.BackendPort, group(output.LoadBalancerID), "Requests and health checks from the load balancer")
	for _, allowed := range c.SSHCIDRs {
		allowFrom(scope, "instances_ssh_from_"+config.IDSafe(allowed), output.InstancesID, 22, cidr(allowed), "SSH from "+allowed)
	}
	allowAnywhere(scope, "instances_to_anywhere", output.InstancesID, "Everything to the internet and other services")

	allowFrom(scope, "redis_from_instances", output.RedisID, 6379, group(output.InstancesID), "Redis from the instances")
	allowAnywhere(scope, "redis_to_anywhere", output.RedisID, "Everything")
	return output
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

// source is the source of allowed traffic: an IPv4 range or a security group.
type source struct{ cidr, groupID *string }

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
