// Package releaserole is the IAM role that a release of the application to an environment assumes.
package releaserole

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Config is who may release, and the resources that a release uses, one by one.
type Config struct {
	NamePrefix          string // "starttech-production"
	Environment         string // the GitHub environment that a workflow has to run in, "production"
	Account             string
	PermissionsBoundary string // ARN of the permissions boundary

	Repository              string // on GitHub, owner/name; only its policy.ReleaseWorkflow assumes the role
	ApplicationRepository   string // that calls the workflow
	ApplicationRepositoryID int    // 0: any repository of that name

	RepositoryARN       *string
	ReleaseParameterARN *string // of the parameter with the released tag
	AutoScalingGroupARN *string
	FrontendBucketARN   *string
	DistributionARN     *string
}

// New creates
//
//	Role -> RolePolicy: push images, write the release parameter, refresh the instances, publish the frontend
func New(scope constructs.Construct, c Config) iamrole.IamRole {
	role := iamrole.NewIamRole(scope, jsii.String("release_role"), &iamrole.IamRoleConfig{
		Name:                jsii.String(c.NamePrefix + "-release"),
		Description:         jsii.String("GitHub Actions of " + c.ApplicationRepository + ": releases to " + c.Environment),
		PermissionsBoundary: jsii.String(c.PermissionsBoundary),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository:   c.ApplicationRepository,
			RepositoryID: c.ApplicationRepositoryID,
			Contexts:     []string{"environment:" + c.Environment},
			Ref:          policy.MainBranch,
			CalledFrom:   c.Repository,
		}),
	})
	permissions := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("release_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("release"),
		Role: role.Id(),
		Policy: policy.Document(
			policy.Statement{
				Sid:      "ECRAuthorization",
				Effect:   policy.Allow,
				Action:   []string{"ecr:GetAuthorizationToken"},
				Resource: []string{"*"}, // does not support resource-level permissions
			},
			// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, and DescribeImages to find out whether
			// the tag exists already, because tags are immutable and a release may run twice. DescribeImageScanFindings: a release
			// refuses an image with critical findings.
			policy.Statement{
				Sid:    "PushImages",
				Effect: policy.Allow,
				Action: []string{
					"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImageScanFindings",
					"ecr:DescribeImages", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
				},
				Resource: []string{*c.RepositoryARN},
			},
			policy.Statement{
				Sid:      "WriteReleaseParameter",
				Effect:   policy.Allow,
				Action:   []string{"ssm:GetParameter", "ssm:PutParameter"}, // GetParameter: a rollback restores the previous tag
				Resource: []string{*c.ReleaseParameterARN},
			},
			policy.Statement{
				Sid:      "RefreshInstances",
				Effect:   policy.Allow,
				Action:   []string{"autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"},
				Resource: []string{*c.AutoScalingGroupARN},
			},
			policy.Statement{
				Sid:      "DescribeInstanceRefreshes",
				Effect:   policy.Allow,
				Action:   []string{"autoscaling:DescribeInstanceRefreshes"},
				Resource: []string{"*"}, // does not support resource-level permissions
			},
			policy.Statement{
				Sid:      "ListFrontendBucket",
				Effect:   policy.Allow,
				Action:   []string{"s3:ListBucket"},
				Resource: []string{*c.FrontendBucketARN},
			},
			policy.Statement{
				Sid:      "WriteFrontendFiles",
				Effect:   policy.Allow,
				Action:   []string{"s3:DeleteObject", "s3:PutObject"},
				Resource: []string{*c.FrontendBucketARN + "/*"},
			},
			policy.Statement{
				Sid:      "CreateInvalidations",
				Effect:   policy.Allow,
				Action:   []string{"cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"},
				Resource: []string{*c.DistributionARN},
			},
		),
	})
	suppress.Finding(permissions, suppress.ECRAuthorization, "CREDENTIALS_EXPOSURE")
	return role
}
