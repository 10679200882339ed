package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newDestroyCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "destroy",
		Short: "Destroy everything in an environment, after asking",
		Long: `Show everything in an environment, ask for the name of the environment, and destroy it. It needs a terminal, so a pipeline cannot
destroy anything. If deletionProtection is on, it refuses before it destroys anything.

It does not delete the SSM parameters of the backend, which Terraform does not know (docs/runbook.md, "Destroy an environment").`,
		Example: "  starttech destroy --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.destroy(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) destroy(ctx context.Context, name string) error {
	if _, err := p.environment(name); err != nil { // before a log of that name is created
		return err
	}
	if isBootstrap(name) {
		return fmt.Errorf("%s is not destroyed: it contains the Terraform state of the account's environments", name)
	}
	if err := checkPerson("destroy"); err != nil {
		return err
	}
	log, err := p.logFile("destroy", name)
	if err != nil {
		return err
	}
	defer log.Close()
	s := newSteps(os.Stdout, "make destroy ENV="+name)
	s.log = ".local/log/" + name + ".log"
	if err := p.installTerraform(ctx, s); err != nil {
		return err
	}
	stack, err := p.openStack(ctx, s, name, log, log)
	if err != nil {
		return err
	}
	// Not planFile, which report prints. It is removed, so that nobody applies it later.
	file := filepath.Join(p.stackDir(name), "plan.destroy")
	defer os.Remove(file)
	var plan *tfjson.Plan
	changes := false
	s.retry = ""
	if err := s.do(ctx, "Plan to destroy "+name, func(*status) error {
		plan, changes, err = stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true, Destroy: true})
		return err
	}); err != nil {
		return err
	}
	if !changes {
		return fmt.Errorf("%s is not deployed: there is nothing to destroy", name)
	}
	count := report.CountOf(plan)
	fmt.Printf("\n%s", report.Text(name, plan))
	question := fmt.Sprintf("Destroy all of %s in %s: %s?", name, stack.account(), count)
	if err := approve(ctx, question, name); err != nil {
		return err
	}
	fmt.Println()
	s.retry = "make destroy ENV=" + name
	return s.apply(ctx, fmt.Sprintf("Destroy %s (%d resources)", name, count.Destroy), stack.Stack, count.Destroy, func(ctx context.Context) error {
		return stack.Apply(ctx, file)
	})
}
