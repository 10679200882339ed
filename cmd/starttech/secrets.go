package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/internal/operate"
)

func newSecretsCommand(p *project) *cobra.Command {
	command := &cobra.Command{
		Use:   "secrets",
		Short: "Write and list the backend's variables, whose values are secret",
		Long: `Write and list the environment variables of the backend's container. They are SSM parameters, or with the block secrets the keys of a secret in
Secrets Manager. Instances read them when they boot: after a change, run starttech refresh.

A value is never printed, and never an argument, which other users of the machine could read.`,
	}
	command.AddCommand(newSecretsSetCommand(p), newSecretsListCommand(p), newSecretsCheckCommand(p))
	return command
}

func newSecretsSetCommand(p *project) *cobra.Command {
	var file string
	var o *operation
	command := &cobra.Command{
		Use:   "set NAME",
		Short: "Write a variable, from a prompt, a file or standard input",
		Long: `Write a variable, encrypted. The value is what is typed at the prompt, the content of a file, or standard input, without its last line break.

With the block secrets, the other variables of the secret stay. It refuses those that are generated: JWT_SECRET_KEY, and with cache.auth
REDIS_PASSWORD.`,
		Example: "  starttech secrets set MONGO_URI --env staging\n  openssl rand -hex 32 | starttech secrets set JWT_SECRET_KEY --env staging",
		Args: func(_ *cobra.Command, arguments []string) error {
			switch {
			case len(arguments) == 0:
				return errors.New("secrets set: name the variable: starttech secrets set NAME")
			case len(arguments) > 1: // which may be the value
				return errors.New("secrets set takes a name only; it asks for the value, or reads it from --file or standard input")
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			return o.setSecret(command.Context(), arguments[0], p.callerPath(file))
		},
	}
	o = newOperation(p, command)
	command.Flags().StringVar(&file, "file", "", "file with the value")
	return command
}

// maxValue limits what is read. A parameter has at most 4 KB, and a secret less than this.
const maxValue = 65 << 10

func (o *operation) setSecret(ctx context.Context, name, file string) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if err := e.CheckVariable(name); err != nil {
		return err
	}
	value, err := readValue(ctx, name, file)
	if err != nil {
		return err
	}
	created, err := e.SetVariable(ctx, name, value)
	if err != nil {
		return err
	}
	result := struct {
		Name    string `json:"name"`
		Created bool   `json:"created"`
	}{name, created}
	return o.print(result, func(out io.Writer) {
		what := "changed"
		if created {
			what = "written"
		}
		fmt.Fprintf(out, "%s of %s is %s. Running instances have the value from their boot: to replace them, starttech refresh --env %s\n", name, e.Name, what, e.Name)
	})
}

// readValue reads a value from a file, or from standard input; at a terminal it asks, and does not show what is typed. If ctx is cancelled, it
// returns at once.
func readValue(ctx context.Context, name, file string) (string, error) {
	terminal := int(os.Stdin.Fd())
	var content []byte
	var err error
	read := func() {
		var opened *os.File
		if opened, err = os.Open(file); err == nil {
			content, err = io.ReadAll(io.LimitReader(opened, maxValue))
			opened.Close()
		}
	}
	restore := func() {}
	if file == "" && term.IsTerminal(terminal) {
		before, failed := term.GetState(terminal)
		if failed != nil {
			return "", failed
		}
		restore = func() {
			_ = term.Restore(terminal, before) // the terminal may be closed
			fmt.Fprintln(os.Stderr)
		}
		fmt.Fprintf(os.Stderr, "Value of %s, which is not shown: ", name)
		read = func() { content, err = term.ReadPassword(terminal) }
	} else if file == "" {
		read = func() { content, err = io.ReadAll(io.LimitReader(os.Stdin, maxValue)) }
	}
	done := make(chan struct{})
	go func() { read(); close(done) }()
	select {
	case <-ctx.Done(): // the read goes on until the process ends
		restore()
		return "", ctx.Err()
	case <-done:
		restore()
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), err
}

func newSecretsListCommand(p *project) *cobra.Command {
	var o *operation
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the variables with their ages, without their values",
		Example: "  starttech secrets list --env production",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			e, err := o.open(command.Context())
			if err != nil {
				return err
			}
			variables, err := e.Variables(command.Context())
			if err != nil {
				return err
			}
			return o.print(variables, func(out io.Writer) {
				rows := [][]string{{"NAME", "CHANGED", "AGE", "IN", "BY"}}
				for _, v := range variables {
					note := v.By
					if !v.Secret {
						note += " (not encrypted)"
					}
					rows = append(rows, []string{v.Name, clock(v.Modified), age(v.Modified), v.Store, note})
				}
				table(out, rows...)
			})
		},
	}
	o = newOperation(p, command)
	return command
}

// age is the time since a moment: "3 days".
func age(since time.Time) string {
	passed := time.Since(since)
	switch {
	case passed < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(passed.Seconds()))
	case passed < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(passed.Minutes()))
	case passed < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(passed.Hours()))
	}
	return fmt.Sprintf("%d days", int(passed.Hours()/24))
}

func newSecretsCheckCommand(p *project) *cobra.Command {
	var o *operation
	command := &cobra.Command{
		Use:     "check",
		Short:   "Fail if a variable that the application needs is missing, or is set twice",
		Example: "  starttech secrets check --env production",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			e, err := o.open(command.Context())
			if err != nil {
				return err
			}
			variables, err := e.Variables(command.Context())
			if err != nil {
				return err
			}
			problem, fix := checkVariables(e, variables)
			if err := o.print(struct {
				Missing    []string `json:"missing"`
				Duplicates []string `json:"duplicates"`
			}{e.MissingVariables(variables), e.DuplicateVariables(variables)}, func(out io.Writer) {
				if problem == "" {
					fmt.Fprintf(out, "%s has every variable that the application needs.\n", e.Name)
				}
			}); err != nil || problem == "" {
				return err
			}
			return fmt.Errorf("%s: %s; %s", e.Name, problem, fix)
		},
	}
	o = newOperation(p, command)
	return command
}

// checkVariables returns what prevents the application from starting, and the fix; empty: nothing does.
func checkVariables(e *operate.Environment, variables []operate.Variable) (problem, fix string) {
	if duplicates := e.DuplicateVariables(variables); len(duplicates) > 0 {
		return "no instance boots, because these variables are set twice: " + strings.Join(duplicates, ", "),
			"docs/runbook.md, \"Secrets\", says where to delete them"
	}
	if missing := e.MissingVariables(variables); len(missing) > 0 {
		return "missing: " + strings.Join(missing, ", "), "starttech secrets set NAME --env " + e.Name
	}
	return "", ""
}
