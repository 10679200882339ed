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

	"github.com/starttech/infrastructure/terraform"
)

// open opens a stack on the caller's account: the credentials have to be of that account.
func (p *project) open(ctx context.Context, name string, out io.Writer) (*terraform.Stack, error) {
	environment, err := p.environmentOf(name)
	if err != nil {
		return nil, err
	}
	binary, err := p.terraform(ctx)
	if err != nil {
		return nil, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return nil, err
	}
	stack, err := terraform.Open(p.stackDir(name), terraform.Options{Binary: binary, Output: out})
	if err != nil {
		return nil, err
	}
	return stack, p.copyLock(name)
}

// ready opens a stack and connects it to its state.
func (p *project) ready(ctx context.Context, name string, out io.Writer) (*terraform.Stack, error) {
	stack, err := p.open(ctx, name, out)
	if err != nil {
		return nil, err
	}
	return stack, stack.Init(ctx)
}

// plan shows what a deploy would change, and keeps the plan so that exactly that can be applied.
func (p *project) plan(ctx context.Context, name string) error {
	stack, err := p.ready(ctx, name, os.Stdout)
	if err != nil {
		return err
	}
	changes, err := stack.Plan(ctx, filepath.Join(p.stackDir(name), "plan"))
	if err != nil || !changes {
		return err
	}
	fmt.Printf("\nTo apply exactly this plan: terraform -chdir=cdktf.out/stacks/%s apply plan\nTo plan anew and apply: make deploy ENV=%s\n", name, name)
	return nil
}

// deploy changes what a plan shows. A bootstrap stack whose bucket is not there yet is begun with a local state.
func (p *project) deploy(ctx context.Context, name string) error {
	environment, err := p.environmentOf(name)
	if err != nil {
		return err
	}
	binary, err := p.terraform(ctx)
	if err != nil {
		return err
	}
	if isBootstrap(name) {
		if _, err := p.open(ctx, name, os.Stdout); err != nil {
			return err
		}
		options := terraform.Options{Binary: binary, Output: os.Stdout}
		done, err := terraform.Bootstrap(ctx, p.stackDir(name), p.work("bootstrap-"+environment.Account), options, func() error { return approve("apply this plan") })
		if done || err != nil {
			return err
		}
	} else {
		stack, err := p.ready(ctx, name, os.Stdout)
		if err != nil {
			return err
		}
		if err := stack.KeepProtected(ctx); err != nil {
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
	command.Env = append(os.Environ(), "TERRAFORM_BINARY_NAME="+binary)
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

// destroy removes everything in a stack, after a person has read the plan.
func (p *project) destroy(ctx context.Context, name string) error {
	stack, err := p.ready(ctx, name, os.Stdout)
	if err != nil {
		return err
	}
	file := filepath.Join(p.stackDir(name), "plan")
	if err := stack.PlanDestroy(ctx, file); err != nil {
		return err
	}
	if err := approve("destroy all of " + name); err != nil {
		return err
	}
	return stack.Apply(ctx, file)
}

// approve asks the person at the terminal; in a pipeline nobody is there to ask, and its own approval counts.
func approve(what string) error {
	if os.Getenv("CI") != "" {
		return nil
	}
	fmt.Printf("\nType yes to %s: ", what)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed: it was not approved")
	}
	return nil
}

// outputs prints addresses and names.
func (p *project) outputs(ctx context.Context, name string) error {
	stack, err := p.ready(ctx, name, nil)
	if err != nil {
		return err
	}
	values, err := stack.Outputs(ctx)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("%s has no outputs: it is not deployed", name)
	}
	printTable(values)
	return nil
}
