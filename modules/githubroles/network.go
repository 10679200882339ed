package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// network is VPC, subnets, routes, gateways, VPC endpoints, security groups, flow logs, and the launch template, which is
// EC2's too. To create a resource, the request has to set the project's tag, and every resource that it is created in has
// to have it already.
func network(a account) part {
	everything := []string{a.arn("ec2", "*/*")}
	create := []string{
		"ec2:AllocateAddress", "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateFlowLogs",
		"ec2:CreateInternetGateway", "ec2:CreateLaunchTemplate", "ec2:CreateNatGateway", "ec2:CreateRouteTable",
		"ec2:CreateSecurityGroup", "ec2:CreateSubnet", "ec2:CreateVpc", "ec2:CreateVpcEndpoint",
	}
	return part{
		id: "network",
		planUnscoped: []string{
			"ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute", "ec2:DescribeFlowLogs", "ec2:DescribeInternetGateways",
			"ec2:DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplates", "ec2:DescribeNatGateways", "ec2:DescribeNetworkAcls",
			"ec2:DescribePrefixLists", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups",
			"ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs",
		},
		plan: []policy.Statement{{
			Sid:      "ReadVPC",
			Effect:   policy.Allow,
			Action:   []string{"ec2:DescribeVpcAttribute"},
			Resource: []string{a.arn("ec2", "vpc/*")},
		}},
		deploy: []policy.Statement{{
			Sid:       "CreateWithProjectTag",
			Effect:    policy.Allow,
			Action:    create,
			Resource:  everything,
			Condition: withProjectTag,
		}, {
			Sid:      "TagOnCreate",
			Effect:   policy.Allow,
			Action:   []string{"ec2:CreateTags"},
			Resource: everything,
			Condition: policy.Condition{"StringEquals": {
				"aws:RequestTag/project": {config.Project},
				"ec2:CreateAction":       ec2Names(append(create, "ec2:RunInstances")),
			}},
		}, {
			Sid:    "ManageProjectTagged",
			Effect: policy.Allow,
			Action: append(create,
				"ec2:AssociateRouteTable", "ec2:AttachInternetGateway", "ec2:CreateLaunchTemplateVersion", "ec2:CreateRoute", "ec2:CreateTags",
				"ec2:DeleteFlowLogs", "ec2:DeleteInternetGateway", "ec2:DeleteLaunchTemplate", "ec2:DeleteNatGateway",
				"ec2:DeleteRoute", "ec2:DeleteRouteTable", "ec2:DeleteSecurityGroup", "ec2:DeleteSubnet", "ec2:DeleteTags",
				"ec2:DeleteVpc", "ec2:DeleteVpcEndpoints", "ec2:DetachInternetGateway", "ec2:DisassociateAddress",
				"ec2:DisassociateRouteTable", "ec2:ModifyLaunchTemplate",
				"ec2:ModifySecurityGroupRules", "ec2:ModifySubnetAttribute", "ec2:ModifyVpcAttribute", "ec2:ModifyVpcEndpoint",
				"ec2:ReleaseAddress", "ec2:ReplaceRoute", "ec2:ReplaceRouteTableAssociation",
				"ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress",
			),
			Resource:  everything,
			Condition: onProjectTag,
		}, {
			// The private DNS names of interface endpoints.
			Sid:      "AssociateEndpointHostedZone",
			Effect:   policy.Allow,
			Action:   []string{"route53:AssociateVPCWithHostedZone"},
			Resource: []string{"arn:aws:route53:::hostedzone/*"},
		}, {
			// AWS creates the default security group together with the VPC, without tags.
			Sid:      "TagDefaultSecurityGroup",
			Effect:   policy.Allow,
			Action:   []string{"ec2:CreateTags"},
			Resource: []string{a.arn("ec2", "security-group/*")},
			Condition: policy.Condition{
				"StringEquals": withProjectTag["StringEquals"],
				"Null":         {"aws:ResourceTag/Name": {"true"}, "aws:ResourceTag/project": {"true"}},
			},
		}},
		suppressions: []suppression{{
			"The pattern */* stands for all types of EC2's resources; the tag decides which of them",
			[]string{"RESOURCE_MISMATCH:CreateWithProjectTag", "RESOURCE_MISMATCH:ManageProjectTagged"},
		}},
	}
}
