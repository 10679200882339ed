package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/synth"
)

func newSynthCommand(p *project) *cobra.Command {
	return &cobra.Command{
		Use:   "synth",
		Short: "Write the Terraform configuration of every stack into cdktf.out",
		Long: `Write the Terraform configuration of every stack into cdktf.out.

Commands that read a stack do this by themselves if the environment files or the code are newer. The result is the same as that
of cdktf synth, which takes longer.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.synthesize(command.Context(), newSteps(os.Stderr, ""))
		},
	}
}

// synthesize writes the Terraform configuration of every stack. Problems of the environment files are reported before anything
// is installed or written.
func (p *project) synthesize(ctx context.Context, s steps) error {
	if _, err := config.LoadForSynthesis("environments"); err != nil {
		return err
	}
	if err := p.installNode(ctx, s); err != nil {
		return err
	}
	warnings := ""
	err := s.do(ctx, "Synthesize the stacks into cdktf.out", func(*status) error {
		var err error
		warnings, err = synth.Run(ctx, p.root)
		return err
	})
	if ctx.Err() == nil {
		fmt.Fprint(s.out, warnings)
	}
	return err
}
