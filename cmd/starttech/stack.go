package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/synth"
	"github.com/starttech/infrastructure/internal/terraform"
)

// session is a stack that is open in the caller's account.
type session struct {
	*terraform.Stack
	environment config.Environment // of a bootstrap stack, the first one of its account
	options     terraform.Options
}

// openStack opens a stack in the caller's account. It synthesizes the stacks first if a source is newer, so that Terraform never
// runs on stale configuration. It fails if the credentials are for another account. Terraform's output goes to output; nil
// discards it.
func (p *project) openStack(ctx context.Context, s steps, name string, output io.Writer) (session, error) {
	environment, err := p.environment(name)
	if err != nil {
		return session{}, err
	}
	bootstrap, err := p.bootstrap(environment)
	if err != nil {
		return session{}, err
	}
	binary, err := terraform.Find(ctx, p.root)
	if err != nil {
		return session{}, err
	}
	if err := p.synthesizeIfStale(ctx, s); err != nil {
		return session{}, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return session{}, err
	}
	options := terraform.Options{Binary: binary, Output: output, LockTimeout: lockTimeout(), Bootstrap: bootstrap}
	stack, err := terraform.Open(p.stackDir(name), options)
	if err != nil {
		return session{}, err
	}
	return session{stack, environment, options}, p.copyLockFile(name)
}

// connect is openStack and Init.
func (p *project) connect(ctx context.Context, s steps, name string, output io.Writer) (session, error) {
	opened, err := p.openStack(ctx, s, name, output)
	if err != nil {
		return session{}, err
	}
	return opened, opened.Init(ctx)
}

func (p *project) synthesizeIfStale(ctx context.Context, s steps) error {
	if synth.Current(p.root) {
		return nil
	}
	return p.synthesize(ctx, s)
}

// lockTimeout is how long to wait for a locked state. A person sees at once who holds the lock. In a pipeline, a run waits for
// the other one.
func lockTimeout() time.Duration {
	if inPipeline() {
		return 10 * time.Minute
	}
	return 0
}

// logFile creates the file for Terraform's output of a command. The caller closes it.
func (p *project) logFile(stack string) (*os.File, error) {
	if err := os.MkdirAll(p.localPath("log"), 0o755); err != nil {
		return nil, err
	}
	return os.Create(p.localPath("log", stack+".log"))
}
