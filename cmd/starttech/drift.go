package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/report"
)

// The text above the plan in an issue.
const (
	driftText = "Code and AWS differ: the plan of `%[1]s` has changes.\n\n" +
		"- If somebody changed AWS outside Terraform: `make deploy ENV=%[1]s` reverts it. Or change the code.\n" +
		"- If a merged change is not deployed yet: deploy it.\n" +
		"- If AWS has a new Amazon Linux image: a deploy replaces the instances.\n\n" +
		"The issue is closed automatically when the plan has no changes.\n\n"
	failedText = "The plan of `%[1]s` failed, so it is not known whether code and AWS differ. Fix the error below. The next plan " +
		"updates this issue.\n\n"
	noDriftText = "The plan of `%[1]s` has no changes any more."
)

func newDriftCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "drift",
		Short: "Keep an issue open while the last plan has changes",
		Long:  "Keep one issue open while the last plan of a stack has changes or failed, and close it when the plan has no changes.",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.drift(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) drift(ctx context.Context, name string) error {
	if err := p.checkStack(name); err != nil {
		return err
	}
	client, repository, err := workflowRepository()
	if err != nil {
		return err
	}
	result, err := p.readPlan(ctx, name)
	if err != nil {
		return err
	}
	if err := addToSummary(result.markdown()); err != nil {
		return err
	}

	title, marker := "Drift in "+name, fmt.Sprintf("<!-- starttech drift %s -->", name)
	text := driftText
	switch {
	case result.plan == nil: // not the same as no drift
		text = failedText
	case !report.HasChanges(result.plan):
		if err := client.CloseIssue(ctx, repository, marker, fmt.Sprintf(noDriftText, name)); err != nil {
			return err
		}
		fmt.Printf("There is no drift in %s.\n", name)
		return nil
	}
	if err := client.OpenIssue(ctx, repository, marker, title, fmt.Sprintf(text, name)+result.markdown()); err != nil {
		return err
	}
	fmt.Printf("The issue %q in %s has the plan.\n", title, repository)
	return nil
}
