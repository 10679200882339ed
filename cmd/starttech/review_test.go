package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/internal/github/githubtest"
	"github.com/starttech/infrastructure/internal/review"
)

var (
	fine    = review.Finding{Subject: "Images", Check: "AMI", State: review.OK, Text: "ami-1 is the newest image"}
	open    = review.Finding{Subject: "Security groups", Check: "open to the world", State: review.Attention, Text: "ssh|@all allows tcp 22 from 0.0.0.0/0", Action: "remove the rule"}
	denied  = review.Finding{Subject: "Security groups", Check: "unused", State: review.Unknown, Failed: true, Text: "not checked: EC2 DescribeNetworkInterfaces: UnauthorizedOperation: no", Action: "use a role that may call it"}
	unknown = review.Finding{Subject: "Backups", Check: "Redis restore", State: review.Unknown, Text: "not recorded"}
)

func reviewOf(findings ...review.Finding) review.Report {
	return review.Report{Environment: "staging", Time: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), Findings: findings}
}

func TestReviewIsATableWithWhatToDo(t *testing.T) {
	var out strings.Builder
	printReview(&out, reviewOf(open, denied, fine))
	want := `staging at 2026-11-26 08:00 UTC

SUBJECT          CHECK              STATE      FINDING
Security groups  open to the world  attention  ssh|@all allows tcp 22 from 0.0.0.0/0
                                               -> remove the rule
                 unused             unknown    not checked: EC2 DescribeNetworkInterfaces: UnauthorizedOperation: no
                                               -> use a role that may call it
Images           AMI                ok         ami-1 is the newest image

1 ok, 1 need attention, 1 unknown, of which 1 could not be checked
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

func TestReviewHasAnExitStatusOfItsOwn(t *testing.T) {
	for name, test := range map[string]struct {
		report review.Report
		issue  bool
		want   int // 0: no error
	}{
		"nothing":                        {reviewOf(fine, unknown), false, 0},
		"attention":                      {reviewOf(fine, open), false, 2},
		"attention that is in an issue":  {reviewOf(fine, open), true, 0},
		"a check that could not be made": {reviewOf(open, denied), false, 1},
		"a check that could not be made and is in an issue": {reviewOf(fine, denied), true, 1},
	} {
		err, got := reviewError(test.report, test.issue), 0
		if err != nil {
			got = exitStatus(err)
		}
		if got != test.want {
			t.Errorf("%s: the exit status is %d (%v), want %d", name, got, err, test.want)
		}
	}
	if got := exitStatus(errors.New("another error")); got != 1 {
		t.Errorf("another error: %d, want 1", got)
	}
}

func TestReviewIsOneIssueUntilNothingIsLeft(t *testing.T) {
	const repository = "starttech/infrastructure"
	gitHub := githubtest.Start(t, repository)
	for name, value := range map[string]string{"GITHUB_API_URL": gitHub.URL, "GITHUB_TOKEN": githubtest.Token, "GITHUB_REPOSITORY": repository} {
		t.Setenv(name, value)
	}
	issues := len(gitHub.Issues) // a pull request
	update := func(findings ...review.Finding) {
		t.Helper()
		if err := updateReviewIssue(t.Context(), reviewOf(findings...)); err != nil {
			t.Fatal(err)
		}
	}
	update(fine, unknown)
	if got := len(gitHub.Issues) - issues; got != 0 {
		t.Fatalf("%d issues if nothing needs attention, want 0", got)
	}
	update(open, fine, unknown)
	update(open, denied)
	if got := len(gitHub.Issues) - issues; got != 1 {
		t.Fatalf("%d issues after two reviews, want 1", got)
	}
	issue := gitHub.Issues[issues]
	for _, want := range []string{"<!-- starttech review staging -->\n", `ssh\|@<!-- -->all allows tcp 22`, "remove the rule", "DescribeNetworkInterfaces"} {
		if !strings.Contains(issue.Body, want) {
			t.Errorf("no %q in the issue:\n%s", want, issue.Body)
		}
	}
	if strings.Contains(issue.Body, fine.Text) || issue.Title != "Review of staging" {
		t.Errorf("%s\n%s", issue.Title, issue.Body)
	}
	update(denied) // not known whether the other finding is left
	if issue.State != "open" || strings.Contains(issue.Body, "remove the rule") {
		t.Errorf("the issue is %s:\n%s", issue.State, issue.Body)
	}
	update(fine, unknown)
	if issue.State != "closed" {
		t.Errorf("the issue is %s, want closed", issue.State)
	}
	update(open)
	if got := len(gitHub.Issues) - issues; got != 2 {
		t.Errorf("%d issues when something is found again, want 2", got)
	}
}
