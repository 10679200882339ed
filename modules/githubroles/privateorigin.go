package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// privateOrigin is CloudFront's VPC origin, and the list of CloudFront's IP ranges. AWS chooses the id of an origin.
func privateOrigin(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Network.PrivateOrigin }) {
		return part{}
	}
	origins := []string{a.globalARN("cloudfront", "vpcorigin/*")}
	return part{
		id:           optional,
		planUnscoped: []string{"ec2:DescribeManagedPrefixLists"},
		plan: []policy.Statement{{
			// The provider reads a new origin immediately, perhaps before AWS sees its tag.
			Sid:      "ReadVpcOrigins",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:GetVpcOrigin", "cloudfront:ListTagsForResource"},
			Resource: origins,
		}, {
			Sid:      "ReadPrefixLists",
			Effect:   policy.Allow,
			Action:   []string{"ec2:GetManagedPrefixListEntries"},
			Resource: []string{"arn:aws:ec2:" + a.region + ":*:prefix-list/*"}, // CloudFront's is AWS's
		}},
		deploy: []policy.Statement{{
			Sid:       "CreateVpcOrigin",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:CreateVpcOrigin"},
			Resource:  []string{"*"}, // does not support resource-level permissions
			Condition: withProjectTag,
		}, {
			Sid:       "TagNewVpcOrigin",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:TagResource"},
			Resource:  origins,
			Condition: withFirstProjectTag,
		}, {
			Sid:       "ManageProjectVpcOrigin",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:DeleteVpcOrigin", "cloudfront:TagResource", "cloudfront:UntagResource"},
			Resource:  origins,
			Condition: onProjectTag,
		}, {
			// The schema of AWS::CloudFront::VpcOrigin has it among the permissions to create and delete
			// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudfront-vpcorigin.html).
			Sid:      "ReadInstances",
			Effect:   policy.Allow,
			Action:   []string{"ec2:DescribeInstances"},
			Resource: []string{"*"}, // does not support resource-level permissions
		}, {
			// AWS creates the role for the first VPC origin of an account
			// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-service-linked-roles.html).
			Sid:       "CreateVpcOriginRole",
			Effect:    policy.Allow,
			Action:    []string{"iam:CreateServiceLinkedRole"},
			Resource:  []string{a.globalARN("iam", "role/aws-service-role/vpcorigin.cloudfront.amazonaws.com/*")},
			Condition: policy.Condition{"StringEquals": {"iam:AWSServiceName": {"vpcorigin.cloudfront.amazonaws.com"}}},
		}},
		suppressions: []suppression{permissionsManagement},
	}
}
