// Package instancerole is the IAM role of the instances and its instance profile.
package instancerole

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iaminstanceprofile"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is the role with its instance profile, and the permissions that have to exist before an instance boots.
type Output struct {
	RoleID      *string
	ProfileARN  *string
	Permissions iamrolepolicy.IamRolePolicy
}

// Config is the resources that an instance may use, one by one.
type Config struct {
	NamePrefix          string // "starttech-production"
	Account             string
	Region              string
	PermissionsBoundary string // ARN of the permissions boundary
	ParameterPath       string // "/starttech/production/backend/": the operator's parameters, with the secrets

	RepositoryARN       *string
	ReleaseParameterARN *string // of the parameter with the released tag
	LogGroupARN         *string
	FrontendBucketARN   *string
	SessionManager      bool
}

// New creates
//
//	InstanceProfile -> Role -> RolePolicy: pull images, read parameters, write logs, read the frontend bucket
//	                        -> RolePolicy: Session Manager
func New(scope constructs.Construct, c Config) *Output {
	role := iamrole.NewIamRole(scope, jsii.String("instance_role"), &iamrole.IamRoleConfig{
		Name:                jsii.String(c.NamePrefix + "-instance"),
		Description:         jsii.String("Backend instances of " + c.NamePrefix),
		AssumeRolePolicy:    policy.AssumeRole("ec2.amazonaws.com", nil),
		PermissionsBoundary: jsii.String(c.PermissionsBoundary),
	})
	profile := iaminstanceprofile.NewIamInstanceProfile(scope, jsii.String("instance_profile"), &iaminstanceprofile.IamInstanceProfileConfig{
		Name: jsii.String(c.NamePrefix + "-instance"),
		Role: role.Name(),
	})

	roleID := role.Id()
	parameters := "arn:aws:ssm:" + c.Region + ":" + c.Account + ":parameter"
	permissions := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("instance_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("backend"),
		Role: roleID,
		Policy: policy.Document(
			policy.Statement{
				Sid:      "ECRAuthorization",
				Effect:   policy.Allow,
				Action:   []string{"ecr:GetAuthorizationToken"},
				Resource: []string{"*"}, // does not support resource-level permissions
			},
			policy.Statement{
				Sid:      "PullImages",
				Effect:   policy.Allow,
				Action:   []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
				Resource: []string{*c.RepositoryARN},
			},
			policy.Statement{
				Sid:      "ReadReleaseParameter",
				Effect:   policy.Allow,
				Action:   []string{"ssm:GetParameter"},
				Resource: []string{*c.ReleaseParameterARN},
			},
			// The values are encrypted by the key aws/ssm, whose policy allows every reader of a parameter to decrypt it.
			policy.Statement{
				Sid:      "ReadParameters",
				Effect:   policy.Allow,
				Action:   []string{"ssm:GetParametersByPath"},
				Resource: []string{parameters + strings.TrimSuffix(c.ParameterPath, "/"), parameters + c.ParameterPath + "*"},
			},
			policy.Statement{
				Sid:      "WriteLogs",
				Effect:   policy.Allow,
				Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
				Resource: []string{*c.LogGroupARN + ":*"},
			},
			policy.Statement{
				Sid:      "ListFrontendBucket",
				Effect:   policy.Allow,
				Action:   []string{"s3:ListBucket"},
				Resource: []string{*c.FrontendBucketARN},
			},
			policy.Statement{
				Sid:      "ReadFrontendFiles",
				Effect:   policy.Allow,
				Action:   []string{"s3:GetObject"},
				Resource: []string{*c.FrontendBucketARN + "/*"},
			},
		),
	})
	suppress.Finding(permissions, suppress.ECRAuthorization, "CREDENTIALS_EXPOSURE")

	// AWS's managed policy AmazonSSMManagedInstanceCore also allows to read every parameter of the account. These are the
	// actions that a session needs, none of which supports resource-level permissions
	// (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html).
	if c.SessionManager {
		session := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("instance_session_manager"), &iamrolepolicy.IamRolePolicyConfig{
			Name: jsii.String("session-manager"),
			Role: roleID,
			Policy: policy.Document(policy.Statement{
				Sid:    "SessionManager",
				Effect: policy.Allow,
				Action: []string{
					"ssm:UpdateInstanceInformation",
					"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
					"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
				},
				Resource: []string{"*"},
			}),
		})
		suppress.Finding(session, "Session Manager's actions do not support resource-level permissions", "CKV_AWS_111", "CKV_AWS_356")
	}
	return &Output{RoleID: roleID, ProfileARN: profile.Arn(), Permissions: permissions}
}
