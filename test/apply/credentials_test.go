package apply

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// claims is the claims of the OIDC token that GitHub gives a workflow run
// (https://docs.github.com/en/actions/reference/security/oidc).
type claims map[string]string

const (
	infrastructure = "starttech/infrastructure"
	application    = "starttech/application"
)

// onPullRequest is a run for a pull request.
func onPullRequest(repository string) claims {
	return claims{"repository": repository, "ref": "refs/pull/7/merge", "sub": "repo:" + repository + ":pull_request"}
}

// onRef is a run on a branch or tag, without a GitHub environment.
func onRef(repository, ref string) claims {
	return claims{"repository": repository, "ref": ref, "sub": "repo:" + repository + ":ref:" + ref}
}

// onBranch is a run on a branch, without a GitHub environment.
func onBranch(repository, branch string) claims { return onRef(repository, "refs/heads/"+branch) }

// inEnvironment is a run on a branch, in a GitHub environment.
func inEnvironment(repository, branch, environment string) claims {
	return onBranch(repository, branch).with("environment", environment).with("sub", "repo:"+repository+":environment:"+environment)
}

// byWorkflow is a run whose job is in a workflow of a repository and ref that the run's own workflow calls.
func (c claims) byWorkflow(repository, file, ref string) claims {
	return c.with("job_workflow_ref", repository+"/.github/workflows/"+file+"@"+ref)
}

// ofRelease is a release by the application, which calls this project's workflow.
func ofRelease(environment string) claims {
	return inEnvironment(application, "main", environment).byWorkflow(infrastructure, "release.yml", "refs/heads/main")
}

// with returns the claims with one of them changed.
func (c claims) with(name, value string) claims {
	changed := maps.Clone(c)
	changed[name] = value
	return changed
}

// assume assumes a role with the token of a run, as aws-actions/configure-aws-credentials does. The local AWS compares the
// token with the role's trust policy, and does not check its signature.
func assume(t *testing.T, aws *local.AWS, role string, run claims) (*types.Credentials, error) {
	t.Helper()
	token := claims{"aud": "sts.amazonaws.com", "iss": "https://token.actions.githubusercontent.com"}
	maps.Copy(token, run)
	content, err := json.Marshal(token)
	harness.Must(t, content, err)
	encode := base64.RawURLEncoding.EncodeToString
	client := sts.New(sts.Options{Region: aws.Region, BaseEndpoint: sdk.String(aws.Endpoint())})
	response, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn:          sdk.String("arn:aws:iam::" + aws.Account + ":role/" + role),
		RoleSessionName:  sdk.String("GitHubActions"),
		WebIdentityToken: sdk.String(encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(content) + "." + encode([]byte("not signed"))),
	})
	if err != nil {
		return nil, err
	}
	return response.Credentials, nil
}

// mustAssume assumes a role and returns the environment of its AWS clients.
func mustAssume(t *testing.T, aws *local.AWS, role string, run claims) map[string]string {
	t.Helper()
	credentials, err := assume(t, aws, role, run)
	harness.Must(t, credentials, err)
	env := aws.Env()
	env["AWS_ACCESS_KEY_ID"] = *credentials.AccessKeyId
	env["AWS_SECRET_ACCESS_KEY"] = *credentials.SecretAccessKey
	env["AWS_SESSION_TOKEN"] = *credentials.SessionToken
	return env
}

// planner is the environment of a pull request, deployer that of this project's main branch in a GitHub environment, and releaser
// that of a release by the application's main branch in one.
func planner(t *testing.T, aws *local.AWS) map[string]string {
	return mustAssume(t, aws, "starttech-plan", onPullRequest(infrastructure))
}

func deployer(t *testing.T, aws *local.AWS, environment string) map[string]string {
	return mustAssume(t, aws, "starttech-deploy", inEnvironment(infrastructure, "main", environment))
}

func releaser(t *testing.T, aws *local.AWS, environment string) map[string]string {
	return mustAssume(t, aws, "starttech-"+environment+"-release", ofRelease(environment))
}
