package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/starttech/infrastructure/internal/github"
)

// comment writes what plan left, a plan or why there is none, as the stack's one comment on the pull request that the
// workflow runs for.
func (p *project) comment(ctx context.Context, name string) error {
	if _, err := p.environmentOf(name); err != nil {
		return err
	}
	client, repository, err := ownRepository()
	if err != nil {
		return err
	}
	number, err := pullRequest()
	if err != nil {
		return err
	}
	plan, err := p.lastPlan(ctx, name)
	if err != nil {
		return err
	}
	// First, because a pull request from a fork gets no comment.
	if err := addToSummary(plan.markdown); err != nil {
		return err
	}
	if err := client.Comment(ctx, repository, number, fmt.Sprintf("<!-- starttech plan %s -->", name), plan.markdown); err != nil {
		return err
	}
	fmt.Printf("The plan of %s is in a comment on %s#%d.\n", name, repository, number)
	return nil
}

// ownRepository is the repository that the workflow belongs to
// (https://docs.github.com/en/actions/reference/workflows-and-actions/variables).
func ownRepository() (client *github.Client, repository string, err error) {
	token, err := variable("GITHUB_TOKEN", "give the step the job's token, env: GITHUB_TOKEN: ${{ github.token }}")
	if err != nil {
		return nil, "", err
	}
	repository, err = variable("GITHUB_REPOSITORY", "a workflow has it; by hand it is owner/name")
	if err != nil {
		return nil, "", err
	}
	client, err = github.New(token, os.Getenv("GITHUB_API_URL"))
	return client, repository, err
}

var pullRequestRef = regexp.MustCompile(`^refs/pull/([1-9][0-9]{0,8})/(merge|head)$`)

// pullRequest is the number of the pull request that the workflow runs for.
func pullRequest() (int, error) {
	ref := os.Getenv("GITHUB_REF")
	match := pullRequestRef.FindStringSubmatch(ref)
	if match == nil {
		return 0, fmt.Errorf("GITHUB_REF: %q is not of a pull request, refs/pull/12/merge: comment runs in workflows on pull_request", ref)
	}
	return strconv.Atoi(match[1])
}

// variable is an environment variable that has to be set; the hint says to what.
func variable(name, hint string) (string, error) {
	value := strings.TrimSpace(os.Getenv(name))
	if value == "" {
		return "", fmt.Errorf("%s is not set: %s", name, hint)
	}
	return value, nil
}

// addToSummary adds to the page of the workflow's run; outside a workflow there is none.
func addToSummary(markdown string) error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	if _, err := file.WriteString(strings.TrimSpace(markdown) + "\n\n"); err != nil {
		file.Close()
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return file.Close()
}
