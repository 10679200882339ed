package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	gh "github.com/google/go-github/v90/github"
)

// maxBody is the maximum number of characters of a comment or an issue. GitHub's error for a longer one is "body is too long
// (maximum is 65536 characters)".
const maxBody = 65536

// perPage is the maximum page size of GitHub's lists.
const perPage = 100

// workflowUser is the author of everything written with a workflow's token, which belongs to the GitHub App of GitHub Actions
// (https://docs.github.com/en/actions/concepts/security/github_token). The name of a user account cannot contain brackets.
const workflowUser = "github-actions[bot]"

// The permissions that a workflow's token needs, as they are written in the job.
const (
	commentPermissions = "the job needs permissions: pull-requests: write, which GitHub never grants to a pull request from a fork"
	issuePermissions   = "the job needs permissions: issues: write"
)

// Comment creates a workflow's comment on a pull request, or updates it in place. It identifies the comment by the marker, a
// hidden <!-- ... --> that the comment starts with. It does nothing if the comment already has the body. It never changes
// comments without the marker or of other users, so with a token that is not a workflow's, each call creates a comment. A
// body longer than GitHub's maximum is an error.
func (c *Client) Comment(ctx context.Context, repository string, number int, marker, body string) error {
	action := fmt.Sprintf("comment on %s#%d", repository, number)
	owner, name, err := splitRepository(repository)
	if err != nil {
		return err
	}
	body, err = withMarker(action, marker, body)
	if err != nil {
		return err
	}
	options := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: perPage}}
	for comment, err := range c.api.Issues.ListCommentsIter(ctx, owner, name, number, options) {
		if err != nil {
			return c.explainPullRequest(action, err)
		}
		if !isOurs(comment.GetUser(), comment.GetBody(), marker) {
			continue
		}
		if sameBody(comment.GetBody(), body) {
			return nil
		}
		_, _, err = c.api.Issues.EditComment(ctx, owner, name, comment.GetID(), &gh.IssueComment{Body: &body})
		return c.explain(action, commentPermissions, err)
	}
	_, _, err = c.api.Issues.CreateComment(ctx, owner, name, number, &gh.IssueComment{Body: &body})
	return c.explain(action, commentPermissions, err)
}

// explainPullRequest explains why a pull request cannot be read.
func (c *Client) explainPullRequest(action string, err error) error {
	if statusCode(err) == http.StatusNotFound {
		return fmt.Errorf("%s: the pull request does not exist, or the token cannot access it (404 Not Found): check GITHUB_REPOSITORY and GITHUB_REF", action)
	}
	return c.explain(action, commentPermissions, err)
}

// ChangedFile is the address of a file on GitHub, as a pull request leaves it. It is empty if the pull request does not add or change the
// file. GitHub lists the first 3,000 files (https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files).
func (c *Client) ChangedFile(ctx context.Context, repository string, number int, file string) (string, error) {
	owner, name, err := splitRepository(repository)
	if err != nil {
		return "", err
	}
	for changed, err := range c.api.PullRequests.ListFilesIter(ctx, owner, name, number, &gh.ListOptions{PerPage: perPage}) {
		if err != nil {
			return "", c.explainPullRequest(fmt.Sprintf("list the files of %s#%d", repository, number), err)
		}
		if changed.GetFilename() == file && changed.GetStatus() != "removed" {
			return changed.GetBlobURL(), nil
		}
	}
	return "", nil
}

// OpenIssue opens a workflow's issue, or updates it in place if it is open. It identifies the issue by the marker that the
// body starts with. It does nothing if the issue already has the title and the body. It never changes closed issues, pull
// requests, or issues of other users, so with a token that is not a workflow's, each call opens an issue. A body longer than
// GitHub's maximum is an error.
func (c *Client) OpenIssue(ctx context.Context, repository, marker, title, body string) error {
	action := fmt.Sprintf("open the issue %q in %s", title, repository)
	owner, name, err := splitRepository(repository)
	if err != nil {
		return err
	}
	body, err = withMarker(action, marker, body)
	if err != nil {
		return err
	}
	issue, err := c.findIssue(ctx, owner, name, marker)
	if err != nil {
		return c.explain(action, issuePermissions, err)
	}
	switch {
	case issue == nil:
		_, _, err = c.api.Issues.Create(ctx, owner, name, gh.CreateIssueRequest{Title: title, Body: &body})
	case !sameBody(issue.GetBody(), body) || issue.GetTitle() != title:
		_, _, err = c.api.Issues.Update(ctx, owner, name, issue.GetNumber(), gh.UpdateIssueRequest{Title: &title, Body: &body})
	}
	return c.explain(action, issuePermissions, err)
}

// CloseIssue adds a comment to a workflow's open issue with the marker and closes it. If there is none, it does nothing.
func (c *Client) CloseIssue(ctx context.Context, repository, marker, comment string) error {
	action := "close the issue in " + repository
	owner, name, err := splitRepository(repository)
	if err != nil {
		return err
	}
	issue, err := c.findIssue(ctx, owner, name, marker)
	if err != nil || issue == nil {
		return c.explain(action, issuePermissions, err)
	}
	if _, _, err := c.api.Issues.CreateComment(ctx, owner, name, issue.GetNumber(), &gh.IssueComment{Body: &comment}); err != nil {
		return c.explain(action, issuePermissions, err)
	}
	closed, done := "closed", "completed"
	_, _, err = c.api.Issues.Update(ctx, owner, name, issue.GetNumber(), gh.UpdateIssueRequest{State: &closed, StateReason: &done})
	return c.explain(action, issuePermissions, err)
}

// findIssue returns the oldest open issue of a workflow whose body starts with the marker; nil if there is none.
func (c *Client) findIssue(ctx context.Context, owner, name, marker string) (*gh.Issue, error) {
	options := &gh.IssueListByRepoOptions{State: "open", Sort: "created", Direction: "asc", ListOptions: gh.ListOptions{PerPage: perPage}}
	for issue, err := range c.api.Issues.ListByRepoIter(ctx, owner, name, options) {
		if err != nil {
			return nil, err
		}
		if !issue.IsPullRequest() && isOurs(issue.GetUser(), issue.GetBody(), marker) { // the list also contains pull requests
			return issue, nil
		}
	}
	return nil, nil
}

// isOurs reports whether a workflow wrote a body with the marker. In a public repository, anyone can write the marker.
func isOurs(user *gh.User, body, marker string) bool {
	return user.GetLogin() == workflowUser && strings.HasPrefix(body, marker)
}

// withMarker returns the body after its marker. It returns an error if the result is longer than maxBody.
func withMarker(action, marker, body string) (string, error) {
	body = marker + "\n" + body
	if length := utf8.RuneCountInString(body); length > maxBody {
		return "", fmt.Errorf("%s: the body has %d characters; allowed: at most %d", action, length, maxBody)
	}
	return body, nil
}

// sameBody reports whether a stored body equals a sent one. GitHub may change line breaks and trim the body.
func sameBody(stored, sent string) bool {
	return strings.TrimSpace(strings.ReplaceAll(stored, "\r\n", "\n")) == strings.TrimSpace(sent)
}
