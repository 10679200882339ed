// Package githubroles is what this project's own workflows on GitHub may do in an account: GitHub's OIDC provider, the
// roles that plan and deploy, and the boundary of the roles that a deploy makes. No workflow has a key of its own.
package githubroles

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamopenidconnectprovider"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iampolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicyattachment"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is the ARNs of the two roles.
type Output struct {
	PlanARN   *string
	DeployARN *string
}

// Config says whose workflows may do what to which environments.
type Config struct {
	Account        string
	Region         string
	Repository     string   // on GitHub, owner/name
	CreateProvider bool     // whether the account has no OIDC provider of GitHub yet
	Environments   []string // names: of the stacks, and of the GitHub environments that deploy them
	HostedZones    []string // ids of the Route 53 zones of their domains

	StateBucketName *string
	StateBucketARN  *string
	LockTableARN    *string
}

// deployHours is how long a deploy may take: the first apply of CloudFront and Redis takes half an hour.
const deployHours = 2

// New creates
//
//	OpenIDConnectProvider (GitHub)
//	  <- Role plan   <- pull requests and main     -> Policies read, state_read, bootstrap_read
//	  <- Role deploy <- main, in an environment  -> Policies read, state_read, state_write, network, compute, ...
//	Policy boundary
func New(scope constructs.Construct, c Config) *Output {
	here := place{c.Account, c.Region}
	var after []cdktf.ITerraformDependable
	if !c.CreateProvider {
		// Where this stack has made it, it is not destroyed but left to whoever keeps it now: others may rely on it
		// (https://developer.hashicorp.com/terraform/language/resources/syntax#removing-resources).
		stack := cdktf.TerraformStack_Of(scope)
		stack.AddOverride(jsii.String("removed"), []any{map[string]any{
			"from":      "aws_iam_openid_connect_provider.github",
			"lifecycle": map[string]any{"destroy": false},
		}})
	} else {
		after = append(after, iamopenidconnectprovider.NewIamOpenidConnectProvider(scope, jsii.String("github"), &iamopenidconnectprovider.IamOpenidConnectProviderConfig{
			Url:          jsii.String("https://" + policy.GitHubIssuer),
			ClientIdList: jsii.Strings(policy.GitHubAudience),
			Lifecycle:    &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(true)}, // others in the account may rely on it
		}))
	}
	bound := newPolicy(scope, grant{"boundary", boundary(here)})
	suppress.Finding(bound, "A boundary grants nothing; some actions that it lets through know no resources", "CKV_AWS_111", "CKV_AWS_356")
	suppress.Finding(bound, suppress.ECRAuthorization, "CREDENTIALS_EXPOSURE")

	plan := iamrole.NewIamRole(scope, jsii.String("plan_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(name("plan")),
		Description: jsii.String("GitHub Actions of " + c.Repository + ": plans, on pull requests and on main"),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository: c.Repository,
			Contexts:   []string{"pull_request", "ref:" + policy.MainBranch},
		}),
		DependsOn: &after,
	})
	var environments []string
	for _, environment := range c.Environments {
		environments = append(environments, "environment:"+environment)
	}
	deploy := iamrole.NewIamRole(scope, jsii.String("deploy_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(name("deploy")),
		Description: jsii.String("GitHub Actions of " + c.Repository + ": deploys main"),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository: c.Repository,
			Contexts:   environments,
			Ref:        policy.MainBranch,
		}),
		MaxSessionDuration: jsii.Number(deployHours * 60 * 60), // seconds
		DependsOn:          &after,
	})

	planName, deployName := plan.Name(), deploy.Name()
	for _, shared := range []grant{
		{"read", reads(here, c)},
		{"state_read", readsState(c)},
	} {
		grantedARN := newPolicy(scope, shared).Arn()
		attach(scope, "plan_"+shared.id, planName, grantedARN)
		attach(scope, "deploy_"+shared.id, deployName, grantedARN)
	}
	attach(scope, "plan_bootstrap_read", planName, newPolicy(scope, grant{"bootstrap_read", readsBootstrap(here, c)}).Arn())

	own := map[string]iampolicy.IamPolicy{}
	for _, g := range []grant{
		{"state_write", writesState(c)},
		{"network", deploysNetwork(here)},
		{"compute", deploysCompute(here)},
		{"site", deploysSite(here, c)},
		{"data", deploysData(here)},
		{"observability", deploysObservability(here)},
		{"identity", deploysIdentity(here)},
	} {
		own[g.id] = newPolicy(scope, g)
		attach(scope, "deploy_"+g.id, deployName, own[g.id].Arn())
	}
	acceptFindings(own)
	return &Output{PlanARN: plan.Arn(), DeployARN: deploy.Arn()}
}

// acceptFindings says why some rules do not hold for what a deploy may do.
func acceptFindings(own map[string]iampolicy.IamPolicy) {
	const everyType = "The pattern */* stands for all types of EC2's resources; the tag decides which of them"
	suppress.Finding(own["network"], everyType, "RESOURCE_MISMATCH:Make", "RESOURCE_MISMATCH:Use")
	suppress.Finding(own["compute"], "What an instance is made of stands in two statements, by what has a tag", "RESOURCE_MISMATCH:LaunchFromOurTemplates", "RESOURCE_MISMATCH:LaunchFromTemplatesOnly")
	suppress.Finding(own["compute"], "Only application load balancers are made, no network load balancers", "RESOURCE_MISMATCH:LoadBalancer")
	const alias = "An alias has a name and its key a tag, so each stands in a statement of its own"
	suppress.Finding(own["observability"], alias, "RESOURCE_MISMATCH:SetUpTopicKey", "RESOURCE_MISMATCH:TopicKey", "RESOURCE_MISMATCH:TopicKeyAlias")

	const permissions = "A deploy makes resources along with who may use them; the statements name the project's own only"
	for _, id := range []string{"identity", "observability", "site"} {
		suppress.Finding(own[id], permissions, "PERMISSIONS_MANAGEMENT_ACTIONS")
	}
	suppress.Finding(own["site"], "A bucket's policy is made with the bucket; what is in it, a deploy could delete anyway", "RESOURCE_POLICY_PRIVILEGE_ESCALATION")
	suppress.Finding(own["identity"], "The boundary is one ARN, to the letter", "MISMATCHED_TYPE_BUT_USABLE:GrantWithinBoundary")
}

// grant is a policy and its construct's id. A managed policy holds 6,144 characters, a role ten of them
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); hence one for each part of the stack.
type grant struct {
	id         string
	statements []policy.Statement
}

func newPolicy(scope constructs.Construct, g grant) iampolicy.IamPolicy {
	return iampolicy.NewIamPolicy(scope, jsii.String(g.id+"_policy"), &iampolicy.IamPolicyConfig{
		Name:        jsii.String(name(strings.ReplaceAll(g.id, "_", "-"))),
		Description: jsii.String("GitHub Actions and the roles that they make: " + strings.ReplaceAll(g.id, "_", " ")),
		Policy:      policy.Document(g.statements...),
	})
}

func attach(scope constructs.Construct, id string, roleName, policyARN *string) {
	iamrolepolicyattachment.NewIamRolePolicyAttachment(scope, jsii.String(id), &iamrolepolicyattachment.IamRolePolicyAttachmentConfig{
		Role:      roleName,
		PolicyArn: policyARN,
	})
}

// name is a physical name of this package's.
func name(suffix string) string { return config.Project + "-" + suffix }

// place is an account and a region, to write ARNs for.
type place struct{ account, region string }

// arn names something in the region: arn("ec2", "vpc/*").
func (p place) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + p.region + ":" + p.account + ":" + resource
}

// global names something of a service that knows no regions: global("iam", "role/starttech-plan").
func (p place) global(service, resource string) string {
	return "arn:aws:" + service + "::" + p.account + ":" + resource
}
