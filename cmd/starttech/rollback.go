package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
)

func newRollbackCommand(p *project) *cobra.Command {
	command := &cobra.Command{
		Use:   "rollback",
		Short: "Bring back an earlier backend, frontend, infrastructure or Terraform state",
		Long: `Bring back an earlier backend, frontend, infrastructure or Terraform state.

If the backend and the frontend have to go back, roll back the frontend first: the earlier page calls an API that is still there.`,
	}
	command.AddCommand(newRollbackBackendCommand(p), newRollbackFrontendCommand(p), newRollbackInfrastructureCommand(p), newRollbackStateCommand(p))
	return command
}

func newRollbackBackendCommand(p *project) *cobra.Command {
	var dryRun, noWait bool
	var killed operate.KilledRelease
	var o *operation
	command := &cobra.Command{
		Use:   "backend [TAG]",
		Short: "Run an earlier image on all instances",
		Long: `Run an earlier image on all instances: that of a tag, or that of the release before, from the history of the release parameter.

The instance refresh of the current release is cancelled if it is in progress. Any other one, as that of a deploy, ends first.

With --no-wait, it completes what a killed release of a pipeline could not: TAG, the one before the release, is written again, the release's
instance refresh is cancelled, and another one is started, for which it does not wait. --of is the release's own tag, and --after the version
that the release parameter had before it. If the release had not begun, or has done that itself, nothing is changed. If the parameter has a tag
that is neither, somebody else has released it: nothing is changed, and the command fails.`,
		Example: "  starttech rollback backend --env production\n  starttech rollback backend 4f2c1d0 --env production --dry-run",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			tag := ""
			if len(arguments) > 0 {
				tag = arguments[0]
			}
			if noWait {
				if tag == "" {
					return errors.New("rollback backend: --no-wait needs the TAG before the release")
				}
				killed.Before = tag
				return o.putBack(command.Context(), killed)
			}
			return o.rollBackBackend(command.Context(), tag, dryRun)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&dryRun, "dry-run", false, "show which image it would be, and change nothing")
	command.Flags().BoolVar(&noWait, "no-wait", false, "complete the rollback of a killed release, and do not wait for the instances")
	command.Flags().StringVar(&killed.Tag, "of", "", "with --no-wait, the tag that the release writes")
	command.Flags().Int64Var(&killed.VersionBefore, "after", 0, "with --no-wait, the version of the release parameter before the release")
	command.MarkFlagsMutuallyExclusive("dry-run", "no-wait")
	command.MarkFlagsRequiredTogether("no-wait", "of", "after")
	return command
}

// putBackResult is the result of a rollback that does not wait.
type putBackResult struct {
	Tag    string `json:"tag"`
	Result string `json:"result"`
}

func (o *operation) putBack(ctx context.Context, killed operate.KilledRelease) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if killed.Before != operate.NoRelease { // which is no image
		if _, err := e.Image(ctx, killed.Before); err != nil {
			return err
		}
	}
	result := putBackResult{Tag: killed.Before}
	if err := newSteps(os.Stderr, "").do(ctx, "Put "+killed.Before+" back", func(current *status) (err error) {
		result.Result, err = e.PutBack(ctx, killed, current.set)
		return err
	}); err != nil {
		return err
	}
	return o.print(result, func(out io.Writer) { fmt.Fprintf(out, "%s: %s.\n", e.Name, result.Result) })
}

func (o *operation) rollBackBackend(ctx context.Context, tag string, dryRun bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	releases, err := e.Releases(ctx)
	if err != nil {
		return err
	}
	if len(releases) == 0 {
		return fmt.Errorf("the release parameter of %s has no history", e.Name)
	}
	if tag == "" {
		before, err := operate.Before(releases)
		if err != nil {
			return err
		}
		tag = before.Tag
	}
	if _, err := e.Image(ctx, tag); err != nil {
		return err
	}
	result := backendResult{Tag: tag, Before: releases[0].Tag}
	if dryRun {
		return o.print(result, func(out io.Writer) {
			fmt.Fprintf(out, "Would run %s on the instances of %s in place of %s, released %s. Nothing was changed.\n",
				tag, e.Name, releases[0].Tag, clock(releases[0].Time))
		})
	}
	if err := newSteps(os.Stderr, "").do(ctx, "Roll back to "+tag, func(current *status) error {
		return e.RollBackBackend(ctx, tag, releases, current.set)
	}); err != nil {
		return withReports(err)
	}
	result.Changed = true
	return o.print(result, func(out io.Writer) {
		fmt.Fprintf(out, "The instances of %s run %s again; before, they ran %s.\n", e.Name, tag, releases[0].Tag)
	})
}

// clock is a time as people read it.
func clock(when time.Time) string { return when.UTC().Format("2006-01-02 15:04 MST") }

func newRollbackFrontendCommand(p *project) *cobra.Command {
	var to string
	var dryRun bool
	var o *operation
	command := &cobra.Command{
		Use:   "frontend --to TIME|RELEASE",
		Short: "Bring back every file of the site as it was",
		Long: `Bring back every file of the site as it was at a time, or after a release.

Earlier versions of files are copied over the current ones, index.html last. Files that did not exist then get a delete marker. No version is
deleted, so a rollback can be rolled back. The bucket keeps replaced files for frontend.oldVersionRetentionDays.

A release is a name that release frontend was given. Without --to, the command lists the versions of the page.`,
		Example: "  starttech rollback frontend --env production\n  starttech rollback frontend --env production --to 2026-11-26T08:00:00Z --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.rollBackFrontend(command.Context(), to, dryRun)
		},
	}
	o = newOperation(p, command)
	command.Flags().StringVar(&to, "to", "", "time, as 2026-11-26T08:00:00Z, or the name of a release")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	return command
}

// listedVersions is the number of the page's versions that are looked at.
const listedVersions = 50

// restoreResult is the result of a rollback of the frontend.
type restoreResult struct {
	operate.RestoreCount
	To      time.Time `json:"to"`
	Changed bool      `json:"changed"`
}

func (o *operation) rollBackFrontend(ctx context.Context, to string, dryRun bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if to == "" {
		return o.listPages(ctx, e)
	}
	when, err := restoreTime(ctx, e, to)
	if err != nil {
		return err
	}
	s := newSteps(os.Stderr, "")
	var count operate.RestoreCount
	var examples []operate.Restore
	if err := s.do(ctx, "Compare the files with those of "+clock(when), func(*status) (err error) {
		count, err = e.PlanRestore(ctx, when, func(r operate.Restore) error {
			if len(examples) < 10 {
				examples = append(examples, r)
			}
			return nil
		})
		return err
	}); err != nil {
		return err
	}
	result := restoreResult{RestoreCount: count, To: when}
	if count.Copies+count.Deletions == 0 {
		return o.print(result, func(out io.Writer) { fmt.Fprintf(out, "The files of %s are those of %s.\n", e.Name, clock(when)) })
	}
	if o.format == formatText || !dryRun {
		printRestores(os.Stderr, count, examples)
	}
	if dryRun {
		return o.print(result, func(out io.Writer) { fmt.Fprintln(out, "Nothing was changed.") })
	}
	if err := checkCanAsk("rollback frontend"); err != nil {
		return err
	}
	if err := approve(ctx, fmt.Sprintf("The site of %s goes back to %s. No version is deleted.", e.Name, clock(when)), e.Name); err != nil {
		return err
	}
	if err := s.do(ctx, "Restore the files", func(current *status) (err error) {
		result.RestoreCount, err = e.RestoreFrontend(ctx, when, current.set)
		return err
	}); err != nil {
		return err
	}
	result.Changed = true
	return o.print(result, func(out io.Writer) {
		fmt.Fprintf(out, "The site of %s is that of %s: %d files restored, %d hidden, %d unchanged.\n", e.Name, clock(when), count.Copies, count.Deletions, count.Unchanged)
	})
}

func printRestores(out io.Writer, count operate.RestoreCount, examples []operate.Restore) {
	rows := [][]string{}
	for _, r := range examples {
		what := "restored"
		if r.Version == "" {
			what = "hidden by a delete marker"
		}
		rows = append(rows, []string{"  " + r.Key, what})
	}
	table(out, rows...)
	if more := count.Copies + count.Deletions - len(examples); more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
	fmt.Fprintf(out, "%d files are restored, %d hidden, %d stay.\n", count.Copies, count.Deletions, count.Unchanged)
}

func (o *operation) listPages(ctx context.Context, e *operate.Environment) error {
	versions, err := e.FrontendVersions(ctx, listedVersions)
	if err != nil {
		return err
	}
	return o.print(versions, func(out io.Writer) {
		rows := [][]string{{"PUBLISHED", "RELEASE"}}
		for _, v := range versions {
			rows = append(rows, []string{v.Modified.UTC().Format(time.RFC3339), v.Release})
		}
		table(out, rows...)
		fmt.Fprintln(out, "\nTo go back to one: --to TIME or --to RELEASE")
	})
}

// restoreTime is the time of a rollback: a time, or the time of a release.
func restoreTime(ctx context.Context, e *operate.Environment, to string) (time.Time, error) {
	if when, err := time.Parse(time.RFC3339, to); err == nil {
		if when.After(time.Now()) {
			return when, fmt.Errorf("to: %s is in the future", to)
		}
		return when, nil
	}
	versions, err := e.FrontendVersions(ctx, listedVersions)
	if err != nil {
		return time.Time{}, err
	}
	for _, v := range versions {
		if v.Release == to {
			return v.Modified, nil
		}
	}
	return time.Time{}, fmt.Errorf("to: %q is neither a time, as 2026-11-26T08:00:00Z, nor one of the last %d releases of the page; rollback frontend without --to lists them", to, listedVersions)
}
