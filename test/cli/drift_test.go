package cli

import "testing"

func TestDriftIsOneIssueUntilItEnds(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)
	delete(c.env, "GITHUB_REF")

	c.plan(t, "a", nil)
	c.mustRun(t, "drift --env production", `The issue "Drift in production" in starttech/infrastructure has the plan.`)
	c.plan(t, "b", nil)
	c.mustRun(t, "drift --env production", "")
	equal(t, "issues", len(gitHub.Issues), 2) // with the pull request
	issue := gitHub.Issues[1]
	equal(t, "title", issue.Title, "Drift in production")
	has(t, "body", issue.Body, "<!-- starttech drift production -->\n", "`make deploy ENV=production` reverts it", "1 to add", `"b"`)

	c.apply(t)
	c.plan(t, "b", nil)
	c.mustRun(t, "drift --env production", "There is no drift in production.")
	equal(t, "state", issue.State, "closed")
	has(t, "comment", gitHub.Comments[0].Body, "The plan of `production` has no changes any more.")
	c.mustRun(t, "drift --env production", "There is no drift in production.")
	equal(t, "comments", len(gitHub.Comments), 1)

	outputs := map[string]string{"site_url": "https://x"}
	c.plan(t, "b", outputs)
	c.mustRun(t, "drift --env production", "")
	equal(t, "issues if only an output changes", len(gitHub.Issues), 3)
	c.apply(t)
	c.plan(t, "b", outputs)
	c.mustRun(t, "drift --env production", "")
	equal(t, "state of the second issue", gitHub.Issues[2].State, "closed")

	c.writeStack(t, invalidInput, nil)
	c.mustFail(t, "plan --env production", "plan production: ")
	c.mustRun(t, "drift --env production", "has the plan")
	equal(t, "issues if the plan fails", len(gitHub.Issues), 4)
	has(t, "body", gitHub.Issues[3].Body, "it is not known whether code and AWS differ", "missing.txt")
	has(t, "job summary", c.read(t, "summary.md"), "1 to add", "missing.txt")
}
