package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/statelock"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newUnlockCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "unlock",
		Short: "Remove the lock that a killed Terraform has left, after asking",
		Long: `Show who holds the lock of a state, in the lock table, in S3, or in both, ask, and remove it. If the lock table has another MD5 than
that of the state's newest version, which Terraform reports as "state data in S3 does not have the expected content", it also writes the
right one.

Unlock only if that Terraform has ended. It refuses while a command of this checkout is running.`,
		Example: "  starttech unlock --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.unlock(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) unlock(ctx context.Context, name string) error {
	environment, err := p.environment(name)
	if err != nil {
		return err
	}
	if err := checkPerson("unlock"); err != nil {
		return err
	}
	log, err := p.logFile("unlock", name)
	if err != nil {
		return err
	}
	defer log.Close()
	states, backend, err := p.openState(ctx, name, environment)
	if err != nil {
		return err
	}
	state, err := states.Read(ctx)
	if err != nil {
		return err
	}
	if len(state.Locks) == 0 && state.Damage != nil {
		return state.Damage
	}
	if len(state.Locks) == 0 && !state.DigestDiffers() {
		if state.MD5 == "" && state.Digest != "" {
			return fmt.Errorf("s3://%s/%s does not exist, but it did: restore its newest version (docs/runbook.md)", backend.Bucket, backend.Key)
		}
		digest := ", and its MD5 is right"
		if backend.Table == "" {
			digest = ""
		}
		fmt.Printf("%s: the state is not locked%s: there is nothing to mend\n", name, digest)
		return nil
	}
	for _, lock := range state.Locks {
		fmt.Println(describeLock(name, lock) + ".")
	}
	if state.DigestDiffers() {
		fmt.Printf("The lock table has the MD5 %q. That of the newest state, with serial %d of %s, is %q.\n", state.Digest, state.Serial,
			state.Modified.UTC().Format("2006-01-02 15:04 MST"), state.MD5)
	}
	question := fmt.Sprintf("Mend that in %s? If that Terraform is still running, two of them would write the state.", accountOf(environment))
	if err := approve(ctx, question, "yes"); err != nil {
		return err
	}
	if err := states.Mend(ctx, state); err != nil {
		return err
	}
	fmt.Printf("%s is unlocked. Next: make plan ENV=%[1]s\n", name)
	return state.Damage
}

// describeLock is whose a lock is, how old, and where.
func describeLock(name string, lock statelock.Lock) string {
	return fmt.Sprintf("%s is locked: %s by %s since %s, %s ago (lock %s in %s)", name, lock.Operation, lock.Who,
		clock(lock.Created), time.Since(lock.Created).Round(time.Minute), lock.ID, lock.Place)
}

// openState opens the state of a stack with the caller's credentials. It needs no Terraform.
func (p *project) openState(ctx context.Context, name string, environment config.Environment) (*statelock.Client, statelock.Backend, error) {
	if err := p.synthesizeIfStale(ctx, newSteps(os.Stderr, "")); err != nil {
		return nil, statelock.Backend{}, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return nil, statelock.Backend{}, err
	}
	backend, err := terraform.Backend(p.stackDir(name))
	if err != nil {
		return nil, backend, err
	}
	states, err := statelock.Open(ctx, backend)
	return states, backend, err
}
