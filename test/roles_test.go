package test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/starttech/infrastructure/local"
)

// claims is what GitHub says of a workflow's run in the token that the run gets
// (https://docs.github.com/en/actions/reference/security/oidc).
type claims map[string]string

const (
	infrastructure = "starttech/infrastructure"
	application    = "starttech/application"
)

// onPullRequest is a run on a pull request of a repository.
func onPullRequest(repository string) claims {
	return claims{"repository": repository, "ref": "refs/pull/7/merge", "sub": "repo:" + repository + ":pull_request"}
}

// onBranch is a run on a branch, without a GitHub environment.
func onBranch(repository, branch string) claims {
	ref := "refs/heads/" + branch
	return claims{"repository": repository, "ref": ref, "sub": "repo:" + repository + ":ref:" + ref}
}

// inEnvironment is a run on a branch, in a GitHub environment.
func inEnvironment(repository, branch, environment string) claims {
	run := onBranch(repository, branch)
	run["environment"], run["sub"] = environment, "repo:"+repository+":environment:"+environment
	return run
}

// with is the same run with another claim.
func (c claims) with(name, value string) claims {
	changed := maps.Clone(c)
	changed[name] = value
	return changed
}

// assume assumes a role with the token of a run, as aws-actions/configure-aws-credentials does. The local AWS compares
// the token with the role's trust policy; it does not check the token's signature.
func assume(t *testing.T, aws *local.AWS, role string, run claims) (*types.Credentials, error) {
	t.Helper()
	said := maps.Clone(run)
	if said["aud"] == "" {
		said["aud"] = "sts.amazonaws.com"
	}
	said["iss"] = "https://token.actions.githubusercontent.com"
	content, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	client := sts.New(sts.Options{Region: aws.Region, BaseEndpoint: sdk.String(aws.Endpoint())})
	answer, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn:          sdk.String("arn:aws:iam::" + aws.Account + ":role/" + role),
		RoleSessionName:  sdk.String("GitHubActions"),
		WebIdentityToken: sdk.String(encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(content) + "." + encode([]byte("not signed"))),
	})
	if err != nil {
		return nil, err
	}
	return answer.Credentials, nil
}

// as is the environment of AWS clients that have assumed a role.
func as(t *testing.T, aws *local.AWS, role string, run claims) map[string]string {
	t.Helper()
	credentials, err := assume(t, aws, role, run)
	if err != nil {
		t.Fatal(err)
	}
	env := aws.Env()
	env["AWS_ACCESS_KEY_ID"] = *credentials.AccessKeyId
	env["AWS_SECRET_ACCESS_KEY"] = *credentials.SecretAccessKey
	env["AWS_SESSION_TOKEN"] = *credentials.SessionToken
	return env
}

// planner is a pull request of this project, deployer its main branch in a GitHub environment.
func planner(t *testing.T, aws *local.AWS) map[string]string {
	return as(t, aws, "starttech-plan", onPullRequest(infrastructure))
}

func deployer(t *testing.T, aws *local.AWS, environment string) map[string]string {
	return as(t, aws, "starttech-deploy", inEnvironment(infrastructure, "main", environment))
}

// releaser is the application's main branch in a GitHub environment.
func releaser(t *testing.T, aws *local.AWS, environment string) map[string]string {
	return as(t, aws, "starttech-"+environment+"-release", inEnvironment(application, "main", environment))
}

// awsCLI runs the AWS command line with an environment from as or local.AWS.Env.
func awsCLI(t *testing.T, env map[string]string, arguments ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "aws", arguments...)
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "AWS_") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "AWS_PAGER=")
	for name, value := range env {
		if value != "" {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

// checkTrust tries to assume the roles with tokens of all sorts of runs.
func checkTrust(t *testing.T, aws *local.AWS) {
	withIDs := func(run claims) claims {
		return run.with("sub", strings.Replace(run["sub"], "starttech/infrastructure", "starttech@123456/infrastructure@456789", 1))
	}
	deploy := inEnvironment(infrastructure, "main", "production")
	release := inEnvironment(application, "main", "production")
	for _, c := range []struct {
		name, role string
		run        claims
		allowed    bool
	}{
		{"a pull request plans", "starttech-plan", onPullRequest(infrastructure), true},
		{"a pull request of a repository with ids in its subject plans", "starttech-plan", withIDs(onPullRequest(infrastructure)), true},
		{"main plans", "starttech-plan", onBranch(infrastructure, "main"), true},
		{"another branch does not plan", "starttech-plan", onBranch(infrastructure, "feature"), false},
		{"a tag does not plan", "starttech-plan", claims{"repository": infrastructure, "ref": "refs/tags/v1", "sub": "repo:" + infrastructure + ":ref:refs/tags/v1"}, false},
		{"another repository does not plan", "starttech-plan", onPullRequest("evil/infrastructure"), false},
		{"another repository does not plan behind a subject that fits", "starttech-plan", onPullRequest(infrastructure).with("repository", "starttech@1/infrastructure@2"), false},
		{"a repository whose name goes on does not plan", "starttech-plan", onPullRequest(infrastructure + "-fork"), false},
		{"the application does not plan", "starttech-plan", onPullRequest(application), false},
		{"a token for another audience does not plan", "starttech-plan", onPullRequest(infrastructure).with("aud", "https://github.com/starttech"), false},
		{"a deployment does not plan", "starttech-plan", deploy, false},

		{"main deploys in an environment", "starttech-deploy", deploy, true},
		{"main deploys in an environment with ids in its subject", "starttech-deploy", withIDs(deploy), true},
		{"main deploys staging", "starttech-deploy", inEnvironment(infrastructure, "main", "staging"), true},
		{"main does not deploy outside an environment", "starttech-deploy", onBranch(infrastructure, "main"), false},
		{"another branch does not deploy in the environment", "starttech-deploy", inEnvironment(infrastructure, "feature", "production"), false},
		{"a pull request does not deploy in the environment", "starttech-deploy", deploy.with("ref", "refs/pull/7/merge"), false},
		{"an environment without a stack does not deploy", "starttech-deploy", inEnvironment(infrastructure, "main", "playground"), false},
		{"a pull request does not deploy", "starttech-deploy", onPullRequest(infrastructure), false},
		{"the application does not deploy", "starttech-deploy", release, false},
		{"another repository does not deploy", "starttech-deploy", inEnvironment("evil/infrastructure", "main", "production"), false},

		{"the application releases", "starttech-production-release", release, true},
		{"the application does not release to production from staging", "starttech-production-release", inEnvironment(application, "main", "staging"), false},
		{"another branch of the application does not release", "starttech-production-release", inEnvironment(application, "feature", "production"), false},
		{"the application does not release outside an environment", "starttech-production-release", onBranch(application, "main"), false},
		{"this project does not release", "starttech-production-release", deploy, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := assume(t, aws, c.role, c.run)
			if c.allowed && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !c.allowed && (err == nil || !strings.Contains(err.Error(), "Not authorized to perform sts:AssumeRoleWithWebIdentity")) {
				t.Errorf("not refused: %v", err)
			}
		})
	}
}

// denied is how the services refuse: each has a word of its own.
var denied = regexp.MustCompile(`AccessDenied|UnauthorizedOperation|AuthorizationError|not authorized to perform|\(403\)`)

// checkRefusals tries what no role may do, with a foreign VPC, security group and bucket in the account.
func checkRefusals(t *testing.T, aws *local.AWS) {
	root := aws.Env()
	administer := func(arguments ...string) string {
		t.Helper()
		said, err := awsCLI(t, root, arguments...)
		if err != nil {
			t.Fatalf("%v: %s", arguments, said)
		}
		return strings.TrimSpace(said)
	}
	vpc := administer("ec2", "create-vpc", "--cidr-block", "10.9.0.0/16", "--query", "Vpc.VpcId", "--output", "text")
	group := administer("ec2", "create-security-group", "--group-name", "foreign", "--description", "foreign", "--vpc-id", vpc,
		"--tag-specifications", "ResourceType=security-group,Tags=[{Key=Name,Value=foreign}]", "--query", "GroupId", "--output", "text")
	administer("s3", "mb", "s3://somebody-else")
	administer("ssm", "put-parameter", "--name", "/starttech/production/backend/JWT_SECRET_KEY", "--type", "SecureString", "--value", "secret")
	defer func() {
		administer("ssm", "delete-parameter", "--name", "/starttech/production/backend/JWT_SECRET_KEY")
		administer("s3", "rb", "s3://somebody-else")
		administer("ec2", "delete-security-group", "--group-id", group)
		administer("ec2", "delete-vpc", "--vpc-id", vpc)
	}()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	state := "starttech-terraform-state-" + aws.Account
	checksum := `{"LockID":{"S":"` + state + `/bootstrap/terraform.tfstate-md5"},"Digest":{"S":"x"}}`
	boundary := "arn:aws:iam::" + aws.Account + ":policy/starttech-boundary"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}

	for who, c := range map[string]struct {
		env     map[string]string
		refused []string
	}{
		"plan": {planner(t, aws), []string{
			"ec2 create-vpc --cidr-block 10.8.0.0/16",
			"s3 cp " + file + " s3://" + state + "/production/terraform.tfstate",
			"dynamodb put-item --table-name starttech-terraform-lock --item " + checksum,
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
			"dynamodb delete-table --table-name starttech-terraform-lock",
			"ec2 delete-vpc --vpc-id " + vpc,
			"ec2 create-tags --resources " + group + " --tags Key=project,Value=starttech",
			"ec2 authorize-security-group-ingress --group-id " + group + " --protocol tcp --port 22 --cidr 0.0.0.0/0",
			"ec2 create-vpc --cidr-block 10.8.0.0/16",
			"ssm get-parameter --name /starttech/production/backend/JWT_SECRET_KEY",
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
	} {
		t.Run(who, func(t *testing.T) {
			for _, line := range c.refused {
				said, err := awsCLI(t, c.env, strings.Fields(line)...)
				if err == nil || !denied.MatchString(said) {
					t.Errorf("aws %s: not refused: %v: %s", line, err, said)
				}
			}
		})
	}
}
