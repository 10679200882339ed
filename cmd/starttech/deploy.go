package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/refresh"
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newDeployCommand(p *project) *cobra.Command {
	var stack, approved string
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Plan, ask, and apply",
		Long: `Plan a stack, show what would change, ask for approval, and apply that plan.

In a pipeline (CI is true) it does not ask, because the pipeline has its own approval, and it applies with cdktf deploy. It needs the
committed .terraform.lock.hcl (starttech providers-lock) there. With --approved, it applies only what an earlier plan has shown. In a
new account, deploy bootstrap first.

If instances are replaced, it waits until they are, and fails with the reason that AWS gives if the new ones do not become healthy.

Terraform's own output is in .local/log/STACK.log. In a pipeline, or if standard output is not a terminal, it is also printed to
standard error.`,
		Example: "  starttech deploy --env bootstrap   # once for each account\n  starttech deploy --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if command.Flags().Changed("approved") && !digestPattern.MatchString(approved) {
				return fmt.Errorf("approved: %q is not the content of a %s, which starttech plan writes", approved, digestFile)
			}
			return p.deploy(command.Context(), stack, approved)
		},
	}
	command.Flags().StringVar(&approved, "approved", "", "digest of the approved changes, the plan.digest of a plan; others are refused")
	addStackFlag(command, &stack, "")
	return command
}

// digestPattern matches the content of digestFile, without the line break.
var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// deploy plans and applies a stack. Like plan, it saves the plan, or why there is none. If approved is not empty, it refuses
// changes with another digest.
func (p *project) deploy(ctx context.Context, name, approved string) error {
	if err := p.checkStack(name); err != nil { // before anything of that name is created or removed
		return err
	}
	if err := checkCanAsk("deploy"); err != nil {
		return err
	}
	log, err := p.logFile("deploy", name) // before the plan of a command that is still running is removed
	if err != nil {
		return err
	}
	defer log.Close()
	if err := p.removePlan(name); err != nil {
		return err
	}
	if err := p.checkDeployable(name); err != nil { // before anything is installed
		return p.saveFailure(name, err)
	}
	// publish-outputs must not take those of the last deploy for the new ones.
	if err := os.Remove(filepath.Join(p.stackDir(name), outputsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := p.checkLockFile(); err != nil {
		return p.saveFailure(name, err)
	}
	s := newSteps(os.Stdout, "")
	if err := p.installTerraform(ctx, s); err != nil {
		return p.saveFailure(name, err)
	}
	withOutput, output := s.withOutput(log, name)
	stack, err := p.openStack(ctx, s, name, output, log)
	if err != nil {
		return p.saveFailure(name, err)
	}
	s = withOutput
	if isBootstrap(name) {
		zones, zonesErr := "", error(nil)
		done, err := terraform.Bootstrap(ctx, p.stackDir(name), p.localPath("bootstrap-"+stack.environment.Account), stack.options, func(local *terraform.Stack, plan string) error {
			shown, err := local.ShowPlan(ctx, plan)
			if err != nil {
				return err
			}
			if err := approvePlan(ctx, session{local, stack.environment, stack.options}, shown); err != nil {
				return err
			}
			fmt.Println()
			if err := s.apply(ctx, "Deploy "+name, local, report.CountOf(shown).Total(), func(ctx context.Context) error { return local.Apply(ctx, plan) }); err != nil {
				return err
			}
			zones, zonesErr = p.delegations(ctx, local)
			return nil
		})
		if done && err == nil {
			fmt.Printf("\n%s is deployed. Next: make deploy ENV=%s\n%s", name, stack.environment.Name, zones)
		}
		if done || err != nil {
			return cmp.Or(err, zonesErr)
		}
	}

	file := filepath.Join(p.stackDir(name), planFile)
	var plan *tfjson.Plan
	changes := false
	if err := s.do(ctx, "Plan "+name, func(*status) error {
		plan, changes, err = stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true, Untaint: true})
		return err
	}); err != nil {
		return p.saveFailure(name, err)
	}
	if !changes {
		fmt.Printf("%s: no changes\n", name)
		return followRefresh(ctx, s, stack, nil)
	}
	if err := checkApproved(name, plan, approved); err != nil {
		return p.saveFailure(name, err)
	}
	if err := checkDelegation(ctx, stack.environment, plan, net.DefaultResolver.LookupNS); err != nil {
		return p.saveFailure(name, err)
	}
	if err := approvePlan(ctx, stack, plan); err != nil {
		return err
	}
	fmt.Println()
	var earlier *refresh.Refresh
	if report.ReplacesInstances(plan) {
		if _, earlier, err = newestRefresh(ctx, stack); err != nil {
			return err
		}
	}
	count := report.CountOf(plan)
	if !inPipeline() {
		s.retry = "make deploy ENV=" + name
	}
	if err := s.apply(ctx, "Deploy "+name, stack.Stack, count.Total(), func(ctx context.Context) error {
		if inPipeline() {
			return stack.Deploy(ctx, p.root, file)
		}
		return stack.Apply(ctx, file)
	}); err != nil {
		return err
	}
	if err := followRefresh(ctx, s, stack, earlier); err != nil {
		return err
	}
	if isBootstrap(name) {
		zones, err := p.delegations(ctx, stack.Stack)
		if err != nil {
			return err
		}
		fmt.Print(zones)
	} else {
		fmt.Printf("\n%s is deployed.\n  make outputs ENV=%[1]s      its URLs, names and public IPs\n  make smoke-test ENV=%[1]s   whether the site answers\n", name)
	}
	return nil
}

// checkApproved returns an error if a plan changes something else than what was approved.
func checkApproved(name string, plan *tfjson.Plan, approved string) error {
	digest, err := report.Digest(plan)
	if err != nil || approved == "" || digest == approved {
		return err
	}
	return fmt.Errorf("deploy %s: nothing was changed: the plan (%s) differs from the one that was approved, because code, state or AWS have changed since; plan and approve it again",
		name, report.CountOf(plan))
}

// followRefresh waits for the end of the newest instance refresh of the stack's group. Terraform only starts it. Until it is
// successful, the old instances answer, so neither the apply nor the smoke test finds out whether the new ones start.
//
// A refresh that has ended before this deploy counts as well: if a failed deploy is run again, there is nothing to change, and the
// instances are not replaced. But if the deploy replaces the instances, earlier is the newest refresh before it, which does not count:
// AWS may not list the new one at once.
func followRefresh(ctx context.Context, s steps, stack session, earlier *refresh.Refresh) error {
	group, newest, err := newestRefresh(ctx, stack)
	if err != nil || newest == nil { // bootstrap has no group
		return err
	}
	if earlier != nil {
		if *newest, err = group.WaitForNewer(ctx, earlier.ID); err != nil {
			return err
		}
		if newest.ID == earlier.ID {
			fmt.Printf("note: the launch template has changed, but no instance refresh of %s has started\n", group.Name)
		}
	}
	if newest.ID == "" { // a first deploy has no refresh
		return nil
	}
	if !newest.IsActive() {
		return refreshError(group.Name, *newest)
	}
	s.log = "" // not Terraform's output
	if !inPipeline() {
		s.retry = "make deploy ENV=" + stack.Name
	}
	err = waitForRefresh(ctx, s, group)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w; the instance refresh continues on AWS", err)
	}
	return err
}

// waitForRefresh shows the percentage of the newest instance refresh until it ends.
func waitForRefresh(ctx context.Context, s steps, group refresh.Group) error {
	return s.do(ctx, "Replace the instances", func(current *status) error {
		ended, err := group.Wait(ctx, "", func(percentage int) { current.set(fmt.Sprintf("%d %% replaced", percentage)) })
		return cmp.Or(err, refreshError(group.Name, ended))
	})
}

// newestRefresh returns the group in the stack's outputs and its newest instance refresh, which is empty if there is none. If the outputs
// have no group, it is nil.
func newestRefresh(ctx context.Context, stack session) (refresh.Group, *refresh.Refresh, error) {
	outputs, err := stack.StateOutputs(ctx)
	if err != nil || outputs["auto_scaling_group_name"] == nil {
		return refresh.Group{}, nil, err
	}
	name, err := stringOutput(stack.Name, outputs, "auto_scaling_group_name")
	if err != nil {
		return refresh.Group{}, nil, err
	}
	group, err := refresh.NewGroup(ctx, stack.environment.Region, name)
	if err != nil {
		return group, nil, err
	}
	newest, err := group.Find(ctx, "")
	return group, &newest, err
}

// refreshError is the error of a deploy whose instance refresh has ended; nil if it is successful.
func refreshError(group string, ended refresh.Refresh) error {
	if err := ended.Err(); err != nil {
		return fmt.Errorf(`%s: %w; docs/runbook.md says what to do: "A deploy's instance refresh fails"`, group, err)
	}
	return nil
}

// approvePlan shows a plan and asks for approval.
func approvePlan(ctx context.Context, stack session, plan *tfjson.Plan) error {
	fmt.Printf("\n%s", report.Text(stack.Name, plan))
	question := fmt.Sprintf("Deploy %s to %s: %s?", stack.Name, stack.account(), report.CountOf(plan))
	return approve(ctx, question, "yes")
}
