package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newReportCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:     "report",
		Short:   "Print the last plan as Markdown, as a pull request shows it",
		Long:    "Print the last plan of a stack, or why there is none, as Markdown, and add it to the job summary of a workflow.",
		Example: "  starttech plan --env staging && starttech report --env staging > plan.md",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			result, err := p.readPlan(command.Context(), stack)
			if err != nil {
				return err
			}
			markdown := result.markdown()
			if _, err := fmt.Print(markdown); err != nil {
				return fmt.Errorf("print the report: %w", err)
			}
			return addToSummary(markdown)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}
