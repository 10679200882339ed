package github

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	gh "github.com/google/go-github/v90/github"
)

// maxBody is the most characters of a comment and of an issue: GitHub answers "body is too long (maximum is 65536
// characters)" to more.
const maxBody = 65536

// perPage is the most that GitHub lists at a time.
const perPage = 100

// author is who wrote all that was written with a workflow's token, which is one of the GitHub App of GitHub Actions
// (https://docs.github.com/en/actions/concepts/security/github_token). Nobody can sign up with brackets in the name.
const author = "github-actions[bot]"

// What a token needs to write; a workflow's own gets it by these words in the job.
const (
	mayComment   = "the job needs permissions: pull-requests: write, which GitHub never gives to a pull request from a fork"
	mayOpenIssue = "the job needs permissions: issues: write"
)

// Comment writes the one comment of a workflow that begins with the marker, a hidden <!-- ... -->, on a pull request: it
// creates the comment or updates it in place, and does nothing where it says the same already. Comments without the
// marker, and those of anybody else, are never touched; so with a token that is not a workflow's, each call creates one.
// A body longer than GitHub takes is an error.
func (c *Client) Comment(ctx context.Context, repository string, number int, marker, body string) error {
	doing := fmt.Sprintf("comment on %s#%d", repository, number)
	owner, name, err := split(repository)
	if err != nil {
		return err
	}
	body, err = marked(doing, marker, body)
	if err != nil {
		return err
	}
	options := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: perPage}}
	for comment, err := range c.api.Issues.ListCommentsIter(ctx, owner, name, number, options) {
		if status(err) == 404 {
			return fmt.Errorf("%s: there is no such pull request, or the token cannot see it (404 Not Found): check GITHUB_REPOSITORY and GITHUB_REF", doing)
		} else if err != nil {
			return c.refused(doing, mayComment, err)
		}
		if !ours(comment.GetUser(), comment.GetBody(), marker) {
			continue
		}
		if same(comment.GetBody(), body) {
			return nil
		}
		_, _, err = c.api.Issues.EditComment(ctx, owner, name, comment.GetID(), &gh.IssueComment{Body: &body})
		return c.refused(doing, mayComment, err)
	}
	_, _, err = c.api.Issues.CreateComment(ctx, owner, name, number, &gh.IssueComment{Body: &body})
	return c.refused(doing, mayComment, err)
}

// OpenIssue writes the one open issue of a workflow whose body begins with the marker: it opens the issue or updates it
// in place, and does nothing where it says the same already. Closed issues, pull requests, and what anybody else wrote
// are never touched; so with a token that is not a workflow's, each call opens one. A body longer than GitHub takes is an
// error.
func (c *Client) OpenIssue(ctx context.Context, repository, marker, title, body string) error {
	doing := fmt.Sprintf("open the issue %q in %s", title, repository)
	owner, name, err := split(repository)
	if err != nil {
		return err
	}
	body, err = marked(doing, marker, body)
	if err != nil {
		return err
	}
	issue, err := c.issue(ctx, owner, name, marker)
	if err != nil {
		return c.refused(doing, mayOpenIssue, err)
	}
	switch {
	case issue == nil:
		_, _, err = c.api.Issues.Create(ctx, owner, name, gh.CreateIssueRequest{Title: title, Body: &body})
	case !same(issue.GetBody(), body) || issue.GetTitle() != title:
		_, _, err = c.api.Issues.Update(ctx, owner, name, issue.GetNumber(), gh.UpdateIssueRequest{Title: &title, Body: &body})
	}
	return c.refused(doing, mayOpenIssue, err)
}

// CloseIssue closes the open issue of a workflow with the marker, with a comment that says why. Where there is none it
// does nothing.
func (c *Client) CloseIssue(ctx context.Context, repository, marker, comment string) error {
	doing := "close the issue in " + repository
	owner, name, err := split(repository)
	if err != nil {
		return err
	}
	issue, err := c.issue(ctx, owner, name, marker)
	if err != nil || issue == nil {
		return c.refused(doing, mayOpenIssue, err)
	}
	if _, _, err := c.api.Issues.CreateComment(ctx, owner, name, issue.GetNumber(), &gh.IssueComment{Body: &comment}); err != nil {
		return c.refused(doing, mayOpenIssue, err)
	}
	closed, done := "closed", "completed"
	_, _, err = c.api.Issues.Update(ctx, owner, name, issue.GetNumber(), gh.UpdateIssueRequest{State: &closed, StateReason: &done})
	return c.refused(doing, mayOpenIssue, err)
}

// issue is our oldest open issue whose body begins with the marker; nil where there is none.
func (c *Client) issue(ctx context.Context, owner, name, marker string) (*gh.Issue, error) {
	options := &gh.IssueListByRepoOptions{State: "open", Sort: "created", Direction: "asc", ListOptions: gh.ListOptions{PerPage: perPage}}
	for issue, err := range c.api.Issues.ListByRepoIter(ctx, owner, name, options) {
		if err != nil {
			return nil, err
		}
		if !issue.IsPullRequest() && ours(issue.GetUser(), issue.GetBody(), marker) { // the list has both
			return issue, nil
		}
	}
	return nil, nil
}

// ours tells whether a workflow wrote a text with the marker. In a public repository, anybody may write the marker.
func ours(user *gh.User, body, marker string) bool {
	return user.GetLogin() == author && strings.HasPrefix(body, marker)
}

// marked is a body with its marker; an error where it is longer than GitHub takes.
func marked(doing, marker, body string) (string, error) {
	body = marker + "\n" + body
	if length := utf8.RuneCountInString(body); length > maxBody {
		return "", fmt.Errorf("%s: the text has %d characters; GitHub takes %d", doing, length, maxBody)
	}
	return body, nil
}

// same compares what was sent with what GitHub kept of it: the ends of lines and of the text may differ.
func same(kept, sent string) bool {
	return strings.TrimSpace(strings.ReplaceAll(kept, "\r\n", "\n")) == strings.TrimSpace(sent)
}
