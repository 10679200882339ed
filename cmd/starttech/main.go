// Command starttech installs what the project needs, and plans, deploys and inspects its stacks, on AWS or on a local AWS.
// The make targets are aliases of its commands.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := withSignals(context.Background())
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		// A request or a program that was interrupted has an error of its own.
		if cause := context.Cause(ctx); cause != nil && !strings.HasPrefix(err.Error(), "interrupted") && !errors.Is(err, errNotApproved) {
			err = errors.New(cause.Error() + againToContinue)
		}
		stop()
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitStatus(err))
	}
}

// Groups of commands in the help.
const (
	groupLocal    = "local"
	groupStacks   = "stacks"
	groupOperate  = "operate"
	groupPipeline = "pipeline"
	groupCheckout = "checkout"
)

func newRootCommand() *cobra.Command {
	p := &project{}
	root := &cobra.Command{
		Use:   "starttech",
		Short: "Plan, deploy and inspect the StartTech infrastructure",
		Long: `starttech plans, deploys and inspects the StartTech infrastructure, on AWS or on a local AWS.

An environment is a file in environments/. The stack bootstrap has the Terraform state and the pipelines' roles of an AWS
account; if the environments are in several accounts, there is a bootstrap-ACCOUNT for each.

The environment variable TERRAFORM names another program than terraform on PATH, such as tofu (docs/leaving.md).

Exit status: 0 if the command succeeded, 1 if it failed or was not approved; starttech review has a third.`,
		SilenceUsage:  true, // an error is one line
		SilenceErrors: true, // main prints it
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			if command.Name() == "help" || command.HasParent() && command.Parent().Name() == "completion" {
				return nil
			}
			return p.open()
		},
	}
	root.AddGroup(
		&cobra.Group{ID: groupLocal, Title: "Try it, on a local AWS:"},
		&cobra.Group{ID: groupStacks, Title: "Plan and deploy:"},
		&cobra.Group{ID: groupOperate, Title: "Operate a deployed environment:"},
		&cobra.Group{ID: groupPipeline, Title: "In a pipeline:"},
		&cobra.Group{ID: groupCheckout, Title: "The checkout:"},
	)
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupLocal, []*cobra.Command{newUpCommand(p), newEnvCommand(p), newDownCommand(p)}},
		{groupStacks, []*cobra.Command{
			newSynthCommand(p), newCostCommand(p), newCapacityCommand(p), newPlanCommand(p), newReportCommand(p), newDeployCommand(p),
			newSmokeTestCommand(p), newOutputsCommand(p), newDestroyCommand(p), newLifeCommand(p), newUnlockCommand(p),
		}},
		{groupOperate, []*cobra.Command{
			newStatusCommand(p), newReviewCommand(p), newReleaseCommand(p), newRollbackCommand(p), newLogsCommand(p), newSecretsCommand(p),
			newRefreshCommand(p), newInstancesCommand(p), newConnectCommand(p),
		}},
		{groupPipeline, []*cobra.Command{newCommentPlanCommand(p), newDriftCommand(p), newPublishOutputsCommand(p)}},
		{groupCheckout, []*cobra.Command{newInstallCommand(p), newProvidersLockCommand(p), newCheckRepositoryCommand(), newDoctorCommand(p)}},
	} {
		for _, command := range group.commands {
			command.GroupID = group.id
			root.AddCommand(command)
			if command.HasSubCommands() && !command.Runnable() {
				refuseUnknownCommands(command)
			}
		}
	}
	root.SetHelpCommandGroupID(groupCheckout)
	root.SetCompletionCommandGroupID(groupCheckout)
	cobra.EnableCommandSorting = false // in the order of their use
	return root
}

// refuseUnknownCommands makes a command that only has others refuse one that it does not have. Cobra prints the help, and succeeds.
func refuseUnknownCommands(command *cobra.Command) {
	unknown := func(arguments []string) error {
		if len(arguments) == 0 {
			return nil
		}
		var names []string
		for _, each := range command.Commands() {
			names = append(names, each.Name())
		}
		return fmt.Errorf("unknown command %q for %q; allowed: %s", arguments[0], command.CommandPath(), strings.Join(names, ", "))
	}
	command.Args = func(_ *cobra.Command, arguments []string) error {
		return cmp.Or(unknown(arguments), pflag.ErrHelp) // which prints the help, without a checkout as well
	}
	command.RunE = func(*cobra.Command, []string) error { return nil } // without one, cobra does not look at Args
	command.SetFlagErrorFunc(func(failed *cobra.Command, err error) error {
		if failed == command { // the flags of the command that was meant
			return cmp.Or(unknown(command.Flags().Args()), err)
		}
		return err
	})
}
