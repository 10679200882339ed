package report

import (
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Text renders a plan for a terminal: the counts, the warnings and changes outside Terraform of Plan, and the differences. A
// resource that is created or destroyed is one line.
func Text(stack string, plan *tfjson.Plan) string {
	resources := changedResources(plan)
	outputs := outputChange(plan)
	known := secrets.InPlan(plan)
	text := "Plan of " + stack + ": " + fromMarkdown.Replace(headline(CountOf(plan), resources, outputs != nil)) + "\n"
	for _, list := range []struct {
		title string
		items []string
	}{
		{"CAUTION: this plan destroys or replaces resources that hold data or an address that others use:", warnings(resources, known)},
		{"WARNING: " + codeTitle(stack, func(path string) string { return path }), codeChanges(resources, known)},
		{"NOTE:", notes(resources, known)},
		{"Changed outside Terraform since the last apply. If the code differs, this plan reverts the change:", driftItems(plan, known)},
	} {
		if len(list.items) > 0 {
			text += "\n" + list.title + "\n" + fromMarkdown.Replace(strings.Join(list.items, ""))
		}
	}

	var blocks []string
	onlyCreates := len(resources) > 0
	for _, resource := range resources {
		var lines []string
		actions := resource.Change.Actions
		if replaces(actions) || actions.Update() {
			lines = renderChange(resource.Change, known)
		}
		blocks = append(blocks, block(header(resource, known), lines, known))
		onlyCreates = onlyCreates && actions.Create()
	}
	if outputs != nil && !onlyCreates {
		blocks = append(blocks, block("! outputs", renderChange(outputs, known), known))
	}
	if len(blocks) > 0 {
		text += "\n" + joinBlocks(blocks)
	}
	return text
}

// fromMarkdown removes the Markdown that this package writes. Addresses and paths do not contain it.
var fromMarkdown = strings.NewReplacer("> - ", "  ", "- ", "  ", "`", "", "**", "")
