package apply

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// testTrust tries to assume the roles with the tokens of different runs.
func testTrust(t *testing.T, aws *local.AWS) {
	withIDs := func(run claims) claims {
		return run.with("sub", strings.Replace(run["sub"], "starttech/infrastructure", "starttech@123456/infrastructure@456789", 1))
	}
	deploy := inEnvironment(infrastructure, "main", "production")
	release := ofRelease("production")
	const plans, deploys, releases, reviews = "starttech-plan", "starttech-deploy", "starttech-production-release", "starttech-review"
	for _, c := range []struct {
		name, role string
		run        claims
		allowed    bool
	}{
		{"a pull request plans", plans, onPullRequest(infrastructure), true},
		{"a pull request whose subject has IDs plans", plans, withIDs(onPullRequest(infrastructure)), true},
		{"main plans", plans, onBranch(infrastructure, "main"), true},
		{"another branch does not plan", plans, onBranch(infrastructure, "feature"), false},
		{"a tag does not plan", plans, onRef(infrastructure, "refs/tags/v1"), false},
		{"another repository does not plan", plans, onPullRequest("evil/infrastructure"), false},
		{"another repository with a matching subject does not plan", plans, onPullRequest(infrastructure).with("repository", "starttech@1/infrastructure@2"), false},
		{"a repository with a longer name does not plan", plans, onPullRequest(infrastructure + "-fork"), false},
		{"the application does not plan", plans, onPullRequest(application), false},
		{"a token for another audience does not plan", plans, onPullRequest(infrastructure).with("aud", "https://github.com/starttech"), false},
		{"a deployment does not plan", plans, deploy, false},

		{"main deploys in an environment", deploys, deploy, true},
		{"main deploys in an environment, with IDs in its subject", deploys, withIDs(deploy), true},
		{"main deploys staging", deploys, inEnvironment(infrastructure, "main", "staging"), true},
		{"main does not deploy outside an environment", deploys, onBranch(infrastructure, "main"), false},
		{"another branch does not deploy in the environment", deploys, inEnvironment(infrastructure, "feature", "production"), false},
		{"a pull request does not deploy in the environment", deploys, deploy.with("ref", "refs/pull/7/merge"), false},
		{"an environment without a stack does not deploy", deploys, inEnvironment(infrastructure, "main", "playground"), false},
		{"a pull request does not deploy", deploys, onPullRequest(infrastructure), false},
		{"the application does not deploy", deploys, release, false},
		{"another repository does not deploy", deploys, inEnvironment("evil/infrastructure", "main", "production"), false},

		{"main reviews", reviews, onBranch(infrastructure, "main"), true},
		{"a pull request does not review", reviews, onPullRequest(infrastructure), false},
		{"another branch does not review", reviews, onBranch(infrastructure, "feature"), false},
		{"the application does not review", reviews, onBranch(application, "main"), false},

		{"the application releases", releases, release, true},
		{"the application does not release to production in staging", releases, ofRelease("staging"), false},
		{"another branch of the application does not release", releases, release.with("ref", "refs/heads/feature"), false},
		{"the application does not release outside an environment", releases, release.with("sub", onBranch(application, "main")["sub"]), false},
		{"a workflow of the application's own does not release", releases, release.byWorkflow(application, "release.yml", "refs/heads/main"), false},
		{"a token that names no workflow does not release", releases, inEnvironment(application, "main", "production"), false},
		{"another workflow of this project does not release", releases, release.byWorkflow(infrastructure, "deploy-environment.yml", "refs/heads/main"), false},
		{"the workflow on another branch does not release", releases, release.byWorkflow(infrastructure, "release.yml", "refs/heads/feature"), false},
		{"the workflow of a fork does not release", releases, release.byWorkflow("evil/infrastructure", "release.yml", "refs/heads/main"), false},
		{"another application does not release by the workflow", releases, release.with("repository", "evil/application"), false},
		{"this project does not release", releases, deploy.byWorkflow(infrastructure, "release.yml", "refs/heads/main"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := assume(t, aws, c.role, c.run)
			if c.allowed && err != nil {
				t.Errorf("denied: %v", err)
			}
			if !c.allowed && (err == nil || !strings.Contains(err.Error(), "Not authorized to perform sts:AssumeRoleWithWebIdentity")) {
				t.Errorf("not denied: %v", err)
			}
		})
	}
}

// denied matches the errors of the services for a denied action.
var denied = regexp.MustCompile(`AccessDenied|UnauthorizedOperation|AuthorizationError|not authorized to perform|\(403\)`)

// testDenials calls what the roles must not call, also on a VPC, a security group, a key and a bucket of another
// project.
func testDenials(t *testing.T, aws *local.AWS) {
	administer := func(arguments ...string) string { return mustAWSCLI(t, aws, arguments...) }
	vpc := administer("ec2", "create-vpc", "--cidr-block", "10.9.0.0/16", "--query", "Vpc.VpcId", "--output", "text")
	group := administer("ec2", "create-security-group", "--group-name", "foreign", "--description", "foreign", "--vpc-id", vpc,
		"--tag-specifications", "ResourceType=security-group,Tags=[{Key=Name,Value=foreign}]", "--query", "GroupId", "--output", "text")
	administer("s3", "mb", "s3://somebody-else")
	key := administer("kms", "create-key", "--tags", "TagKey=project,TagValue=other", "--query", "KeyMetadata.KeyId", "--output", "text")
	administer("ssm", "put-parameter", "--name", "/starttech/production/backend/JWT_SECRET_KEY", "--type", "SecureString", "--value", "secret")
	defer func() {
		administer("iam", "delete-role-policy", "--role-name", "outside", "--policy-name", "all")
		administer("iam", "delete-role", "--role-name", "outside")
		administer("kms", "schedule-key-deletion", "--key-id", key)
		administer("ssm", "delete-parameter", "--name", "/starttech/production/backend/JWT_SECRET_KEY")
		administer("s3", "rb", "s3://somebody-else")
		administer("ec2", "delete-security-group", "--group-id", group)
		administer("ec2", "delete-vpc", "--vpc-id", vpc)
	}()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	state := "starttech-terraform-state-" + aws.Account
	lock := `{"LockID":{"S":"` + state + `/production/terraform.tfstate"},"Info":{"S":"x"}}`
	bootstrapLock := `{"LockID":{"S":"` + state + `/bootstrap/terraform.tfstate"},"Info":{"S":"x"}}`
	checksum := `{"LockID":{"S":"` + state + `/bootstrap/terraform.tfstate-md5"},"Digest":{"S":"x"}}`
	boundary := "arn:aws:iam::" + aws.Account + ":policy/starttech-boundary"
	deliveryBoundary := "arn:aws:iam::" + aws.Account + ":policy/starttech-delivery-boundary"
	outside := outsideInstance(t, aws, boundary, all)
	file := filepath.Join(t.TempDir(), "file")
	harness.Must(t, 0, os.WriteFile(file, []byte("{}"), 0o600))

	for role, c := range map[string]struct {
		env    map[string]string
		denied []string
	}{
		"plan": {planner(t, aws), []string{
			"ec2 create-vpc --cidr-block 10.8.0.0/16",
			"s3 cp " + file + " s3://" + state + "/production/terraform.tfstate",
			"dynamodb put-item --table-name starttech-terraform-lock --item " + checksum,
			"dynamodb put-item --table-name starttech-terraform-lock --item " + lock,
			"ssm get-parameter --name /starttech/production/backend/JWT_SECRET_KEY",
			"ssm get-parameters-by-path --path /starttech/production/backend",
			"ssm put-parameter --overwrite --name /starttech/production/release --value x",
			"logs filter-log-events --log-group-name /starttech/production/backend",
			"s3 cp s3://starttech-production-frontend-" + aws.Account + "/index.html -",
			"autoscaling start-instance-refresh --auto-scaling-group-name starttech-production-backend",
			"iam create-role --role-name starttech-x-instance --assume-role-policy-document " + trust,
		}},
		"deploy": {deployer(t, aws, "production"), []string{
			"iam create-user --user-name starttech-user",
			"iam create-access-key --user-name starttech-user",
			"iam create-role --role-name starttech-x-instance --assume-role-policy-document " + trust,
			"iam create-role --role-name starttech-x-instance --permissions-boundary " + deliveryBoundary + " --assume-role-policy-document " + trust,
			"iam create-role --role-name starttech-x-release --permissions-boundary " + boundary + " --assume-role-policy-document " + trust,
			"iam create-role --role-name admin --permissions-boundary " + boundary + " --assume-role-policy-document " + trust,
			"iam put-role-policy --role-name starttech-deploy --policy-name all --policy-document " + all,
			"iam update-assume-role-policy --role-name starttech-plan --policy-document " + trust,
			"iam delete-role-permissions-boundary --role-name starttech-production-instance",
			"iam create-policy-version --set-as-default --policy-arn " + boundary + " --policy-document " + all,
			"iam attach-role-policy --role-name starttech-production-instance --policy-arn arn:aws:iam::aws:policy/AdministratorAccess",
			"iam add-role-to-instance-profile --instance-profile-name starttech-production-instance --role-name starttech-deploy",
			"s3 cp " + file + " s3://" + state + "/bootstrap/terraform.tfstate",
			"s3 rb s3://" + state,
			"s3 rb s3://somebody-else",
			"dynamodb put-item --table-name starttech-terraform-lock --item " + checksum,
			"dynamodb put-item --table-name starttech-terraform-lock --item " + bootstrapLock,
			"dynamodb delete-table --table-name starttech-terraform-lock",
			"ec2 delete-vpc --vpc-id " + vpc,
			"ec2 create-tags --resources " + group + " --tags Key=project,Value=starttech",
			"ec2 authorize-security-group-ingress --group-id " + group + " --protocol tcp --port 22 --cidr 0.0.0.0/0",
			"ec2 create-vpc --cidr-block 10.8.0.0/16",
			"kms tag-resource --key-id " + key + " --tags TagKey=project,TagValue=starttech",
			"kms put-key-policy --key-id " + key + " --policy-name default --policy " + all,
			"ssm get-parameter --name /starttech/production/backend/JWT_SECRET_KEY",
			"ssm put-parameter --type String --name /starttech/production/backend/release --value x",
			"sts assume-role --role-session-name test --role-arn arn:aws:iam::" + aws.Account + ":role/starttech-production-release",
		}},
		"release": {releaser(t, aws, "production"), []string{
			"ssm put-parameter --overwrite --name /starttech/staging/release --value x",
			"ssm get-parameter --name /starttech/production/backend/JWT_SECRET_KEY",
			"s3 cp " + file + " s3://somebody-else/index.html",
			"s3 cp " + file + " s3://" + state + "/production/terraform.tfstate",
			"autoscaling start-instance-refresh --auto-scaling-group-name starttech-staging-backend",
			"autoscaling update-auto-scaling-group --auto-scaling-group-name starttech-production-backend --max-size 1",
			"cloudfront list-distributions",
			"ecr delete-repository --repository-name starttech-production-backend",
			"ec2 describe-vpcs",
		}},
		"an instance's role outside of an instance": {outside, []string{
			"ssm get-parameter --name /starttech/production/backend/JWT_SECRET_KEY",
			"ssm get-parameters-by-path --path /starttech/production/backend",
			"ssm get-parameter --name /starttech/production/release",
			"s3 cp " + file + " s3://starttech-production-frontend-" + aws.Account + "/index.html",
		}},
	} {
		t.Run(role, func(t *testing.T) {
			for _, line := range c.denied {
				output, err := awsCLI(t, c.env, strings.Fields(line)...)
				if err == nil || !denied.MatchString(output) {
					t.Errorf("aws %s: not denied: %v: %s", line, err, output)
				}
			}
		})
	}
}

// outsideInstance creates the role "outside", which allows everything within the boundary of instances, and assumes it. It
// returns the environment of the session, which may do what the boundary allows from anywhere.
func outsideInstance(t *testing.T, aws *local.AWS, boundary, all string) map[string]string {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + aws.Account + `:root"},"Action":"sts:AssumeRole"}]}`
	role := mustAWSCLI(t, aws, "iam", "create-role", "--role-name", "outside", "--permissions-boundary", boundary, "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	mustAWSCLI(t, aws, "iam", "put-role-policy", "--role-name", "outside", "--policy-name", "all", "--policy-document", all)
	session := strings.Fields(mustAWSCLI(t, aws, "sts", "assume-role", "--role-arn", role, "--role-session-name", "test",
		"--query", "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]", "--output", "text"))
	env := aws.Env()
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = session[0], session[1], session[2]
	if output, err := awsCLI(t, env, "s3api", "list-objects-v2", "--bucket", "starttech-production-frontend-"+aws.Account); err != nil {
		t.Fatalf("the role may not list the frontend's files: %v: %s", err, output)
	}
	return env
}
