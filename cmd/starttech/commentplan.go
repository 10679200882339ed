package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/github"
)

func newCommentPlanCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "comment-plan",
		Short: "Write the last plan into a comment on the pull request",
		Long: `Write the last plan, or why there is none, into the stack's comment on the pull request of this workflow, and into the job summary.
By hand, starttech report prints the same.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.commentPlan(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) commentPlan(ctx context.Context, name string) error {
	if err := p.checkStack(name); err != nil {
		return err
	}
	client, repository, err := workflowRepository()
	if err != nil {
		return err
	}
	number, err := pullRequestNumber()
	if err != nil {
		return err
	}
	plan, err := p.readPlan(ctx, name)
	if err != nil {
		return err
	}
	// First, because a pull request from a fork gets no comment.
	if err := addToSummary(plan.markdown()); err != nil {
		return err
	}
	if err := client.Comment(ctx, repository, number, fmt.Sprintf("<!-- starttech plan %s -->", name), plan.markdown()); err != nil {
		return err
	}
	fmt.Printf("The plan of %s is in a comment on %s#%d.\n", name, repository, number)
	return nil
}

// workflowRepository is the repository of the workflow
// (https://docs.github.com/en/actions/reference/workflows-and-actions/variables).
func workflowRepository() (client *github.Client, repository string, err error) {
	token, err := variable("GITHUB_TOKEN", "give the step the job's token, env: GITHUB_TOKEN: ${{ github.token }}")
	if err != nil {
		return nil, "", err
	}
	repository, err = variable("GITHUB_REPOSITORY", "a workflow sets it; by hand it is owner/name")
	if err != nil {
		return nil, "", err
	}
	client, err = github.New(token, os.Getenv("GITHUB_API_URL"))
	return client, repository, err
}

var pullRequestRef = regexp.MustCompile(`^refs/pull/([1-9][0-9]{0,8})/(merge|head)$`)

// pullRequestNumber is the number of the workflow's pull request.
func pullRequestNumber() (int, error) {
	ref := os.Getenv("GITHUB_REF")
	match := pullRequestRef.FindStringSubmatch(ref)
	if match == nil {
		return 0, fmt.Errorf("GITHUB_REF: %q is not a pull request, refs/pull/12/merge: comment-plan runs in workflows on pull_request", ref)
	}
	return strconv.Atoi(match[1])
}

// variable is an environment variable that has to be set. The hint says to what.
func variable(name, hint string) (string, error) {
	value := strings.TrimSpace(os.Getenv(name))
	if value == "" {
		return "", fmt.Errorf("%s is not set: %s", name, hint)
	}
	return value, nil
}

// addToSummary adds to the job summary. Outside a workflow there is none.
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
