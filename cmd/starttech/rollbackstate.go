package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/statelock"
)

// listedStates is the number of versions of the state that are listed. Each is read.
const listedStates = 20

func newRollbackStateCommand(p *project) *cobra.Command {
	r := stateRollback{p: p}
	command := &cobra.Command{
		Use:   "state",
		Short: "Make an earlier version of the Terraform state the newest one",
		Long: fmt.Sprintf(`Make an earlier version of the Terraform state the newest one. It changes no infrastructure: the next plan compares the old state with AWS.

Use it if the state itself is damaged or lost. To go back to an earlier infrastructure, revert the commits, and deploy.

Without --to, it lists the last %d versions in the bucket, with the addresses that each has in addition (+), lacks (-), or has with other values
(~) than the current one. S3 does not record who wrote a version: only those of this command have a name. CloudTrail has it, if it logs the data
events of the bucket.

With --to, it takes Terraform's lock, writes the old content as a new version with a higher serial, writes its MD5 into the lock table, and
removes the lock. No version is deleted, so a rollback can be rolled back. It refuses a state that is locked, and a version of another
lineage. It never prints a value of the state. If it is killed, run unlock, and then the same command again.`, listedStates),
		Example: "  starttech rollback state --env staging\n  starttech rollback state --env staging --to 3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return r.run(command.Context())
		},
	}
	addStackFlag(command, &r.env, defaultEnvironment)
	addFormatFlag(command, &r.format)
	command.Flags().StringVar(&r.to, "to", "", "ID of a version")
	command.Flags().BoolVar(&r.dryRun, "dry-run", false, "show what would be written, and change nothing")
	command.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	return command
}

// stateRollback is the flags of the command.
type stateRollback struct {
	p           *project
	env, to     string
	format      string
	dryRun, yes bool
}

// stateVersions is the result of the list.
type stateVersions struct {
	Versions []statelock.Version `json:"versions"`
	More     bool                `json:"more"` // the bucket has older ones
	Locks    []statelock.Lock    `json:"locks"`
}

// stateRestoration is the result of a rollback.
type stateRestoration struct {
	statelock.Restoration
	Changed bool `json:"changed"`
}

func (r stateRollback) run(ctx context.Context) (err error) {
	if err := checkFormat(r.format); err != nil {
		return err
	}
	environment, err := r.p.environment(r.env)
	if err != nil {
		return err
	}
	if r.to != "" && !r.dryRun {
		if !r.yes {
			if err := checkPerson("rollback state"); err != nil {
				return fmt.Errorf("%w; --yes does not ask", err)
			}
		}
		log, err := r.p.logFile("rollback state", r.env)
		if err != nil {
			return err
		}
		defer log.Close()
	}
	states, backend, err := r.p.openState(ctx, r.env, environment)
	if err != nil {
		return err
	}
	state, err := states.Read(ctx)
	if err != nil {
		return err
	}
	if r.to == "" {
		return r.list(ctx, states, state)
	}
	if len(state.Locks) > 0 && !r.dryRun {
		advice := "wait until it ends; if that process is dead"
		if state.Locks[0].Operation == statelock.RestoreOperation {
			advice = "if it was killed"
		}
		return fmt.Errorf("%s; %s: make unlock ENV=%s, and this command again", describeLock(r.env, state.Locks[0]), advice, r.env)
	}
	plan, err := states.PlanRestore(ctx, state, r.to)
	if err != nil {
		return err
	}
	return r.restore(ctx, states, state, backend, plan, accountOf(environment))
}

func (r stateRollback) restore(ctx context.Context, states *statelock.Client, state statelock.State, backend statelock.Backend, plan statelock.Restoration, account string) error {
	result, from := stateRestoration{Restoration: plan}, plan.From
	if plan.IsCurrent {
		if state.DigestDiffers() {
			return fmt.Errorf("%s: the state has the content of that version, but its MD5 is not in the lock table: make unlock ENV=%[1]s mends it", r.env)
		}
		return r.print(result, func(out io.Writer) {
			fmt.Fprintf(out, "%s: the state has the content of that version already, with serial %d. Nothing was changed. Next: make plan ENV=%[1]s\n", r.env, state.Serial)
		})
	}
	summary := os.Stderr
	if r.format == formatText {
		summary = os.Stdout
	}
	fmt.Fprintf(summary, "The version %s of %s: serial %d, Terraform %s, %d resources. Than the current state, it has %s.\nIt becomes serial %d of s3://%s/%s.\n",
		from.ID, clock(from.Modified), from.Serial, from.Terraform, from.Resources, differences(from.Differences), plan.Serial, backend.Bucket, backend.Key)
	for _, lock := range state.Locks { // of a dry run
		fmt.Fprintln(summary, describeLock(r.env, lock)+": it would be refused.")
	}
	if r.dryRun {
		return r.print(result, func(out io.Writer) { fmt.Fprintln(out, "Nothing was changed.") })
	}
	if !r.yes {
		question := fmt.Sprintf("Write that state in %s? No version is deleted, and no infrastructure is changed.", account)
		if err := approve(ctx, question, r.env); err != nil {
			return err
		}
	}
	if err := states.Restore(ctx, plan, caller()); err != nil {
		return err
	}
	result.Changed = true
	return r.print(result, func(out io.Writer) {
		fmt.Fprintf(out, "The state of %s is that of %s again, with serial %d. Next: make plan ENV=%[1]s shows what a deploy would change.\n", r.env, clock(from.Modified), plan.Serial)
	})
}

// differences is the differences of a version in words.
func differences(d statelock.Differences) string {
	return fmt.Sprintf("%d addresses in addition, %d fewer, and %d with other values", d.Added, d.Removed, d.Changed)
}

func (r stateRollback) list(ctx context.Context, states *statelock.Client, state statelock.State) error {
	versions, more, err := states.Versions(ctx, listedStates)
	if err != nil {
		return err
	}
	return r.print(stateVersions{versions, more, state.Locks}, func(out io.Writer) {
		if len(versions) == 0 {
			fmt.Fprintf(out, "%s has no state.\n", r.env)
			return
		}
		rows := [][]string{{"VERSION", "WRITTEN", "SERIAL", "TERRAFORM", "RESOURCES", "+", "-", "~", "BY"}}
		for _, v := range versions {
			row := []string{v.ID, clock(v.Modified)}
			switch {
			case v.IsDeleted:
				row = append(row, "deleted")
			case v.Damage != "":
				row = append(row, v.Damage)
			default:
				d := v.Differences
				row = append(row, fmt.Sprint(v.Serial), v.Terraform, fmt.Sprint(v.Resources), fmt.Sprint(d.Added), fmt.Sprint(d.Removed), fmt.Sprint(d.Changed), cmp.Or(v.Who, "not recorded"))
			}
			if v.IsCurrent {
				row[0] += " (current)"
			}
			rows = append(rows, row)
		}
		table(out, rows...)
		fmt.Fprintln(out, "\n+, - and ~: addresses that the version has in addition to the current one, lacks, or has with other values.")
		if more {
			fmt.Fprintf(out, "The bucket has older versions than these %d.\n", listedStates)
		}
		for _, lock := range state.Locks {
			fmt.Fprintln(out, describeLock(r.env, lock)+".")
		}
		fmt.Fprintln(out, "To go back to one: --to VERSION")
	})
}

func (r stateRollback) print(result any, text func(io.Writer)) error {
	return (&operation{format: r.format}).print(result, text)
}

// caller is user@host, as Terraform has it in its locks.
func caller() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}
