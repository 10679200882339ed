package cli

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/github/githubtest"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestOutputsArePrintedAndInJobSummary(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.deploy(t, map[string]string{"site_url": "https://x", "frontend_bucket": "a-bucket"})
	c.mustRun(t, "outputs --env production", "  frontend_bucket  a-bucket\n  site_url         https://x\n")
	has(t, "job summary", c.read(t, "summary.md"), "| `frontend_bucket` | `a-bucket` |\n")
	delete(c.env, "GITHUB_STEP_SUMMARY")
	c.mustRun(t, "outputs --env production", "  site_url         https://x\n")
}

// publishedOutputs is the outputs of a deployed environment that are published.
var publishedOutputs = map[string]string{
	"aws_region":              "eu-west-1",
	"site_url":                "https://d111111abcdef8.cloudfront.net",
	"ecr_repository_url":      "123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend",
	"release_parameter":       "/starttech/production/release",
	"auto_scaling_group_name": "starttech-production-backend",
	"frontend_bucket":         "starttech-production-frontend-123456789012",
	"distribution_id":         "EDFDVBD6EXAMPLE",
	"release_role_arn":        "arn:aws:iam::123456789012:role/starttech-production-release",
}

// newPublisher is a checkout with a deployed production, and a GitHub with the application's repository.
func newPublisher(t *testing.T) (checkout, *githubtest.Server) {
	t.Helper()
	c := newCheckout(t)
	gitHub := githubtest.Start(t, "starttech/application")
	maps.Copy(c.env, map[string]string{"GITHUB_API_URL": gitHub.URL, "APPLICATION_REPOSITORY_TOKEN": githubtest.Token})
	c.deploy(t, publishedOutputs)
	return c, gitHub
}

func TestPublishWritesVariables(t *testing.T) {
	t.Parallel()
	c, gitHub := newPublisher(t)
	const want = "The environment production of starttech/application has the outputs: 9 variables, 0 secrets.\n"
	c.mustFail(t, "publish-outputs --env production", "the outputs of production are not saved: run make outputs ENV=production first")
	c.mustRun(t, "outputs --env production", "")
	c.remove(t, "bin/terraform") // the only program on PATH: nothing else runs while the token is in the environment
	delete(c.env, "AWS_ACCESS_KEY_ID")
	c.mustRun(t, "publish-outputs --env production", want)
	equal(t, "environment", *gitHub.Environments["production"], githubtest.Environment{
		Variables: map[string]string{
			"AWS_REGION":         publishedOutputs["aws_region"],
			"SITE_URL":           publishedOutputs["site_url"],
			"ECR_REPOSITORY":     publishedOutputs["ecr_repository_url"],
			"RELEASE_PARAMETER":  publishedOutputs["release_parameter"],
			"AUTO_SCALING_GROUP": publishedOutputs["auto_scaling_group_name"],
			"FRONTEND_BUCKET":    publishedOutputs["frontend_bucket"],
			"DISTRIBUTION_ID":    publishedOutputs["distribution_id"],
			"VITE_API_BASE_URL":  publishedOutputs["site_url"],
			"RELEASE_ROLE":       publishedOutputs["release_role_arn"],
		},
		Secrets: map[string]string{},
	})

	before := len(gitHub.Changes())
	c.mustRun(t, "publish-outputs --env production", want)
	equal(t, "changes of the second run", gitHub.Changes()[before:], []string{})
}

func TestSensitiveOutputsAreNoVariables(t *testing.T) {
	t.Parallel()
	c, gitHub := newPublisher(t)
	for name, test := range map[string]struct {
		output map[string]any
		want   string
	}{
		"sensitive":               {map[string]any{"value": "hidden-value", "sensitive": true}, "output site_url of production is sensitive, so it is not published as SITE_URL"},
		"sensitive and no string": {map[string]any{"value": []string{"hidden-value"}, "sensitive": true}, "output site_url of production is sensitive, so it is not published as SITE_URL"},
		"a number":                {map[string]any{"value": json.Number("9007199254740993")}, "output site_url of production: 9007199254740993 is not a string"},
		"a list":                  {map[string]any{"value": []string{"a", "b"}}, "output site_url of production: a b is not a string"},
		"empty":                   {map[string]any{"value": ""}, `output site_url of production: "" is not a string`},
	} {
		outputs := map[string]any{}
		for output, value := range publishedOutputs {
			outputs[output] = map[string]any{"value": value}
		}
		outputs["site_url"] = test.output
		c.writeCanaryStack(t, map[string]any{"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{}}}, "output": outputs})
		c.mustRun(t, "plan --env production", "")
		c.apply(t)
		c.mustRun(t, "outputs --env production", "")
		output, failed := c.run(t, "publish-outputs --env production")
		if !failed || !strings.HasSuffix(output, test.want+"\n") || strings.Contains(output, "hidden-value") {
			t.Errorf("%s: got\n%s\nwant %s", name, output, test.want)
		}
	}
	equal(t, "changes on GitHub", len(gitHub.Changes()), 0)
}

func TestEnvironmentsHaveEveryPublishedOutput(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"production", "staging"} {
		for output := range publishedOutputs {
			harness.Reference(t).Stack(t, name).Output(t, output)
		}
	}
}

func TestPublishReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	c, gitHub := newPublisher(t)
	c.mustRun(t, "outputs --env production", "")
	const rights = "Actions: read and Environments: write, and, if the environment does not exist yet, Administration: write"
	for _, test := range []struct{ variable, value, want string }{
		{"APPLICATION_REPOSITORY_TOKEN", "", "APPLICATION_REPOSITORY_TOKEN is not set: a fine-grained token for starttech/application with " + rights},
		{"APPLICATION_REPOSITORY_TOKEN", "expired", "publish to starttech/application: GitHub rejects the token (401 Unauthorized: Bad credentials)"},
		{
			"GITHUB_API_URL", githubtest.Start(t, "somebody/else").URL,
			"publish to starttech/application: the token has no access (404 Not Found): it needs a fine-grained token for that repository with " + rights,
		},
		{"GITHUB_API_URL", "http://127.0.0.1:1", "publish to starttech/application: GitHub cannot be reached at http://127.0.0.1:1/ ("},
		{"GITHUB_API_URL", "http://api.github.com", `GITHUB_API_URL: "http://api.github.com" is not a URL such as https://api.github.com`},
	} {
		changed := checkout{c.dir, maps.Clone(c.env)}
		changed.env[test.variable] = test.value
		changed.mustFail(t, "publish-outputs --env production", test.want)
	}
	c.mustFail(t, "publish-outputs --env bootstrap", "bootstrap has nothing to publish; name an environment")

	withoutRole := maps.Clone(publishedOutputs)
	delete(withoutRole, "release_role_arn")
	c.deploy(t, withoutRole)
	c.mustRun(t, "outputs --env production", "")
	c.mustFail(t, "publish-outputs --env production", "production has no output release_role_arn: deploy it first")
	c.write(t, productionDir+"outputs.json", "nothing")
	c.mustFail(t, "publish-outputs --env production", "outputs.json of production: invalid character 'o' in literal null (expecting 'u'); run make outputs ENV=production again")
	c.deploy(t, map[string]string{"site_url": "https://x"}) // without instances
	c.env["CI"] = "true"
	c.mustRun(t, "deploy --env production", "production: no changes")
	c.mustFail(t, "publish-outputs --env production", "the outputs of production are not saved") // the deploy has removed the old ones
	equal(t, "changes on GitHub", len(gitHub.Changes()), 0)
}
