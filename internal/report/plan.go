// Package report renders Terraform's plans, failures and outputs as Markdown, for a pull request comment, an issue or a job
// summary.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
	"github.com/starttech/infrastructure/internal/terraform"
)

// GitHub rejects a comment of more than 65,536 characters. The limits are in bytes, and a text has at least as many bytes
// as characters. limit leaves 5,536 characters for text that callers add.
const (
	limit         = 60_000
	warningsLimit = 10_000
	codeLimit     = 5_000
	notesLimit    = 15_000
	driftLimit    = 5_000
	outputLimit   = 20_000 // the output of a failed Terraform run
)

// Plan renders a plan as Markdown: counts, warnings about stateful resources, changes outside Terraform, the change of the
// monthly cost, and the collapsed differences. The result has at most 60,000 characters: resources that do not fit are omitted and counted. The same plan
// always has the same result. Sensitive values, and copies of them that have at least 8 bytes, are never part of it.
func Plan(stack string, plan *tfjson.Plan) string {
	resources := changedResources(plan)
	outputs := outputChange(plan)
	known := secrets.InPlan(plan)

	var text strings.Builder
	fmt.Fprintf(&text, "### Plan of %s\n\n%s\n", code(stack), headline(CountOf(plan), resources, outputs != nil))
	text.WriteString(section("\n> [!CAUTION]\n> This plan destroys or replaces resources that hold data or an address that others use:\n>\n", "> - and %d more\n", warnings(resources, known), warningsLimit))
	text.WriteString(section("\n> [!WARNING]\n> "+codeTitle(stack, code)+"\n>\n", "> - and %d more\n", codeChanges(resources, known), codeLimit))
	text.WriteString(section("\n> [!NOTE]\n", "> - and %d more\n", notes(resources, known), notesLimit))
	text.WriteString(section("\n**Changed outside Terraform** since the last apply. If the code differs, this plan reverts the change:\n\n", "- and %d more\n", driftItems(plan, known), driftLimit))
	if len(resources) > 0 {
		text.WriteString(costChange(plan, known))
	}

	last := ""
	if outputs != nil {
		last = block("! outputs", renderChange(outputs, known), known)
	}
	text.WriteString(renderDifferences(resources, last, limit-text.Len(), known))
	return text.String()
}

// Failure renders a failed plan as Markdown: the message, on one line, and the collapsed output of Terraform without
// colours and frames. Of an output of more than 20,000 bytes, only the last lines are included.
func Failure(stack, message, output string) string {
	text := fmt.Sprintf("### Plan of %s failed\n\n> [!WARNING]\n> %s\n", code(stack), escape(truncate(strings.Join(strings.Fields(terraform.Plain(message)), " "), 2000)))
	output = strings.TrimSpace(terraform.Plain(output))
	if output == "" {
		return text
	}
	lines := strings.Split(output, "\n")
	size, first := 0, len(lines)
	for first > 0 {
		lines[first-1] = truncate(lines[first-1], 2000)
		if size += len(lines[first-1]) + 1; size > outputLimit {
			break
		}
		first--
	}
	summary := "Terraform output"
	if first > 0 {
		summary += fmt.Sprintf(" (last %s; the run's log has all of it)", quantity(len(lines)-first, "line"))
	}
	return text + collapsible(summary, "text", strings.Join(lines[first:], "\n")+"\n")
}

// Count is the number of resources that a plan changes, by action. As in Terraform, a replacement counts in both Add and
// Destroy; it also counts in Replace.
type Count struct{ Add, Change, Destroy, Replace int }

// Total is the number of changes that an apply makes. A replacement is two.
func (c Count) Total() int { return c.Add + c.Change + c.Destroy }

// CountOf counts the resources that a plan changes. Data sources, outputs, and resources that only move do not count.
func CountOf(plan *tfjson.Plan) Count {
	var c Count
	for _, resource := range changedResources(plan) {
		actions := resource.Change.Actions
		create, destroy := slices.Contains(actions, tfjson.ActionCreate), slices.Contains(actions, tfjson.ActionDelete)
		if create {
			c.Add++
		}
		if destroy {
			c.Destroy++
		}
		if create && destroy {
			c.Replace++
		}
		if actions.Update() {
			c.Change++
		}
	}
	return c
}

// String returns the count in the format of Terraform: "82 to add, 0 to change, 0 to destroy".
func (c Count) String() string {
	return fmt.Sprintf("%d to add, %d to change, %d to destroy", c.Add, c.Change, c.Destroy)
}

// HasChanges reports whether applying a plan would change a resource, an output, or the state. Moved, imported and
// forgotten resources count, unlike in CountOf. Data sources do not count, because each plan reads them again.
func HasChanges(plan *tfjson.Plan) bool {
	return len(changedResources(plan)) > 0 || outputChange(plan) != nil
}

// headline returns the one-line summary of a plan.
func headline(c Count, resources []*tfjson.ResourceChange, outputs bool) string {
	if len(resources) == 0 {
		if outputs {
			return "**Only outputs change.**"
		}
		return "No changes."
	}
	moved, imported, forgotten := 0, 0, 0
	for _, resource := range resources {
		if isMoved(resource) {
			moved++
		}
		if resource.Change.Importing != nil {
			imported++
		}
		if slices.Contains(resource.Change.Actions, tfjson.ActionForget) {
			forgotten++
		}
	}
	var notes []string
	for _, each := range []struct {
		n    int
		word string
	}{{c.Replace, "replaced"}, {moved, "moved"}, {imported, "imported"}, {forgotten, "forgotten"}} {
		if each.n > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", each.n, each.word))
		}
	}
	line := "**" + c.String() + "**"
	if len(notes) > 0 {
		line += " (" + strings.Join(notes, ", ") + ")"
	}
	return line
}

// changedResources returns the resources that a plan changes, moves, imports or forgets, sorted by address.
func changedResources(plan *tfjson.Plan) []*tfjson.ResourceChange {
	var found []*tfjson.ResourceChange
	for _, resource := range plan.ResourceChanges {
		if resource.Mode == tfjson.DataResourceMode || resource.Change == nil {
			continue
		}
		if !resource.Change.Actions.NoOp() || isMoved(resource) || resource.Change.Importing != nil {
			found = append(found, resource)
		}
	}
	slices.SortStableFunc(found, byAddress)
	return found
}

func byAddress(a, b *tfjson.ResourceChange) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.DeposedKey, b.DeposedKey))
}

func isMoved(resource *tfjson.ResourceChange) bool {
	return resource.PreviousAddress != "" && resource.PreviousAddress != resource.Address
}

// driftItems returns a list item for each resource that changed outside Terraform, if the change affects the plan. A
// refresh finds other differences too: attributes that describe other resources, and attributes that the code ignores.
func driftItems(plan *tfjson.Plan, known *secrets.Set) []string {
	changes := map[string]*tfjson.Change{}
	for _, resource := range changedResources(plan) {
		changes[resource.Address] = resource.Change
	}
	relevant := map[string]bool{} // "aws_eip.nat_eip_a public_ip": attributes that the changes of the plan depend on
	for _, attribute := range plan.RelevantAttributes {
		var name string
		if len(attribute.Attribute) > 0 && json.Unmarshal(attribute.Attribute[0], &name) == nil {
			relevant[attribute.Resource+" "+name] = true
		}
	}

	var items []string
	for _, resource := range slices.SortedStableFunc(slices.Values(plan.ResourceDrift), byAddress) {
		if resource.Mode == tfjson.DataResourceMode || resource.Change == nil {
			continue
		}
		change := changes[resource.Address]
		if resource.Change.Actions.Delete() {
			if change != nil {
				items = append(items, fmt.Sprintf("- %s was deleted\n", code(known.Mask(resource.Address))))
			}
			continue
		}
		planned := map[string]bool{}
		if change != nil {
			for _, d := range diffChange(change, known) {
				planned[d.attribute()] = true
			}
		}
		var names []string
		for _, d := range diffChange(resource.Change, known) {
			if name := d.attribute(); planned[name] || relevant[resource.Address+" "+name] {
				names = append(names, code(name))
			}
		}
		if names = slices.Compact(names); len(names) > 0 {
			items = append(items, fmt.Sprintf("- %s: %s\n", code(known.Mask(resource.Address)), strings.Join(names, ", ")))
		}
	}
	return items
}

// joinBlocks joins blocks with an empty line between them, except between two blocks of one line each.
func joinBlocks(blocks []string) string {
	var text strings.Builder
	for i, block := range blocks {
		if i > 0 && strings.Count(blocks[i-1]+block, "\n") > 2 {
			text.WriteString("\n")
		}
		text.WriteString(block)
	}
	return text.String()
}

// renderDifferences returns the differences as one collapsible block of at most size bytes. It omits the last resources if
// they do not fit.
func renderDifferences(resources []*tfjson.ResourceChange, outputs string, size int, known *secrets.Set) string {
	const overhead = 1000 // more than the summary, two fences and the line about omitted resources take
	fitting, omitted := fit(len(resources), size-len(outputs)-overhead, func(i int) string {
		return block(header(resources[i], known), renderChange(resources[i].Change, known), known)
	})
	if outputs != "" {
		fitting = append(fitting, outputs)
	}
	if len(fitting) == 0 {
		return ""
	}
	var content []string
	if len(resources) > 0 {
		content = append(content, quantity(len(resources), "resource"))
	}
	if outputs != "" {
		content = append(content, "outputs")
	}
	text := collapsible("Differences: "+strings.Join(content, " and "), "diff", joinBlocks(fitting))
	if omitted > 0 {
		text += fmt.Sprintf("\nOmitted: %s, because the length of a comment is limited. The run's artifact has the whole plan.\n", quantity(omitted, "resource"))
	}
	return text
}
