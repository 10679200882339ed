// Command starttech installs what the project needs, and plans and deploys its stacks, on AWS or on a local AWS.
// The make targets call it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
)

const usage = `usage: starttech COMMAND

  install              what the project needs, into the checkout
  synth                the Terraform configuration of every stack, into cdktf.out
  up [ENVIRONMENT]     plan and apply an environment on a local AWS (production)
  env                  shell commands that send AWS clients to the local AWS
  down                 stop the local AWS and remove it
  plan STACK           what a deploy would change on AWS
  deploy STACK         change it
  outputs STACK        addresses and names
  destroy STACK        remove everything in it
  comment STACK        the plan, or why there is none, as a comment on the pull request
  drift STACK          an issue while the plan changes anything
  health STACK         whether the deployed site answers
  publish STACK        the outputs, for the application's pipeline
  lock                 the provider's checksums for Linux and macOS, from the registry`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	p, err := open()
	if err != nil {
		return err
	}
	command, rest := "", []string(nil)
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	switch {
	case command == "install" && len(rest) == 0:
		return p.install(ctx)
	case command == "synth" && len(rest) == 0:
		return p.synth(ctx)
	case command == "up" && len(rest) <= 1:
		return p.up(ctx, append(rest, "production")[0])
	case command == "env" && len(rest) == 0:
		return p.env()
	case command == "down" && len(rest) == 0:
		return p.down()
	case command == "plan" && len(rest) == 1:
		return p.plan(ctx, rest[0])
	case command == "deploy" && len(rest) == 1:
		return p.deploy(ctx, rest[0])
	case command == "outputs" && len(rest) == 1:
		return p.outputs(ctx, rest[0])
	case command == "destroy" && len(rest) == 1:
		return p.destroy(ctx, rest[0])
	case command == "comment" && len(rest) == 1:
		return p.comment(ctx, rest[0])
	case command == "drift" && len(rest) == 1:
		return p.drift(ctx, rest[0])
	case command == "health" && len(rest) == 1:
		return p.health(ctx, rest[0])
	case command == "publish" && len(rest) == 1:
		return p.publish(ctx, rest[0])
	case command == "lock" && len(rest) == 0:
		return p.lock(ctx)
	}
	return errors.New(usage)
}

// project is the checkout.
type project struct {
	root string
}

// open finds the checkout that this process runs in, and puts its own tools first on PATH.
func open() (*project, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "cdktf.json")); err != nil {
		return nil, fmt.Errorf("%s: not the project's folder: there is no cdktf.json", root)
	}
	tools := []string{
		filepath.Join(root, "node_modules", ".bin"), filepath.Join(root, ".local", "bin"), os.Getenv("PATH"),
	}
	if err := os.Setenv("PATH", strings.Join(tools, string(os.PathListSeparator))); err != nil {
		return nil, err
	}
	// Neither Terraform nor cdktf calls home, or waits for an answer.
	return &project{root: root}, os.Setenv("CHECKPOINT_DISABLE", "1")
}

// stackDir is the folder of a synthesized stack.
func (p *project) stackDir(stack string) string {
	return filepath.Join(p.root, "cdktf.out", "stacks", stack)
}

// work is where everything lies that is neither source nor Terraform's.
func (p *project) work(parts ...string) string {
	return filepath.Join(append([]string{p.root, ".local"}, parts...)...)
}

// environmentOf is the environment that a stack is made from; of a bootstrap stack, the first one of its account.
func (p *project) environmentOf(stack string) (config.Environment, error) {
	environments, err := config.Load("environments")
	if err != nil {
		return config.Environment{}, err
	}
	names := []string{config.BootstrapStack}
	for _, environment := range environments {
		names = append(names, environment.Name)
		switch stack {
		case environment.Name, config.BootstrapStack, config.BootstrapStack + "-" + environment.Account:
			return environment, nil
		}
	}
	slices.Sort(names)
	return config.Environment{}, fmt.Errorf("%q is no stack; there are %s", stack, strings.Join(names, ", "))
}

// isBootstrap tells whether a stack keeps the state of the others.
func isBootstrap(stack string) bool {
	return stack == config.BootstrapStack || strings.HasPrefix(stack, config.BootstrapStack+"-")
}

func (p *project) terraform(ctx context.Context) (string, error) {
	return terraform.Find(ctx, p.root)
}
