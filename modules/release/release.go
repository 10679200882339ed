// Package release is what the application's own pipeline may do in an environment: the role that its workflows assume.
package release

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"

	"github.com/starttech/infrastructure/modules/exception"
	"github.com/starttech/infrastructure/modules/policy"
)

// Config names who may release and, one by one, what a release touches.
type Config struct {
	Name        string // prefix of every physical name, "starttech-production"
	Environment string // the GitHub environment that a workflow has to run in, "production"
	Account     string
	Boundary    string // ARN of the permissions boundary

	ApplicationRepository string // on GitHub, owner/name

	RepositoryARN       *string
	ReleaseARN          *string // of the parameter with the released tag
	AutoScalingGroupARN *string
	FrontendBucketARN   *string
	DistributionARN     *string
}

// New creates
//
//	Role -> RolePolicy: push images, name the released one, refresh the instances; publish the site's files
func New(scope constructs.Construct, config Config) iamrole.IamRole {
	role := iamrole.NewIamRole(scope, jsii.String("release_role"), &iamrole.IamRoleConfig{
		Name:                jsii.String(config.Name + "-release"),
		Description:         jsii.String("GitHub Actions of " + config.ApplicationRepository + ": releases to " + config.Environment),
		PermissionsBoundary: jsii.String(config.Boundary),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(config.Account, policy.Workflow{
			Repository: config.ApplicationRepository,
			Contexts:   []string{"environment:" + config.Environment},
			Ref:        policy.MainBranch,
		}),
	})
	permissions := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("release_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("release"),
		Role: role.Id(),
		Policy: policy.Document(
			policy.Statement{
				Sid:      "SignInToECR",
				Effect:   policy.Allow,
				Action:   []string{"ecr:GetAuthorizationToken"},
				Resource: []string{"*"}, // the action knows no resources
			},
			// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, and a look whether the tag is there
			// already: a release that runs again finds it, and tags are immutable.
			policy.Statement{
				Sid:    "PushImages",
				Effect: policy.Allow,
				Action: []string{
					"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
					"ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
				},
				Resource: []string{*config.RepositoryARN},
			},
			policy.Statement{
				Sid:      "NameRelease",
				Effect:   policy.Allow,
				Action:   []string{"ssm:GetParameter", "ssm:PutParameter"}, // the one before is what a rollback goes back to
				Resource: []string{*config.ReleaseARN},
			},
			policy.Statement{
				Sid:      "RefreshInstances",
				Effect:   policy.Allow,
				Action:   []string{"autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"},
				Resource: []string{*config.AutoScalingGroupARN},
			},
			policy.Statement{
				Sid:      "WatchRefresh",
				Effect:   policy.Allow,
				Action:   []string{"autoscaling:DescribeInstanceRefreshes"},
				Resource: []string{"*"}, // the action knows no resources
			},
			policy.Statement{
				Sid:      "ListFiles",
				Effect:   policy.Allow,
				Action:   []string{"s3:ListBucket"},
				Resource: []string{*config.FrontendBucketARN},
			},
			policy.Statement{
				Sid:      "PublishFiles",
				Effect:   policy.Allow,
				Action:   []string{"s3:DeleteObject", "s3:PutObject"},
				Resource: []string{*config.FrontendBucketARN + "/*"},
			},
			policy.Statement{
				Sid:      "InvalidatePages",
				Effect:   policy.Allow,
				Action:   []string{"cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"},
				Resource: []string{*config.DistributionARN},
			},
		),
	})
	exception.Accept(permissions, exception.ECRSignIn, "CREDENTIALS_EXPOSURE")
	return role
}
