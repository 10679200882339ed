package main

import (
	"context"
	"fmt"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/report"
)

// outputs prints addresses and names.
func (p *project) outputs(ctx context.Context, name string) error {
	_, outputs, err := p.outputsOf(ctx, name)
	if err != nil {
		return err
	}
	values := map[string]any{}
	for name, output := range outputs {
		values[name] = output.Value
	}
	printTable(values)
	return addToSummary(report.Outputs(name, outputs))
}

// outputsOf is the outputs of a stack, which has to be deployed, and the environment that it is made from.
func (p *project) outputsOf(ctx context.Context, name string) (config.Environment, map[string]*tfjson.StateOutput, error) {
	t, err := p.ready(ctx, name, nil)
	if err != nil {
		return config.Environment{}, nil, err
	}
	outputs, err := t.stack.StateOutputs(ctx)
	if err == nil && len(outputs) == 0 {
		err = fmt.Errorf("%s has no outputs: it is not deployed", name)
	}
	return t.environment, outputs, err
}

// outputOf is an output that is one string.
func outputOf(stack string, outputs map[string]*tfjson.StateOutput, name string) (string, error) {
	output, ok := outputs[name]
	if !ok {
		return "", fmt.Errorf("%s has no output %s: deploy it first", stack, name)
	}
	value, ok := output.Value.(string)
	if !ok || value == "" {
		return "", fmt.Errorf("output %s of %s: %v is not a string", name, stack, output.Value)
	}
	return value, nil
}
