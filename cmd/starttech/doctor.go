package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/terraform"
)

func newDoctorCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Find what this machine, the account and the repository lack",
		Long: `Find what this machine, the account and the repository lack for the other commands, and print how to fix each.

It changes nothing. What depends on AWS credentials or on GITHUB_TOKEN is left out without them.`,
		Example: "  starttech doctor --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.doctor(command.Context(), os.Stdout, stack)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}

// diagnosis is one check of the doctor.
type diagnosis struct {
	what    string
	problem string // empty: none
	fix     string
	omitted bool // the check needs what is not there; problem says what
}

func (p *project) doctor(ctx context.Context, out io.Writer, stack string) error {
	environment, err := p.environment(stack)
	if err != nil {
		return err
	}
	found := p.diagnoseMachine(ctx)
	found = append(found, p.diagnoseAccount(ctx, environment)...)
	found = append(found, diagnoseRepository(ctx))
	problems, printed := 0, bufio.NewWriter(out) // it keeps the first error
	for _, d := range found {
		switch {
		case d.problem == "":
			fmt.Fprintf(printed, "ok       %s\n", d.what)
		case d.omitted:
			fmt.Fprintf(printed, "omitted  %s: %s\n", d.what, d.problem)
		default:
			problems++
			fmt.Fprintf(printed, "lacking  %s: %s\n         %s\n", d.what, d.problem, d.fix)
		}
	}
	if err := printed.Flush(); err != nil {
		return err
	}
	if problems > 0 {
		return fmt.Errorf("%d of %d checks found something lacking", problems, len(found))
	}
	return nil
}

// program is a program that commands start.
type program struct {
	name, argument, purpose, fix string
}

var programs = []program{
	{"go", "version", "builds the project", "install Go 1.26 or later: https://go.dev/dl/"},
	{"npm", "--version", "installs cdktf and the constructs", "install Node.js: https://nodejs.org"},
	{"python3", "--version", "runs the local AWS and the linters", "install Python 3.11 or later: https://www.python.org"},
	{"make", "--version", "runs the targets", "install make, or use .local/bin/starttech"},
	{"git", "--version", "compares with earlier commits", "install git: https://git-scm.com"},
	{"aws", "--version", "opens sessions (starttech connect)", "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"},
	{
		"session-manager-plugin", "--version", "opens sessions (starttech connect)",
		"install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
	},
}

func (p *project) diagnoseMachine(ctx context.Context) []diagnosis {
	var found []diagnosis
	for _, each := range programs {
		d := diagnosis{what: each.name + ", which " + each.purpose, fix: each.fix}
		if _, err := exec.LookPath(each.name); err != nil {
			d.problem = "it is not on PATH"
		} else if output, err := exec.CommandContext(ctx, each.name, each.argument).CombinedOutput(); err != nil {
			first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
			d.problem = strings.TrimSpace("it does not run: " + first)
		}
		found = append(found, d)
	}
	d := diagnosis{what: "Terraform, which plans and applies", fix: "make install DEPLOY=1 installs it into the checkout"}
	if _, err := p.findTerraform(ctx); err != nil {
		d.problem = err.Error()
	}
	return append(found, d)
}

func (p *project) diagnoseAccount(ctx context.Context, environment config.Environment) []diagnosis {
	credentials := diagnosis{
		what: "AWS credentials of account " + environment.Account,
		fix:  "log in as for the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html",
	}
	state := diagnosis{
		what: "the state of " + environment.Name,
		fix:  fmt.Sprintf("make deploy ENV=bootstrap once for the account, then make deploy ENV=%s", environment.Name),
	}
	variables := diagnosis{what: "the variables of the application in " + environment.Name}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		credentials.problem = first
		state.problem, state.omitted = "there are no credentials", true
		variables.problem, variables.omitted = "there are no credentials", true
		return []diagnosis{credentials, state, variables}
	}
	e, err := operate.Open(ctx, environment)
	if err != nil {
		state.problem = err.Error()
		variables.problem, variables.omitted = "there is no state", true
		return []diagnosis{credentials, state, variables}
	}
	found, err := e.Variables(ctx)
	if err != nil {
		variables.problem = err.Error()
		variables.fix = "use credentials that may read them: docs/runbook.md, \"Secrets\""
		return []diagnosis{credentials, state, variables}
	}
	variables.problem, variables.fix = checkVariables(e, found)
	return []diagnosis{credentials, state, variables}
}

func diagnoseRepository(ctx context.Context) diagnosis {
	d := diagnosis{what: "the settings on GitHub", fix: "make check-repository lists them"}
	if os.Getenv("GITHUB_TOKEN") == "" {
		d.problem, d.omitted = "GITHUB_TOKEN is not set", true
		return d
	}
	if err := checkRepositories(ctx, io.Discard); err != nil && !errors.Is(err, context.Canceled) {
		d.problem, _, _ = strings.Cut(err.Error(), "\n")
	}
	return d
}
