package report

import (
	"fmt"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/cost"
	"github.com/starttech/infrastructure/internal/secrets"
)

// costLimit is the length of the list of what is not priced.
const costLimit = 1_000

// costChange returns how a plan changes the monthly cost: one line, and the collapsed components that change. It is empty if the plan does
// not have its region. What comes from the plan is in code spans; the components are named by this program.
func costChange(plan *tfjson.Plan, known *secrets.Set) string {
	region, before, after := cost.FromPlan(plan)
	if region == "" {
		return ""
	}
	if err := cost.CheckRegion(region); err != nil {
		return fmt.Sprintf("\nMonthly cost: %s\n", escape(truncate(oneLine(known.Mask(err.Error())), lineLength)))
	}
	estimate := cost.Of(after)
	total, changed := cost.Compare(cost.Of(before), estimate)
	text := fmt.Sprintf("\nMonthly cost: %s USD on-demand, unchanged.\n", total.After)
	if len(changed) > 0 {
		text = fmt.Sprintf("\nMonthly cost: %s -> **%s USD** (%s), on-demand.\n", total.Before, total.After, total.Change())
		table := "| component | before | after | difference |\n|---|---:|---:|---:|\n"
		for _, d := range append(changed, total) {
			table += fmt.Sprintf("| %s | %s | %s | %s |\n", d.Name, d.Before, d.After, d.Change())
		}
		text += "\n<details><summary>Monthly cost by component</summary>\n\n" + table + "\n</details>\n"
	}
	var items []string
	for _, each := range []struct {
		format string
		list   []string
	}{{"- no price in the table for %s\n", estimate.NoPrice}, {"- not priced: %s\n", estimate.NotPriced}} {
		for _, what := range each.list {
			items = append(items, fmt.Sprintf(each.format, code(truncate(known.Mask(what), objectLength))))
		}
	}
	return text + section("\nNot in it:\n\n", "- and %d more\n", items, costLimit)
}
