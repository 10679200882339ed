package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/internal/tools"
)

func newRollbackInfrastructureCommand(p *project) *cobra.Command {
	var stack, commit string
	command := &cobra.Command{
		Use:   "infrastructure",
		Short: "Show the plan of an earlier commit",
		Long: `Show what a deploy of an earlier commit would change on AWS: the commit before, or another one. It is checked out beside this checkout, planned with
its own code, and removed. Nothing is changed.

To go back, revert the commits (git revert) and deploy: the pipeline deploys main.`,
		Example: "  starttech rollback infrastructure --env production\n  starttech rollback infrastructure --env production --commit 4f2c1d0",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.planCommit(command.Context(), stack, commit)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	command.Flags().StringVar(&commit, "commit", "HEAD~1", "commit of this repository")
	return command
}

// planCommit plans a stack with the code of a commit.
func (p *project) planCommit(ctx context.Context, stack, commit string) (err error) {
	environment, err := p.environment(stack)
	if err != nil {
		return err
	}
	git := func(arguments ...string) (string, error) {
		command := exec.CommandContext(context.WithoutCancel(ctx), "git", arguments...)
		command.Dir = p.root
		output, err := command.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("git %s: %s", arguments[0], strings.TrimSpace(string(output)))
		}
		return strings.TrimSpace(string(output)), nil
	}
	id, err := git("rev-parse", "--verify", "--end-of-options", commit+"^{commit}")
	if err != nil {
		return fmt.Errorf("commit: %q is not a commit of this repository", commit)
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return err
	}
	dir := p.localPath("commit")
	if _, err := os.Stat(dir); err == nil { // of an earlier command that was killed
		if _, err := git("worktree", "remove", "--force", dir); err != nil {
			return err
		}
	}
	if _, err := git("worktree", "add", "--detach", dir, id); err != nil {
		return err
	}
	defer func() {
		_, removal := git("worktree", "remove", "--force", dir)
		err = errors.Join(err, removal)
	}()
	if err := p.shareNode(dir); err != nil {
		return err
	}
	subject, err := git("log", "-1", "--format=%h %s", id)
	if err != nil {
		return err
	}
	fmt.Printf("The plan of %s with the code of %s:\n\n", stack, subject)
	command := exec.CommandContext(ctx, "go", "run", "./cmd/starttech", "plan", "--env", stack)
	command.Dir = dir
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("the plan with the code of %s: %w", subject, err)
	}
	fmt.Printf("\nNothing was changed. To go back, revert the commits after %.7s, and deploy.\n", id)
	return nil
}

// shareNode links the Node.js packages of this checkout into another one if it would install the same.
func (p *project) shareNode(dir string) error {
	const list = "package-lock.json"
	own, err := os.ReadFile(filepath.Join(p.root, list))
	if err != nil {
		return err
	}
	other, err := os.ReadFile(filepath.Join(dir, list))
	if err != nil || string(own) != string(other) {
		return nil // it installs its own
	}
	if _, err := os.Stat(filepath.Join(p.root, tools.NodeModules, ".installed")); err != nil {
		return nil
	}
	return os.Symlink(filepath.Join(p.root, tools.NodeModules), filepath.Join(dir, tools.NodeModules))
}
