package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/github/githubtest"
)

// comment writes the report of the last plan into a file, and comments it as another job, which has no plan.
func (c checkout) comment(t *testing.T) {
	t.Helper()
	report, failed := c.run(t, "report --env production")
	equal(t, "the report fails", failed, false)
	c.write(t, "report.md", report)
	other := newCheckout(t)
	other.env = c.env
	other.write(t, "report.md", report)
	other.mustRun(t, "comment-plan --env production --report report.md", "The plan of production is in a comment on starttech/infrastructure#12.")
}

const planMarker = "<!-- starttech plan production -->\n"

func TestCommentIsUpdatedInPlace(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)

	c.mustRun(t, "plan --env production", "To plan again and apply:   make deploy ENV=production")
	c.comment(t)
	c.comment(t)
	c.apply(t)
	c.plan(t, "b", nil)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} {
		delete(c.env, name) // reading a plan needs no credentials
	}
	c.comment(t)

	equal(t, "comments", len(gitHub.Comments), 1)
	has(t, "comment", gitHub.Comments[0].Body, planMarker, "0 to add, 1 to change, 0 to destroy", "terraform_data.thing")
	equal(t, "changes on GitHub", gitHub.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1000",
	})
	has(t, "job summary", c.read(t, "summary.md"), "1 to add, 0 to change, 0 to destroy", "0 to add, 1 to change, 0 to destroy")
}

// A job that runs code of the pull request writes the report.
func TestCommentRefusesWhatIsNoReport(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)
	c.write(t, "long.md", strings.Repeat("x", 65_001))
	c.write(t, "binary.md", "\xff\xfe")
	c.write(t, "empty.md", "\x00\n")
	check(t, os.Symlink("/etc/hostname", filepath.Join(c.dir, "link.md")))
	for arguments, want := range map[string]string{
		"--env production":                          "comment-plan: name the report: --report FILE",
		"--env production --report missing.md":      "missing.md: no such file or directory",
		"--env production --report long.md":         "long.md: it has 65001 bytes; allowed: at most 65000",
		"--env production --report binary.md":       "binary.md: a report is text in UTF-8",
		"--env production --report empty.md":        "empty.md: the report is empty",
		"--env production --report link.md":         "link.md: a report is a regular file",
		"--env production --report environments":    "environments: a report is a regular file",
		"--env ../production --report long.md":      `"../production" is not the name of a stack`,
		"--env production--> --report cdktf.json":   `"production-->" is not the name of a stack`,
		"--env production --report cdktf.json more": `unknown command "more" for "starttech comment-plan"`,
	} {
		c.mustFail(t, "comment-plan "+arguments, want)
	}
	equal(t, "changes on GitHub", len(gitHub.Changes()), 0)

	c.write(t, "report.md", "### Plan\a of `other`\x1b[31m\r\n\tline\n")
	c.mustRun(t, "comment-plan --env another-stack --report report.md", "The plan of another-stack is in a comment") // main may not have it
	equal(t, "comment", gitHub.Comments[0].Body, "<!-- starttech plan another-stack -->\n### Plan of `other`\n\tline\n")
}

func TestCommentLinksTheChangedPicture(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)
	c.write(t, "report.md", "### Plan\n")
	const link = "\nThe [picture of the architecture](https://github.com/picture) changes.\n"
	for _, test := range []struct {
		stack, file string
		linked      bool
	}{
		{"production", "docs/architecture.svg", true},
		{"staging", "docs/architecture.svg", false},
		{"production", "docs/architecture.md", false},
	} {
		gitHub.Comments = nil
		gitHub.Files = []githubtest.File{{Name: test.file, Status: "modified", URL: "https://github.com/picture"}}
		c.mustRun(t, "comment-plan --env "+test.stack+" --report report.md", "is in a comment")
		equal(t, "a link in the comment of "+test.stack+" on "+test.file, strings.HasSuffix(gitHub.Comments[0].Body, link), test.linked)
	}
}
