// Package githubroles is what this project's own workflows on GitHub may do in an account: GitHub's OIDC provider, the
// plan, deploy and review roles, and the permissions boundaries of the roles that a deploy creates. No workflow has an access key.
//
// What the roles may do is in a file for each part of the architecture: network.go, compute.go, ...
package githubroles

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamopenidconnectprovider"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iampolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicyattachment"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is the ARNs of the roles.
type Output struct {
	PlanARN   *string
	DeployARN *string
	ReviewARN *string
}

// Config is the account, the repository whose workflows assume the roles, and the environments that they deploy.
type Config struct {
	Account        string
	Region         string
	Repository     string // on GitHub, owner/name
	RepositoryID   int    // 0: any repository of that name
	CreateProvider bool   // false if the account has an OIDC provider of GitHub already
	Environments   []config.Environment

	LocksInDynamoDB bool // whether Terraform locks the states in the lock table
	LocksInS3       bool // whether it locks them beside the states
	StateBucketName *string
	StateBucketARN  *string
	LockTableARN    *string
	ZoneARNs        map[string]*string // of the hosted zones that this stack creates, by environment
}

// ProviderAddress is the address of a created OIDC provider.
const ProviderAddress = "aws_iam_openid_connect_provider.github"

// deployHours is how long a deploy may take: an apply of CloudFront and Redis takes half an hour, and then an instance refresh that fails
// an hour.
const deployHours = 2

// New creates
//
//	OpenIDConnectProvider (GitHub)
//	  <- Role plan   <- pull requests and main   -> Policies read, state_read, bootstrap_read
//	  <- Role deploy <- main, in an environment  -> Policies read, state_read, state_write, network, compute, ...
//	  <- Role review <- main                     -> Policy review
//	Policies boundary, delivery_boundary, rotation_boundary
func New(scope constructs.Construct, c Config) *Output {
	a := account{c.Account, c.Region}
	parts := parts(a, c)
	required, optionals := split(parts)

	var dependsOn []cdktf.ITerraformDependable
	if c.CreateProvider {
		dependsOn = append(dependsOn, iamopenidconnectprovider.NewIamOpenidConnectProvider(scope, jsii.String("github"), &iamopenidconnectprovider.IamOpenidConnectProviderConfig{
			Url:          jsii.String("https://" + policy.GitHubIssuer),
			ClientIdList: jsii.Strings(policy.GitHubAudience),
			Lifecycle:    &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(true)}, // others in the account may use it
		}))
	}
	instanceStatements, deliveryStatements, rotationStatements := boundaryStatements(parts)
	instance := newPolicy(scope, "boundary", instanceStatements)
	suppress.Finding(instance, "A boundary grants nothing; some of its actions do not support resource-level permissions", "CKV_AWS_111", "CKV_AWS_356")
	suppress.Finding(instance, suppress.ECRAuthorization, "CREDENTIALS_EXPOSURE")
	delivery := newPolicy(scope, "delivery_boundary", deliveryStatements)
	suppress.Finding(delivery, suppress.ECRAuthorization, "CREDENTIALS_EXPOSURE")

	if len(rotationStatements) > 0 {
		newPolicy(scope, "rotation_boundary", rotationStatements)
	}

	plan := iamrole.NewIamRole(scope, jsii.String("plan_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(prefixed("plan")),
		Description: jsii.String("GitHub Actions of " + c.Repository + ": plans, on pull requests and on main"),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository:   c.Repository,
			RepositoryID: c.RepositoryID,
			Contexts:     []string{"pull_request", "ref:" + policy.MainBranch},
		}),
		DependsOn: &dependsOn,
	})
	var environments []string
	for _, environment := range c.Environments {
		environments = append(environments, "environment:"+environment.Name)
	}
	deploy := iamrole.NewIamRole(scope, jsii.String("deploy_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(config.DeployRole),
		Description: jsii.String("GitHub Actions of " + c.Repository + ": deploys main"),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository:   c.Repository,
			RepositoryID: c.RepositoryID,
			Contexts:     environments,
			Ref:          policy.MainBranch,
		}),
		MaxSessionDuration: jsii.Number(deployHours * 60 * 60), // seconds
		DependsOn:          &dependsOn,
	})

	planName, deployName := plan.Name(), deploy.Name()
	readARN := newPolicy(scope, "read", planStatements(required)).Arn()
	attach(scope, "plan_read", planName, readARN)
	attach(scope, "deploy_read", deployName, readARN)
	stateReadARN := newPolicy(scope, "state_read", readState(c)).Arn()
	attach(scope, "plan_state_read", planName, stateReadARN)
	attach(scope, "deploy_state_read", deployName, stateReadARN)
	attach(scope, "plan_bootstrap_read", planName, newPolicy(scope, "bootstrap_read", readBootstrap(a, c, parts)).Arn())
	attach(scope, "deploy_state_write", deployName, newPolicy(scope, "state_write", writeState(c)).Arn())
	for _, p := range merge(required) {
		managed := newPolicy(scope, p.id, p.deploy)
		attach(scope, "deploy_"+p.id, deployName, managed.Arn())
		for _, s := range p.suppressions {
			suppress.Finding(managed, s.reason, s.rules...)
		}
	}
	if statements := planStatements(optionals); len(statements) > 0 {
		optionalARN := newPolicy(scope, "optional_read", statements).Arn()
		attach(scope, "plan_optional_read", planName, optionalARN)
		attach(scope, "deploy_optional_read", deployName, optionalARN)
	}
	for _, p := range merge(optionals) {
		// A role has ten managed policies. Its inline policies hold 10,240 characters more
		// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
		inline := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("deploy_"+p.id), &iamrolepolicy.IamRolePolicyConfig{
			Name:   jsii.String(p.id),
			Role:   deployName,
			Policy: policy.Document(p.deploy...),
		})
		for _, s := range p.suppressions {
			suppress.Finding(inline, s.reason, s.rules...)
		}
	}
	return &Output{PlanARN: plan.Arn(), DeployARN: deploy.Arn(), ReviewARN: newReview(scope, a, c, &dependsOn)}
}

// newPolicy creates a managed policy. It holds 6,144 characters, and a role has ten of them
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html). So parts share them.
func newPolicy(scope constructs.Construct, id string, statements []policy.Statement) iampolicy.IamPolicy {
	return iampolicy.NewIamPolicy(scope, jsii.String(id+"_policy"), &iampolicy.IamPolicyConfig{
		Name:        jsii.String(prefixed(strings.ReplaceAll(id, "_", "-"))),
		Description: jsii.String("GitHub Actions and the roles that they make: " + strings.ReplaceAll(id, "_", " ")),
		Policy:      policy.Document(statements...),
	})
}

func attach(scope constructs.Construct, id string, roleName, policyARN *string) {
	iamrolepolicyattachment.NewIamRolePolicyAttachment(scope, jsii.String(id), &iamrolepolicyattachment.IamRolePolicyAttachmentConfig{
		Role:      roleName,
		PolicyArn: policyARN,
	})
}
