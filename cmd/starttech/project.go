package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/internal/tools"
)

// project is the checkout.
type project struct {
	root   string
	caller string // the working directory of the caller
}

// callerPath is a path of a flag, which is relative to the caller's working directory. An empty path stays empty.
func (p *project) callerPath(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.caller, path)
}

// open finds the checkout that contains the working directory, and makes it the working directory. It puts the checkout's
// own tools first on PATH.
func (p *project) open() error {
	working, err := os.Getwd()
	if err != nil {
		return err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "cdktf.json")); err == nil {
			p.root = dir
			break
		}
		if dir == filepath.Dir(dir) {
			return fmt.Errorf("%s: not in the project's checkout: there is no cdktf.json here or above", working)
		}
	}
	if strings.ContainsRune(p.root, os.PathListSeparator) { // PATH cannot have it
		return fmt.Errorf("%s: the path of the checkout contains %q; move it", p.root, os.PathListSeparator)
	}
	p.caller = working
	if err := os.Chdir(p.root); err != nil {
		return err
	}
	return tools.Use(p.root)
}

// stackDir is the directory of a synthesized stack.
func (p *project) stackDir(stack string) string {
	return filepath.Join(p.root, "cdktf.out", "stacks", stack)
}

// localPath is a path in .local, which contains everything that is neither source nor Terraform's.
func (p *project) localPath(parts ...string) string {
	return filepath.Join(append([]string{p.root, ".local"}, parts...)...)
}

// environment is the environment of a stack. For a bootstrap stack, it is the first environment of its account.
func (p *project) environment(stack string) (config.Environment, error) {
	environments, err := config.Load("environments")
	if err != nil {
		return config.Environment{}, err
	}
	for _, environment := range environments {
		if stack == environment.Name || stack == bootstrapStack(environments, environment) {
			return environment, nil
		}
	}
	return config.Environment{}, fmt.Errorf("%q %w; the stacks are %s", stack, errNoStack, strings.Join(stackNames(environments), ", "))
}

// errNoStack is the error of environment if the environment files are valid and there is no stack of that name.
var errNoStack = errors.New("is not a stack")

// checkStack returns an error if there is no stack of that name. If the environment files are invalid, the stacks are not known,
// and every possible name of a stack passes. So plan can save that reason, and report can print it.
func (p *project) checkStack(name string) error {
	if _, err := p.environment(name); errors.Is(err, errNoStack) || !config.IsName(name) {
		return err
	}
	return nil
}

// checkDeployable returns an error if there is no stack of that name, or if AWS refuses the environment files by now: cdktf.out may be older.
func (p *project) checkDeployable(name string) error {
	if _, err := config.LoadForSynthesis("environments"); err != nil {
		return err
	}
	_, err := p.environment(name)
	return err
}

// bootstrap is the name of the bootstrap stack of an environment's account.
func (p *project) bootstrap(environment config.Environment) (string, error) {
	environments, err := config.Load("environments")
	if err != nil {
		return "", err
	}
	return bootstrapStack(environments, environment), nil
}

func bootstrapStack(environments []config.Environment, environment config.Environment) string {
	return config.BootstrapStackOf(environment.Account, environments)
}

// findTerraform returns the path of a Terraform that the stacks of all environments accept. If the environment files are invalid, it is one
// that the default accepts: other commands say what is wrong with the files.
func (p *project) findTerraform(ctx context.Context) (string, error) {
	required := config.RequiredTerraform
	if environments, err := config.Load("environments"); err == nil {
		for _, environment := range environments {
			if environment.LocksInS3() { // which needs a later one
				required = environment.RequiredTerraform()
			}
		}
	}
	return terraform.Find(ctx, p.root, required)
}

// stackNames is the names of all stacks, sorted.
func stackNames(environments []config.Environment) []string {
	var names []string
	for _, environment := range environments {
		names = append(names, environment.Name, bootstrapStack(environments, environment))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isBootstrap reports whether a stack is a bootstrap stack.
func isBootstrap(stack string) bool {
	return stack == config.BootstrapStack || strings.HasPrefix(stack, config.BootstrapStack+"-")
}

// addStackFlag adds the flag --env. If fallback is empty, the flag is required.
func addStackFlag(command *cobra.Command, stack *string, fallback string) {
	command.Flags().StringVarP(stack, "env", "e", fallback, "environment, or bootstrap")
	if fallback == "" {
		command.PreRunE = func(*cobra.Command, []string) error {
			switch {
			case *stack != "":
				return nil
			case command.GroupID == groupPipeline: // these have no make target
				return fmt.Errorf("%s: name the environment: --env NAME", command.Name())
			}
			return fmt.Errorf("%s: name the environment: --env NAME, or make %[1]s ENV=NAME", command.Name())
		}
	}
	// The error is that the flag does not exist.
	_ = command.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		environments, err := config.Load("environments")
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return stackNames(environments), cobra.ShellCompDirectiveNoFileComp
	})
}

// inPipeline reports whether CI is true, as GitHub Actions sets it. Every other value means a person.
func inPipeline() bool {
	is, _ := strconv.ParseBool(os.Getenv("CI"))
	return is
}

// errNotApproved is the error of a command that a person did not approve.
var errNotApproved = errors.New("nothing was changed: not approved")

// checkCanAsk returns an error if there is nobody to approve: no terminal, and not a pipeline, which has its own approval.
func checkCanAsk(command string) error {
	if inPipeline() || term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return fmt.Errorf("%s asks for approval, but standard input is not a terminal; in a pipeline that has its own approval, set CI=true", command)
}

// checkPerson returns an error unless a person at a terminal can approve. The command does not run in a pipeline.
func checkPerson(command string) error {
	switch {
	case inPipeline():
		return fmt.Errorf("%s asks a person at a terminal; it does not run in a pipeline (CI is set)", command)
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return fmt.Errorf("%s asks for approval, but standard input is not a terminal", command)
	}
	return nil
}

// approve asks the person at the terminal to type a word. In a pipeline it approves, because the pipeline has its own approval. A
// cancelled ctx is a refusal.
func approve(ctx context.Context, question, word string) error {
	if inPipeline() {
		return context.Cause(ctx)
	}
	fmt.Printf("\n%s\nType %s to continue: ", question, word)
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil { // the end of the input
			fmt.Println()
		}
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Println()
	case line := <-answer:
		if strings.TrimSpace(line) == word && ctx.Err() == nil {
			return nil
		}
	}
	return errNotApproved
}
