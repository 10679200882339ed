package cli

import "testing"

const planMarker = "<!-- starttech plan production -->\n"

func TestCommentIsUpdatedInPlace(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)

	c.mustRun(t, "plan --env production", "To plan again and apply:   make deploy ENV=production")
	c.mustRun(t, "comment-plan --env production", "The plan of production is in a comment on starttech/infrastructure#12.")
	c.mustRun(t, "comment-plan --env production", "")
	c.apply(t)
	c.plan(t, "b", nil)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} {
		delete(c.env, name) // reading a plan needs no credentials
	}
	c.mustRun(t, "comment-plan --env production", "")

	equal(t, "comments", len(gitHub.Comments), 1)
	has(t, "comment", gitHub.Comments[0].Body, planMarker, "0 to add, 1 to change, 0 to destroy", "terraform_data.thing")
	equal(t, "changes on GitHub", gitHub.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1000",
	})
	has(t, "job summary", c.read(t, "summary.md"), "1 to add, 0 to change, 0 to destroy", "0 to add, 1 to change, 0 to destroy")
}
