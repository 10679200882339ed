package cost

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Difference is what a component costs before and after a change, on-demand.
type Difference struct {
	Name          string
	Before, After Cents
}

// Change returns the difference with its sign, such as "+16.64".
func (d Difference) Change() string {
	if d.After < d.Before {
		return (d.After - d.Before).String()
	}
	return "+" + (d.After - d.Before).String()
}

// Compare returns the difference of the totals, and those of the components that change, by name.
func Compare(before, after Estimate) (total Difference, changed []Difference) {
	components := map[string]Difference{}
	for _, component := range before.Components {
		components[component.Name] = Difference{component.Name, component.Total.OnDemand, 0}
	}
	for _, component := range after.Components {
		components[component.Name] = Difference{component.Name, components[component.Name].Before, component.Total.OnDemand}
	}
	for _, name := range sortedNames(maps.Keys(components)) {
		if d := components[name]; d.Before != d.After {
			changed = append(changed, d)
		}
	}
	return Difference{"total", before.Total.OnDemand, after.Total.OnDemand}, changed
}

// Text renders an estimate for a terminal.
func (e Estimate) Text() string {
	fixed := [][]string{{"component", "what", "on-demand", "1 year", "3 years", "at most"}}
	uses := [][]string{}
	sources := map[bool][]*Source{} // by whether they are verified
	for _, component := range e.Components {
		name := component.Name
		for _, item := range component.Items {
			fixed = append(fixed, append([]string{name, quantity(item) + " × " + item.Name + item.Source.mark()}, item.strings()...))
			sources[item.Source.Verified] = append(sources[item.Source.Verified], item.Source)
			name = ""
		}
		name = component.Name
		for _, use := range component.Use {
			uses = append(uses, []string{name, use.Name, dollars(use.USD) + " per " + use.Unit + use.Source.mark()})
			sources[use.Source.Verified] = append(sources[use.Source.Verified], use.Source)
			name = ""
		}
	}
	fixed = append(fixed, append([]string{"total", ""}, e.Total.strings()...))

	text := columns(fixed, 2)
	if len(uses) > 0 {
		text += "\nBy use, not in the total:\n\n" + columns(uses, 3)
	}
	text += fmt.Sprintf(`
In US dollars for %d hours, without tax, free tiers and discounts for volume. The first three columns count minSize instances, and the
last one maxSize. For 1 year and 3 years, instances are Standard Reserved Instances or EC2 Instance Savings Plans, and nodes are reserved
nodes, each without a payment upfront.
`, hoursPerMonth)
	if verified := sources[true]; len(verified) > 0 {
		first, last := dates(verified)
		text += fmt.Sprintf("Prices: of %s to %s; internal/cost/prices.go has the source of each.\n", first, last)
	}
	if len(sources[false]) > 0 {
		text += "* This price is not verified for " + Region + ".\n"
	}
	for _, line := range e.lines() {
		text += line + "\n"
	}
	return text
}

// lines returns a line for each note and for what is not priced.
func (e Estimate) lines() []string {
	lines := slices.Clone(e.Notes)
	for _, what := range e.NoPrice {
		lines = append(lines, "no price in the table for "+what)
	}
	for _, kind := range e.NotPriced {
		lines = append(lines, "not priced: "+kind)
	}
	return lines
}

// CompareText renders the difference between two estimates for a terminal.
func CompareText(before, after Estimate) string {
	total, changed := Compare(before, after)
	rows := [][]string{{"component", "before", "after", "difference"}}
	for _, d := range append(changed, total) {
		rows = append(rows, []string{d.Name, d.Before.String(), d.After.String(), d.Change()})
	}
	return columns(rows, 1)
}

// quantity returns how many of an item there are: "2", or "2 to 5".
func quantity(item Item) string {
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	if item.MaxQuantity > item.Quantity {
		return number(item.Quantity) + " to " + number(item.MaxQuantity)
	}
	return number(item.Quantity)
}

func (a Amounts) strings() []string {
	return []string{a.OnDemand.String(), a.OneYear.String(), a.ThreeYears.String(), a.AtMost.String()}
}

// mark follows a price that is not verified.
func (s *Source) mark() string {
	if s.Verified {
		return ""
	}
	return " *"
}

// dates returns the first and the last date of sources.
func dates(sources []*Source) (first, last string) {
	first, last = sources[0].Date, sources[0].Date
	for _, source := range sources {
		first, last = min(first, source.Date), max(last, source.Date)
	}
	return first, last
}

// dollars returns a price with all its digits, and with two at least: "0.10", "0.0252".
func dollars(usd float64) string {
	text := strconv.FormatFloat(usd, 'f', -1, 64)
	if _, fraction, _ := strings.Cut(text, "."); len(fraction) < 2 {
		return strconv.FormatFloat(usd, 'f', 2, 64)
	}
	return text
}

// columns renders rows of cells, of which those from right on are aligned to the right.
func columns(rows [][]string, right int) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if i > 0 {
				line += "  "
			}
			if i >= right {
				line += fmt.Sprintf("%*s", widths[i], cell)
			} else {
				line += fmt.Sprintf("%-*s", widths[i], cell)
			}
		}
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}
