package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Outputs renders the outputs of a stack as a Markdown table, sorted by name. The elements of a list are separated by
// commas. A sensitive value, or a copy of it in another output, is printed as "(sensitive)".
func Outputs(stack string, outputs map[string]*tfjson.StateOutput) string {
	text := fmt.Sprintf("### Outputs of %s\n\n", code(stack))
	if len(outputs) == 0 {
		return text + "No outputs: the stack is not deployed.\n"
	}
	known := secrets.InOutputs(outputs)
	text += "| name | value |\n|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		text += fmt.Sprintf("| %s | %s |\n", cell(code(name)), cell(outputValue(outputs[name], known)))
	}
	return text
}

func outputValue(output *tfjson.StateOutput, known *secrets.Set) string {
	if output.Sensitive {
		return secrets.Masked
	}
	format := func(value any) string {
		if text, ok := value.(string); ok {
			return known.Mask(text)
		}
		return formatValue(reader{known: known}.read("", value, nil))
	}
	text := format(output.Value)
	if list, ok := output.Value.([]any); ok {
		items := make([]string, len(list))
		for i, item := range list {
			items[i] = format(item)
		}
		text = strings.Join(items, ", ")
	}
	switch {
	case strings.TrimSpace(text) == "":
		return "(empty)"
	case strings.HasPrefix(text, "https://") && !strings.ContainsAny(text, "<>| \t\r\n"):
		return "<" + text + ">" // a link
	}
	return code(text)
}

// cell escapes a text for a table cell (https://github.github.com/gfm/#tables-extension-).
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// outputChange returns the outputs that a plan changes, as attributes of a single resource; nil if there are none.
func outputChange(plan *tfjson.Plan) *tfjson.Change {
	before, after, unknown, wasSensitive, sensitive := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for name, change := range plan.OutputChanges {
		if change != nil && !change.Actions.NoOp() {
			before[name], after[name], unknown[name] = change.Before, change.After, change.AfterUnknown
			wasSensitive[name], sensitive[name] = change.BeforeSensitive, change.AfterSensitive
		}
	}
	if len(before) == 0 {
		return nil
	}
	return &tfjson.Change{
		Actions: tfjson.Actions{tfjson.ActionUpdate},
		Before:  before, After: after, AfterUnknown: unknown, BeforeSensitive: wasSensitive, AfterSensitive: sensitive,
	}
}
