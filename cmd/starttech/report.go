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
		Example: "  starttech plan --env staging && starttech report --env staging > plan.md",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			result, err := p.readPlan(command.Context(), stack)
			if err != nil {
				return err
			}
			fmt.Print(result.markdown())
			return nil
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}
