package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/secrets"
)

func newOutputsCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "outputs",
		Short: "Print the URLs, names and public IPs of a deployed stack",
		Long: `Print the URLs, names and public IPs of a deployed stack, and save them as outputs.json in the stack's directory. In a workflow,
they are added to the job summary.`,
		Example: "  starttech outputs --env staging",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, outputs, err := p.readOutputs(command.Context(), stack)
			if err != nil {
				return err
			}
			return errors.Join(printOutputs(os.Stdout, outputs), p.saveOutputs(stack, outputs), addToSummary(report.Outputs(stack, outputs)))
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}

// readOutputs is the outputs of a stack, which has to be deployed, and its environment.
func (p *project) readOutputs(ctx context.Context, stack string) (config.Environment, map[string]*tfjson.StateOutput, error) {
	opened, err := p.connect(ctx, newSteps(os.Stderr, ""), stack)
	if err != nil {
		return config.Environment{}, nil, err
	}
	outputs, err := opened.StateOutputs(ctx)
	if err == nil && len(outputs) == 0 {
		err = fmt.Errorf("%s has no outputs: it is not deployed", stack)
	}
	return opened.environment, outputs, err
}

// outputsFile has the outputs of a stack, with null for those that are sensitive or have a copy of one. It is in the stack's directory.
const outputsFile = "outputs.json"

func (p *project) saveOutputs(stack string, outputs map[string]*tfjson.StateOutput) error {
	values, known := map[string]any{}, secrets.InOutputs(outputs)
	for name, output := range outputs {
		values[name] = nil
		if outputText(output, known) == outputText(output, nil) && !output.Sensitive {
			values[name] = output.Value
		}
	}
	content, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.stackDir(stack), outputsFile), content, 0o644)
}

// loadOutputs is the outputs that saveOutputs has saved. It runs no other program.
func (p *project) loadOutputs(stack string) (map[string]*tfjson.StateOutput, error) {
	content, err := os.ReadFile(filepath.Join(p.stackDir(stack), outputsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the outputs of %s are not saved: run make outputs ENV=%s first", stack, stack)
	} else if err != nil {
		return nil, err
	}
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber() // keeps each number as it is written
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("%s of %s: %w; run make outputs ENV=%s again", outputsFile, stack, err, stack)
	}
	outputs := map[string]*tfjson.StateOutput{}
	for name, value := range values {
		outputs[name] = &tfjson.StateOutput{Sensitive: value == nil, Value: value}
	}
	return outputs, nil
}

// stringOutput is an output that is one string.
func stringOutput(stack string, outputs map[string]*tfjson.StateOutput, name string) (string, error) {
	output, ok := outputs[name]
	if !ok {
		return "", fmt.Errorf("%s has no output %s: deploy it first", stack, name)
	}
	value, ok := output.Value.(string)
	if !ok || value == "" {
		return "", fmt.Errorf("output %s of %s: %s is not a string", name, stack, cmp.Or(outputText(output, nil), `""`))
	}
	return value, nil
}

// printOutputs lists outputs by name. A sensitive value, and a copy of it in another output, is not printed.
func printOutputs(out io.Writer, outputs map[string]*tfjson.StateOutput) error {
	known := secrets.InOutputs(outputs)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		fmt.Fprintf(table, "  %s\t%s\n", name, outputText(outputs[name], known))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the outputs: %w", err)
	}
	return nil
}

func outputText(output *tfjson.StateOutput, known *secrets.Set) string {
	if output.Sensitive {
		return secrets.Masked
	}
	switch value := output.Value.(type) {
	case string:
		return known.Mask(value)
	case []any:
		var items []string
		for _, item := range value {
			items = append(items, outputText(&tfjson.StateOutput{Value: item}, known))
		}
		return strings.Join(items, " ")
	}
	content, err := json.Marshal(output.Value) // numbers as they are written
	if err != nil {
		return err.Error()
	}
	return known.Mask(string(content))
}
