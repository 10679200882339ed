package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
)

// target is a stack that is open on the caller's account.
type target struct {
	environment config.Environment // of a bootstrap stack, the first one of its account
	binary      string             // Terraform's
	stack       *terraform.Stack
}

// open opens a stack on the caller's account: the credentials have to be of that account.
func (p *project) open(ctx context.Context, name string, out io.Writer) (target, error) {
	environment, err := p.environmentOf(name)
	if err != nil {
		return target{}, err
	}
	binary, err := p.terraform(ctx)
	if err != nil {
		return target{}, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return target{}, err
	}
	stack, err := terraform.Open(p.stackDir(name), terraform.Options{Binary: binary, Output: out, LockTimeout: lockTimeout()})
	if err != nil {
		return target{}, err
	}
	return target{environment, binary, stack}, p.copyLock(name)
}

// ready opens a stack and connects it to its state.
func (p *project) ready(ctx context.Context, name string, out io.Writer) (target, error) {
	t, err := p.open(ctx, name, out)
	if err != nil {
		return target{}, err
	}
	return t, t.stack.Init(ctx)
}

// deploy changes what a plan shows. A bootstrap stack whose bucket is not there yet is begun with a local state.
func (p *project) deploy(ctx context.Context, name string) error {
	t, err := p.open(ctx, name, os.Stdout)
	if err != nil {
		return err
	}
	if isBootstrap(name) {
		options := terraform.Options{Binary: t.binary, Output: os.Stdout, LockTimeout: lockTimeout()}
		done, err := terraform.Bootstrap(ctx, p.stackDir(name), p.work("bootstrap-"+t.environment.Account), options, func() error { return approve("apply this plan") })
		if done || err != nil {
			return err
		}
	} else {
		if err := t.stack.Init(ctx); err != nil {
			return err
		}
		if err := t.stack.KeepProtected(ctx); err != nil {
			return err
		}
	}

	arguments := []string{"deploy", name, "--skip-synth"}
	if os.Getenv("CI") != "" { // nobody is there to approve; a pipeline has its own approval
		arguments = append(arguments, "--auto-approve")
	}
	// Not bound to the context: killed, it would leave Terraform behind with the lock. Ctrl-C reaches it by itself.
	command := exec.Command("cdktf", arguments...)
	command.Dir = p.root
	command.Env = append(os.Environ(), "TERRAFORM_BINARY_NAME="+t.binary)
	if wait := lockTimeout(); wait > 0 {
		command.Env = append(command.Env, "TF_CLI_ARGS_plan=-lock-timeout="+wait.String(), "TF_CLI_ARGS_apply=-lock-timeout="+wait.String())
	}
	var said bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, io.MultiWriter(os.Stdout, &said), io.MultiWriter(os.Stderr, &said)
	if err := command.Start(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("cdktf is not installed: run make install")
	} else if err != nil {
		return err
	}
	forward := make(chan os.Signal, 1)
	signal.Notify(forward, syscall.SIGTERM) // a pipeline's way to cancel
	defer signal.Stop(forward)
	go func() {
		for range forward {
			_ = command.Process.Signal(os.Interrupt)
		}
	}()
	if err := command.Wait(); err != nil {
		return terraform.Explain("deploy "+name, said.String())
	}
	return nil
}

// lockTimeout is how long to wait for the lock. A person is told at once who holds it; of two pipelines that meet, one
// waits for the other's plan.
func lockTimeout() time.Duration {
	if os.Getenv("CI") != "" {
		return 10 * time.Minute
	}
	return 0
}

// destroy removes everything in a stack, after a person has read the plan.
func (p *project) destroy(ctx context.Context, name string) error {
	t, err := p.ready(ctx, name, os.Stdout)
	if err != nil {
		return err
	}
	file := filepath.Join(p.stackDir(name), "plan")
	if err := t.stack.PlanDestroy(ctx, file); err != nil {
		return err
	}
	if err := ask("destroy all of " + name); err != nil { // a pipeline, too: nobody has approved this
		return err
	}
	return t.stack.Apply(ctx, file)
}

// approve asks the person at the terminal; in a pipeline nobody is there to ask, and its own approval counts.
func approve(what string) error {
	if os.Getenv("CI") != "" {
		return nil
	}
	return ask(what)
}

// ask asks the person at the terminal. Where there is none, the answer is no.
func ask(what string) error {
	fmt.Printf("\nType yes to %s: ", what)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed: it was not approved")
	}
	return nil
}
