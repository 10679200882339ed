package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/review"
)

func newReviewCommand(p *project) *cobra.Command {
	var purchases, issue bool
	var o *operation
	command := &cobra.Command{
		Use:   "review",
		Short: "Review permissions, images, backups, alarms and sizes of an environment",
		Long: `Review a deployed environment, and print what to do about each finding. It changes nothing.

It looks for security groups that are open to the world or unused, permissions that were not used for 90 days, an old image of Amazon Linux,
findings of ECR's scan, certificates that expire or are not renewed, missing snapshots, backups and restores, alarms that reach nobody, and
instances and Redis nodes that are too large or too small by two weeks of metrics. A check that could not be made is in the table, with the
reason.

Exit status: 0 if nothing needs attention, 1 if a check could not be made or the command failed, 2 if something needs attention. With
--issue, the issue has what needs attention, and the exit status is 0.`,
		Example: "  starttech review --env production\n  starttech review --env production --purchases --output json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.review(command.Context(), purchases, issue)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&purchases, "purchases", false, fmt.Sprintf("ask Cost Explorer for Savings Plans and reserved nodes, for %.2f USD", review.PurchasesUSD))
	command.Flags().BoolVar(&issue, "issue", false, "in a workflow: keep an issue open while something needs attention, and close it otherwise")
	return command
}

// attentionError is the error of a review that found something. The exit status is another one than that of a failure.
type attentionError struct{ findings int }

func (e attentionError) Error() string {
	return fmt.Sprintf("what needs attention: %d", e.findings)
}

func (attentionError) ExitStatus() int { return 2 }

func (o *operation) review(ctx context.Context, purchases, issue bool) error {
	if issue {
		if _, _, err := workflowRepository(); err != nil {
			return err
		}
	}
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	var found review.Report
	if err := newSteps(os.Stderr, "").do(ctx, "Review "+e.Name, func(*status) error {
		found = review.Run(ctx, e, purchases)
		return context.Cause(ctx)
	}); err != nil {
		return err
	}
	if err := o.print(found, func(out io.Writer) { printReview(out, found) }); err != nil {
		return err
	}
	if err := addToSummary(reviewMarkdown(found)); err != nil {
		return err
	}
	if issue {
		if err := updateReviewIssue(ctx, found); err != nil {
			return err
		}
	}
	return reviewError(found, issue)
}

// reviewError is the error of a review whose findings are printed, and are in an issue or not.
func reviewError(found review.Report, issue bool) error {
	attention, failed := found.Count(review.Attention), found.CountFailed()
	switch {
	case failed > 0:
		return fmt.Errorf("checks that could not be made: %d; what needs attention: %d", failed, attention)
	case attention > 0 && !issue:
		return attentionError{attention}
	}
	return nil
}

// updateReviewIssue keeps one issue of the environment open while something needs attention or could not be checked.
func updateReviewIssue(ctx context.Context, found review.Report) error {
	client, repository, err := workflowRepository()
	if err != nil {
		return err
	}
	title, marker := "Review of "+found.Environment, fmt.Sprintf("<!-- starttech review %s -->", found.Environment)
	if found.Count(review.Attention)+found.CountFailed() == 0 {
		return client.CloseIssue(ctx, repository, marker, fmt.Sprintf("Nothing in `%s` needs attention any more.", found.Environment))
	}
	text := fmt.Sprintf("What needs attention in `%[1]s`. `starttech review --env %[1]s` shows it, and all other checks. The issue is closed automatically when "+
		"nothing is left.\n\n", found.Environment)
	return client.OpenIssue(ctx, repository, marker, title, text+issueMarkdown(found))
}

// printReview prints a table. What to do about a finding is in the row below it.
func printReview(out io.Writer, found review.Report) {
	paint := func(_ review.State, text string) string { return text }
	if term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" {
		colors := map[review.State]string{review.OK: "32", review.Attention: "31", review.Unknown: "33"}
		// Every cell of the column has the same number of invisible characters, which table counts.
		paint = func(state review.State, text string) string { return "\x1b[" + colors[state] + "m" + text + "\x1b[0m" }
	}
	fmt.Fprintf(out, "%s at %s\n\n", found.Environment, clock(found.Time))
	rows := [][]string{{"SUBJECT", "CHECK", paint(review.OK, "STATE"), "FINDING"}}
	subject := ""
	for _, f := range found.Findings {
		name := f.Subject
		if name == subject {
			name = ""
		}
		subject = f.Subject
		rows = append(rows, []string{name, f.Check, paint(f.State, string(f.State)), f.Text})
		if f.Action != "" {
			rows = append(rows, []string{"", "", paint(f.State, ""), "-> " + f.Action})
		}
	}
	table(out, rows...)
	fmt.Fprintf(out, "\n%d ok, %d need attention, %d unknown", found.Count(review.OK), found.Count(review.Attention), found.Count(review.Unknown))
	if failed := found.CountFailed(); failed > 0 {
		fmt.Fprintf(out, ", of which %d could not be checked", failed)
	}
	fmt.Fprintln(out)
}

// reviewMarkdown is the whole report, for the summary of a workflow's job.
func reviewMarkdown(found review.Report) string {
	return fmt.Sprintf("## Review of %s\n\n", report.Escape(found.Environment)) + markdownTable(found.Findings)
}

// maxIssueRows is how many findings fit into an issue, which has at most 65,536 characters.
const maxIssueRows = 100

// issueMarkdown is what needs attention or could not be checked.
func issueMarkdown(found review.Report) string {
	var open []review.Finding
	for _, f := range found.Findings {
		if f.State == review.Attention || f.Failed {
			open = append(open, f)
		}
	}
	if more := len(open) - maxIssueRows; more > 0 {
		return markdownTable(open[:maxIssueRows]) + fmt.Sprintf("\nAnd %d more.\n", more)
	}
	return markdownTable(open)
}

func markdownTable(findings []review.Finding) string {
	var out strings.Builder
	out.WriteString("| subject | check | state | finding | what to do |\n|---|---|---|---|---|\n")
	for _, f := range findings {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", report.Escape(f.Subject), report.Escape(f.Check), f.State, limit(report.Escape(f.Text)), limit(report.Escape(f.Action)))
	}
	return out.String()
}

// limit shortens a cell of an issue: some errors of AWS are long.
func limit(text string) string {
	const most = 280
	if runes := []rune(text); len(runes) > most {
		return strings.TrimRight(string(runes[:most]), `\`) + "..."
	}
	return text
}

// exitStatus is the status with which the program ends for an error.
func exitStatus(err error) int {
	var with interface{ ExitStatus() int }
	if errors.As(err, &with) {
		return with.ExitStatus()
	}
	return 1
}
