package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/terraform"
)

// The formats of a command's result.
const (
	formatText = "text"
	formatJSON = "json"
)

// addFormatFlag adds the flag --output.
func addFormatFlag(command *cobra.Command, format *string) {
	command.Flags().StringVarP(format, "output", "o", formatText, "format: "+formatText+" or "+formatJSON)
	// The error is that the flag does not exist.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{formatText, formatJSON}, cobra.ShellCompDirectiveNoFileComp))
}

func checkFormat(format string) error {
	if format != formatText && format != formatJSON {
		return fmt.Errorf("output: %q is not a format; allowed: %s, %s", format, formatText, formatJSON)
	}
	return nil
}

// operation is the flags of the commands that work with a deployed environment.
type operation struct {
	p       *project
	env     string
	outputs string // file
	format  string
}

// newOperation adds the flags to a command.
func newOperation(p *project, command *cobra.Command) *operation {
	o := &operation{p: p}
	addStackFlag(command, &o.env, defaultEnvironment)
	addFormatFlag(command, &o.format)
	command.Flags().StringVar(&o.outputs, "outputs", "", "file with the outputs as JSON, for a role that may not read the state")
	return o
}

// open reads the environment's outputs, after it has checked the flags and the credentials.
func (o *operation) open(ctx context.Context) (*operate.Environment, error) {
	if err := checkFormat(o.format); err != nil {
		return nil, err
	}
	if isBootstrap(o.env) {
		return nil, fmt.Errorf("%s has nothing to operate; name an environment", o.env)
	}
	environment, err := o.p.environment(o.env)
	if err != nil {
		return nil, err
	}
	if err := terraform.CheckAccount(ctx, environment); err != nil {
		return nil, err
	}
	if o.outputs == "" {
		return operate.Open(ctx, environment)
	}
	content, err := os.ReadFile(o.p.callerPath(o.outputs))
	if err != nil {
		return nil, err
	}
	outputs := operate.Outputs{}
	if json.Unmarshal(content, &outputs) != nil || outputs == nil { // the error names types of Go
		return nil, fmt.Errorf("outputs: %s is not a JSON object with the values of the outputs by their names", o.outputs)
	}
	return operate.OpenWith(ctx, environment, outputs)
}

// print prints a result as JSON, or calls text.
func (o *operation) print(result any, text func(io.Writer)) error {
	if o.format == formatJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}
	out := bufio.NewWriter(os.Stdout) // it keeps the first error
	text(out)
	return out.Flush()
}

// table prints rows of tab-separated cells.
func table(out io.Writer, rows ...[]string) {
	writer := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(writer, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	writer.Flush()
}

// withReports adds to an error what the instances of a failed release logged last.
func withReports(err error) error {
	var rolledBack *operate.RolledBackError
	if !errors.As(err, &rolledBack) || len(rolledBack.Reports) == 0 {
		return err
	}
	return fmt.Errorf("%w\nWhat the new instances logged last:\n  %s", err, strings.Join(rolledBack.Reports, "\n  "))
}
