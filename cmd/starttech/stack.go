package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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

// account is the account in a question. If the caller's AWS clients are pointed elsewhere, as by make env, it names that.
func (s session) account() string { return accountOf(s.environment) }

func accountOf(environment config.Environment) string {
	text := fmt.Sprintf("account %s (%s)", environment.Account, environment.Region)
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		text += " at " + withoutPassword(endpoint) + ", not on AWS"
	}
	return text
}

// withoutPassword is a URL as it can be printed.
func withoutPassword(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return "an endpoint that is not a URL"
	}
	return parsed.Redacted()
}

// openStack opens a stack in the caller's account. It synthesizes the stacks first if a source is newer, so that Terraform never
// runs on stale configuration. It fails if the credentials are for another account. Terraform's output goes to output; nil
// discards it. claim is the log of a command that plans or applies; nil for the others.
func (p *project) openStack(ctx context.Context, s steps, name string, output io.Writer, claim *os.File) (session, error) {
	environment, err := p.environment(name)
	if err != nil {
		return session{}, err
	}
	bootstrap, err := p.bootstrap(environment)
	if err != nil {
		return session{}, err
	}
	binary, err := p.findTerraform(ctx)
	if err != nil {
		return session{}, err
	}
	if err := p.synthesizeIfStale(ctx, s); err != nil {
		return session{}, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return session{}, err
	}
	options := terraform.Options{Binary: binary, Output: output, Claim: claim, LockTimeout: lockTimeout(), Bootstrap: bootstrap}
	stack, err := terraform.Open(p.stackDir(name), options)
	if err != nil {
		return session{}, err
	}
	return session{stack, environment, options}, p.copyLockFile(name)
}

// connect is openStack and Init, to read the state.
func (p *project) connect(ctx context.Context, s steps, name string) (session, error) {
	opened, err := p.openStack(ctx, s, name, nil, nil)
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

// logFile opens the file for Terraform's output of a command. The caller closes it. The file is locked until this process, and each
// Terraform that has it as Options.Claim, has closed it: two commands of a checkout would share the plan file as well.
func (p *project) logFile(command, stack string) (*os.File, error) {
	if err := os.MkdirAll(p.localPath("log"), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(p.localPath("log", stack+".log"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(log.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		first, _ := bufio.NewReader(log).ReadString('\n')
		return nil, errors.Join(fmt.Errorf("%s: another command is still running in this checkout, or the Terraform that it has left behind: %s; wait until it ends",
			stack, strings.TrimSpace(first)), log.Close())
	}
	if err := log.Truncate(0); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	_, err = fmt.Fprintf(log, "starttech %s --env %s, process %d, since %s\n", command, stack, os.Getpid(), time.Now().UTC().Format("2006-01-02 15:04 MST"))
	return log, err
}
