package cli

import (
	"maps"
	"testing"

	"github.com/starttech/infrastructure/internal/github/githubtest"
)

func TestCheckRepositoryListsMissingSettings(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := githubtest.Start(t, "starttech/infrastructure", "starttech/application")
	gitHub.Protect("production", "staging")
	maps.Copy(c.env, map[string]string{"GITHUB_API_URL": gitHub.URL, "GITHUB_TOKEN": githubtest.Token})
	c.remove(t, "bin/terraform") // it runs no program
	c.mustRun(t, "check-repository", "The repositories have all settings.\n")

	gitHub.Owners = "/environments/ @starttech/operators\n"
	gitHub.Environments["production"].Reviewers = nil
	gitHub.Environments["staging"].Reviewers = nil // it needs none
	output, failed := c.run(t, "check-repository")
	equal(t, "it fails", failed, true)
	equal(t, "output", output, `starttech/application: the environment production has no reviewer
starttech/infrastructure: .github/CODEOWNERS has no owner of /.github/
starttech/infrastructure: .github/CODEOWNERS has no owner of /internal/policy/
starttech/infrastructure: .github/CODEOWNERS has no owner of /modules/githubroles/
starttech/infrastructure: .github/CODEOWNERS has no owner of /modules/releaserole/
starttech/infrastructure: the environment production has no reviewer
6 of the settings are missing: docs/deploying.md has the commands, "GitHub settings"
`)
	equal(t, "changes on GitHub", len(gitHub.Changes()), 0)

	delete(gitHub.Environments, "production")
	c.env["GITHUB_TOKEN"] = "another"
	c.mustFail(t, "check-repository", "read the settings of starttech/application: GitHub rejects the token (401 Unauthorized: Bad credentials)")
}
