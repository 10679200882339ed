package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newCommentPlanCommand(p *project) *cobra.Command {
	var stack, file string
	command := &cobra.Command{
		Use:   "comment-plan",
		Short: "Write the report of a plan into a comment on the pull request",
		Long: `Write a file of starttech report into the stack's comment on the pull request of this workflow.

The job that plans runs code of the pull request, so it may not write comments. A job that runs the code of main has that permission,
and gets the report as a file. The stack may be one that main does not have. The comment on production links the picture of the
architecture (docs/architecture.svg) if the pull request changes it.`,
		Example: "  starttech comment-plan --env staging --report report/report.md",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return commentPlan(command.Context(), stack, p.callerPath(file))
		},
	}
	command.Flags().StringVar(&file, "report", "", "file of starttech report")
	addStackFlag(command, &stack, "")
	return command
}

func commentPlan(ctx context.Context, name, file string) error {
	if !config.IsName(name) {
		return fmt.Errorf("%q is not the name of a stack", name)
	}
	if file == "" {
		return errors.New("comment-plan: name the report: --report FILE")
	}
	text, err := readReport(file)
	if err != nil {
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
	if name == defaultEnvironment {
		picture, err := client.ChangedFile(ctx, repository, number, "docs/architecture.svg")
		if err != nil {
			return err
		}
		if picture != "" {
			text = strings.TrimSpace(text) + "\n\nThe [picture of the architecture](" + picture + ") changes.\n"
		}
	}
	if err := client.Comment(ctx, repository, number, fmt.Sprintf("<!-- starttech plan %s -->", name), text); err != nil {
		return err
	}
	fmt.Printf("The plan of %s is in a comment on %s#%d.\n", name, repository, number)
	return nil
}

// maxReport is the maximum size of a report in bytes. A report of this project is smaller (report.Plan), but code of a pull request
// writes it.
const maxReport = 65_000

// readReport reads a report, which is not trusted: it has to be a regular file of printable text, and not longer than a comment.
func readReport(file string) (string, error) {
	if info, err := os.Lstat(file); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: a report is a regular file", file)
	} else if info.Size() > maxReport {
		return "", fmt.Errorf("%s: it has %d bytes; allowed: at most %d", file, info.Size(), maxReport)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(content) {
		return "", fmt.Errorf("%s: a report is text in UTF-8", file)
	}
	text := terraform.Plain(string(content)) // without control characters
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%s: the report is empty", file)
	}
	return text, nil
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
