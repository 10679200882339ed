package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/refresh"
)

func newRefreshCommand(p *project) *cobra.Command {
	var follow, cancel bool
	var o *operation
	command := &cobra.Command{
		Use:   "refresh",
		Short: "Replace the instances step by step, follow that, or cancel it",
		Long: `Start an instance refresh, which replaces the instances step by step, and follow it to its end. A new instance is healthy before an old one is
terminated. The instances read their parameters and their release when they boot.

An interrupt ends the following, not the instance refresh.`,
		Example: "  starttech refresh --env staging\n  starttech refresh --env staging --follow\n  starttech refresh --env staging --cancel",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.refresh(command.Context(), follow, cancel)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&follow, "follow", false, "start none, and follow the newest one")
	command.Flags().BoolVar(&cancel, "cancel", false, "cancel the one that is in progress; the instances that it has replaced stay")
	command.MarkFlagsMutuallyExclusive("follow", "cancel")
	return command
}

func (o *operation) refresh(ctx context.Context, follow, cancel bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	s := newSteps(os.Stderr, "")
	id := "" // the newest one
	if cancel {
		if err := e.CancelRefresh(ctx); err != nil {
			return err
		}
	} else if !follow {
		if id, err = e.StartRefresh(ctx); err != nil {
			return fmt.Errorf("%w; to follow the one in progress: --follow", err)
		}
	}
	var ended refresh.Refresh
	title := "Replace the instances of " + e.Name
	if cancel {
		title = "Wait for the end of the instance refresh"
	}
	if err := s.do(ctx, title, func(current *status) (err error) {
		ended, err = e.FollowRefresh(ctx, id, current.set)
		return err
	}); err != nil {
		return err
	}
	if ended.ID == "" {
		return errors.New(e.Name + " has had no instance refresh in the last six weeks")
	}
	if err := o.print(ended, func(out io.Writer) {
		fmt.Fprintf(out, "The instance refresh %s is %s, %d %% of the instances replaced.\n", ended.ID, ended.Status, ended.Percentage)
	}); err != nil || cancel {
		return err
	}
	return ended.Err()
}

func newInstancesCommand(p *project) *cobra.Command {
	command := &cobra.Command{
		Use:   "instances",
		Short: "List the instances, or replace them",
	}
	command.AddCommand(newInstancesListCommand(p), newInstancesReplaceCommand(p))
	return command
}

func newInstancesListCommand(p *project) *cobra.Command {
	var o *operation
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the instances with their health",
		Example: "  starttech instances list --env production",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			e, err := o.open(command.Context())
			if err != nil {
				return err
			}
			instances, err := e.Instances(command.Context())
			if err != nil {
				return err
			}
			return o.print(instances, func(out io.Writer) { table(out, instanceRows(instances)...) })
		},
	}
	o = newOperation(p, command)
	return command
}

func instanceRows(instances []operate.Instance) [][]string {
	rows := [][]string{{"INSTANCE", "ZONE", "TYPE", "TEMPLATE", "STATE", "HEALTH"}}
	for _, i := range instances {
		health := i.Health
		if i.Reason != "" {
			health += " (" + i.Reason + ")"
		}
		rows = append(rows, []string{i.ID, i.Zone, i.Type, i.Template, i.Lifecycle, health})
	}
	return rows
}

func newInstancesReplaceCommand(p *project) *cobra.Command {
	var all, dryRun bool
	var o *operation
	command := &cobra.Command{
		Use:   "replace INSTANCE | --all",
		Short: "Replace an instance, or all of them one by one",
		Long: `Replace an instance: it is terminated, and the Auto Scaling group starts another one. The command waits until the group has as many healthy
instances as it should. If no other instance is healthy, it refuses, because the site would not answer.

With --all, an instance refresh replaces all of them, each new one healthy before an old one is terminated.`,
		Example: "  starttech instances replace i-0123456789abcdef0 --env production\n  starttech instances replace --all --env production",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			switch {
			case all == (len(arguments) > 0):
				return errors.New("instances replace: name an instance, or --all")
			case all:
				return o.refresh(command.Context(), false, false)
			}
			return o.replaceInstance(command.Context(), arguments[0], dryRun)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&all, "all", false, "replace all of them")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "check the instance, and change nothing")
	return command
}

func (o *operation) replaceInstance(ctx context.Context, id string, dryRun bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if err := e.CheckReplaceable(ctx, id); err != nil {
		return err
	}
	if dryRun {
		return o.print(map[string]string{"instance": id}, func(out io.Writer) {
			fmt.Fprintf(out, "Would terminate %s of %s; the group would start another one. Nothing was changed.\n", id, e.Name)
		})
	}
	if err := newSteps(os.Stderr, "").do(ctx, "Replace "+id, func(current *status) error {
		return e.ReplaceInstance(ctx, id, current.set)
	}); err != nil {
		return err
	}
	return o.print(map[string]string{"instance": id}, func(out io.Writer) { fmt.Fprintf(out, "%s is replaced.\n", id) })
}
