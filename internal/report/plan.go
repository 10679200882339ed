// Package report writes what Terraform says as Markdown, for a pull request's comment, an issue or a run's summary.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	tfjson "github.com/hashicorp/terraform-json"
)

// GitHub refuses a comment of more than 65,536 characters. These are bytes, of which there are at least as many; the
// rest is for who sends the comment.
const (
	limit         = 60_000
	warningsLimit = 15_000
	outsideLimit  = 5_000
	wordsLimit    = 20_000 // of what a failed Terraform said
)

// Plan is the Markdown of a plan: counts, warnings on stateful resources, what changed outside Terraform, and the
// differences, folded. It has at most 60,000 characters: resources that do not fit are left out, and counted. The same
// plan always gives the same text, and no sensitive value is in it.
func Plan(stack string, plan *tfjson.Plan) string {
	resources := changed(plan)
	outputs := outputChange(plan)

	var text strings.Builder
	fmt.Fprintf(&text, "### Plan of %s\n\n%s\n", code(stack), headline(CountOf(plan), resources, outputs != nil))
	text.WriteString(section("\n> [!CAUTION]\n> This plan destroys or replaces what holds data, or an address that others know:\n>\n", "> - and %d more like these\n", warnings(resources), warningsLimit))
	text.WriteString(section("\n**Changed outside Terraform** since the last apply. Where the code says otherwise, this plan changes it back:\n\n", "- and %d more\n", outside(plan), outsideLimit))

	last := ""
	if outputs != nil {
		last = block("! outputs", shown(outputs))
	}
	text.WriteString(folded(resources, last, limit-text.Len()))
	return text.String()
}

// Failure is the Markdown of a plan that failed: the message, which is the one line that says what to do, and
// Terraform's own words, folded, without colours and frames. Of more than 20,000 characters the last ones are kept.
func Failure(stack, message, output string) string {
	text := fmt.Sprintf("### Plan of %s failed\n\n> [!WARNING]\n> %s\n", code(stack), escape(cut(strings.Join(strings.Fields(plain(message)), " "), 2000)))
	words := strings.TrimSpace(plain(output))
	if words == "" {
		return text
	}
	lines := strings.Split(words, "\n")
	size, first := 0, len(lines)
	for first > 0 {
		lines[first-1] = cut(lines[first-1], 2000)
		if size += len(lines[first-1]) + 1; size > wordsLimit {
			break
		}
		first--
	}
	summary := "What Terraform said"
	if first > 0 {
		summary += fmt.Sprintf(" (its last %s; the run's log has all)", count(len(lines)-first, "line"))
	}
	return text + fold(summary, "text", strings.Join(lines[first:], "\n")+"\n")
}

var (
	colour = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	frame  = regexp.MustCompile(`(?m)^[│╷╵][ \t]?`)
)

// plain is Terraform's text without colours, frames and what else is for a terminal.
func plain(text string) string {
	text = frame.ReplaceAllString(colour.ReplaceAllString(text, ""), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// Count is what a plan would do. A replacement is one in Add and one in Destroy, as Terraform counts, and one in Replace.
type Count struct{ Add, Change, Destroy, Replace int }

// CountOf counts what a plan would do to resources. Data sources, outputs, and what only moves, are none.
func CountOf(plan *tfjson.Plan) Count {
	var c Count
	for _, resource := range changed(plan) {
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

// String is the count in Terraform's words: "82 to add, 0 to change, 0 to destroy".
func (c Count) String() string {
	return fmt.Sprintf("%d to add, %d to change, %d to destroy", c.Add, c.Change, c.Destroy)
}

// Changes tells whether an apply of a plan would change a resource, an output, or what the state says of one: moved,
// imported and forgotten resources count, unlike in CountOf. Data sources, which are read anew each time, do not.
func Changes(plan *tfjson.Plan) bool {
	return len(changed(plan)) > 0 || outputChange(plan) != nil
}

// headline is the line that a reader may stop at.
func headline(c Count, resources []*tfjson.ResourceChange, outputs bool) string {
	if len(resources) == 0 {
		if outputs {
			return "**Only outputs change.**"
		}
		return "No changes."
	}
	var beside []string
	moved, imported, forgotten := 0, 0, 0
	for _, resource := range resources {
		moved += one(isMoved(resource))
		imported += one(resource.Change.Importing != nil)
		forgotten += one(slices.Contains(resource.Change.Actions, tfjson.ActionForget))
	}
	for _, each := range []struct {
		n    int
		word string
	}{{c.Replace, "replaced"}, {moved, "moved"}, {imported, "imported"}, {forgotten, "forgotten"}} {
		if each.n > 0 {
			beside = append(beside, fmt.Sprintf("%d %s", each.n, each.word))
		}
	}
	line := "**" + c.String() + "**"
	if len(beside) > 0 {
		line += " (" + strings.Join(beside, ", ") + ")"
	}
	return line
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// changed is the resources that a plan does something to, in the order of their addresses.
func changed(plan *tfjson.Plan) []*tfjson.ResourceChange {
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

// outside lists what was changed by others than Terraform, where the plan acts upon it. Every refresh finds more: what
// one resource's attributes say of another resource, and what the code ignores.
func outside(plan *tfjson.Plan) []string {
	changes := map[string]*tfjson.Change{}
	for _, resource := range changed(plan) {
		changes[resource.Address] = resource.Change
	}
	relevant := map[string]bool{} // "aws_eip.nat_eip_a public_ip": what others refer to that the plan changes
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
				items = append(items, fmt.Sprintf("- %s is gone\n", code(resource.Address)))
			}
			continue
		}
		undone := map[string]bool{}
		if change != nil {
			for _, d := range differencesOf(change) {
				undone[d.attribute()] = true
			}
		}
		var names []string
		for _, d := range differencesOf(resource.Change) {
			if name := d.attribute(); undone[name] || relevant[resource.Address+" "+name] {
				names = append(names, code(name))
			}
		}
		if names = slices.Compact(names); len(names) > 0 {
			items = append(items, fmt.Sprintf("- %s: %s\n", code(resource.Address), strings.Join(names, ", ")))
		}
	}
	return items
}

// lined is the blocks with empty lines between them, except between two of one line each.
func lined(blocks []string) string {
	var text strings.Builder
	for i, block := range blocks {
		if i > 0 && strings.Count(blocks[i-1]+block, "\n") > 2 {
			text.WriteString("\n")
		}
		text.WriteString(block)
	}
	return text.String()
}

// folded is the differences as one foldable block of at most size bytes, cut between two resources.
func folded(resources []*tfjson.ResourceChange, outputs string, size int) string {
	const around = 1000 // more than the summary, two fences and the line below take
	fitting, left := fit(len(resources), size-len(outputs)-around, func(i int) string {
		return block(head(resources[i]), shown(resources[i].Change))
	})
	if outputs != "" {
		fitting = append(fitting, outputs)
	}
	if len(fitting) == 0 {
		return ""
	}
	var what []string
	if len(resources) > 0 {
		what = append(what, count(len(resources), "resource"))
	}
	if outputs != "" {
		what = append(what, "outputs")
	}
	text := fold("Differences: "+strings.Join(what, " and "), "diff", lined(fitting))
	if left > 0 {
		text += fmt.Sprintf("\nLeft out: %s, because a comment must not be longer. The run's artifact has the whole plan.\n", count(left, "resource"))
	}
	return text
}
