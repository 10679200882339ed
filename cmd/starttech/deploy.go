package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newDeployCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Plan, ask, and apply",
		Long: `Plan a stack, show what would change, ask for approval, and apply it with cdktf deploy.

In a pipeline (CI is true) it does not ask, because the pipeline has its own approval. In a new account, deploy bootstrap first.`,
		Example: "  starttech deploy --env bootstrap   # once for each account\n  starttech deploy --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.deploy(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) deploy(ctx context.Context, name string) error {
	if err := checkCanAsk("deploy"); err != nil {
		return err
	}
	log, err := p.logFile(name)
	if err != nil {
		return err
	}
	defer log.Close()
	s := newSteps(os.Stdout, "")
	if err := p.installTerraform(ctx, s); err != nil {
		return err
	}
	stack, err := p.openStack(ctx, s, name, log)
	if err != nil {
		return err
	}
	if isBootstrap(name) {
		done, err := terraform.Bootstrap(ctx, p.stackDir(name), p.localPath("bootstrap-"+stack.environment.Account), stack.options, func(local *terraform.Stack, plan string) error {
			shown, err := local.ShowPlan(ctx, plan)
			if err != nil {
				return err
			}
			return approvePlan(ctx, session{local, stack.environment, stack.options}, shown)
		})
		if done {
			fmt.Printf("\n%s is deployed. Next: make deploy ENV=%s\n", name, stack.environment.Name)
		}
		if done || err != nil {
			return err
		}
	}

	file := filepath.Join(p.stackDir(name), planFile)
	changes := false
	if err := s.do(ctx, "Plan "+name, func(*status) error {
		if err := stack.Init(ctx); err != nil {
			return err
		}
		if err := stack.UntaintProtected(ctx); err != nil {
			return err
		}
		changes, err = stack.Plan(ctx, file)
		return err
	}); err != nil {
		return err
	}
	if !changes {
		fmt.Printf("%s: no changes\n", name)
		return nil
	}
	plan, err := stack.ShowPlan(ctx, file)
	if err != nil {
		return err
	}
	if err := approvePlan(ctx, stack, plan); err != nil {
		return err
	}
	fmt.Println()
	count := report.CountOf(plan)
	deploy := func(current *status) error {
		stack.OnProgress(current.apply(count.Add + count.Change + count.Destroy))
		return stack.Deploy(ctx, p.root)
	}
	if s.terminal {
		s.log = ".local/log/" + name + ".log"
		err = s.do(ctx, "Deploy "+name, deploy)
	} else { // the log of a pipeline has all output
		stack.SetOutput(io.MultiWriter(os.Stdout, log))
		err = deploy(&status{})
	}
	if err != nil {
		return err
	}
	if !isBootstrap(name) {
		fmt.Printf("\n%s is deployed.\n  make outputs ENV=%[1]s      its URLs, names and public IPs\n  make smoke-test ENV=%[1]s   whether the site answers\n", name)
	}
	return nil
}

// approvePlan shows a plan and asks for approval.
func approvePlan(ctx context.Context, stack session, plan *tfjson.Plan) error {
	fmt.Printf("\n%s", report.Text(stack.Name, plan))
	question := fmt.Sprintf("Deploy %s to account %s (%s): %s?", stack.Name, stack.environment.Account, stack.environment.Region, report.CountOf(plan))
	return approve(ctx, question, "yes")
}
