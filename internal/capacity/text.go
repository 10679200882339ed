package capacity

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/starttech/infrastructure/internal/cost"
)

// chartColumns and secondsOfColumn are the size of the chart.
const (
	chartColumns    = 60
	secondsOfColumn = 15
)

// marks draw the levels in the chart, without and with a terminal.
var marks = map[Level][2]string{
	Calm:       {".", "\x1b[32m░\x1b[0m"},
	Busy:       {"+", "\x1b[33m▒\x1b[0m"},
	Overloaded: {"!", "\x1b[31m█\x1b[0m"},
}

// Text renders a report. Colours and blocks are for a terminal.
func (r Report) Text(terminal bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Capacity of %s", r.Environment)
	if r.RPS > 0 {
		fmt.Fprintf(&b, " at %s requests/s", amount(r.RPS))
		if r.Load.Users > 0 {
			fmt.Fprintf(&b, " (%s users with %s requests a minute)", amount(r.Load.Users), amount(r.Load.RequestsPerUser))
		}
		fmt.Fprintf(&b, ", with %d instances", r.Instances)
	} else {
		fmt.Fprintf(&b, ", with backend.maxSize: %d instances", r.Instances)
	}
	fmt.Fprintf(&b, "\n\nFirst to saturate: %s\n\n", r.firstLine())

	rows := [][]string{{"what", "limit", "load", "used", "saturates at", "raise", "USD a month"}}
	for _, resource := range r.Resources {
		rows = append(rows, resource.row())
	}
	b.WriteString(table(rows))
	b.WriteString("\nUsed is without a number if the load does not follow from the file and the requests. ~ costs money, and does not saturate.\n")
	b.WriteString(r.Step.text(terminal))

	b.WriteString("\nNotes and sources:\n")
	for _, resource := range r.Resources {
		fmt.Fprintf(&b, "  %s\n", resource.Name)
		for _, note := range resource.Notes {
			fmt.Fprintf(&b, "    %s\n", note)
		}
		for _, source := range resource.Sources {
			fmt.Fprintf(&b, "    source: %s\n", strings.TrimSuffix(source.What+": "+source.URL, ": "))
		}
	}
	b.WriteString("  prices: internal/cost/prices.go and types.go, of " + cost.Region + "\n")
	b.WriteString("  delays of the simulation: internal/capacity/tracking.go\n")
	return b.String()
}

// firstLine is the resource that saturates first, and what raises it.
func (r Report) firstLine() string {
	for _, resource := range r.Resources {
		if resource.Name == r.First {
			return fmt.Sprintf("%s, %s. Raise: %s", resource.Name, resource.saturates(), resource.Raise.text())
		}
	}
	return "nothing"
}

func (r Resource) saturates() string {
	switch {
	case r.SaturatesAt == nil && r.used() > 1:
		return "now"
	case r.SaturatesAt == nil:
		return "at no traffic"
	case *r.SaturatesAt == 0:
		return "at any traffic"
	}
	return "at " + amount(*r.SaturatesAt) + " requests/s"
}

func (r Resource) row() []string {
	load, used, at := "?", "", "-"
	if r.Load != nil {
		load, used = amount(*r.Load), fmt.Sprintf("%.0f%%", *r.Load/r.Limit*100)
	}
	if r.SaturatesAt != nil {
		at = amount(*r.SaturatesAt) + "/s"
	}
	name := r.Name
	if r.Costs {
		name += " ~"
	}
	return []string{name, amount(r.Limit) + " " + r.Unit, load, used, at, r.Raise.what(), r.Raise.price()}
}

// what is the change without its price: "backend.maxSize 5 → 6".
func (c Change) what() string {
	what := c.To
	if c.From != "" {
		what = c.From + " → " + c.To
	}
	return strings.TrimSpace(c.Key + " " + what)
}

func (c Change) price() string {
	price := "-"
	if c.Monthly != nil {
		price = "+" + c.Monthly.String()
	}
	if c.Note != "" {
		price = strings.TrimPrefix(price+" "+c.Note, "- ")
	}
	return price
}

func (c Change) text() string {
	price := c.price()
	if c.Monthly != nil {
		price = strings.Replace(price, c.Monthly.String(), c.Monthly.String()+" USD a month", 1)
	}
	return strings.TrimSuffix(c.what()+" ("+price+")", " (-)")
}

func (s Step) text(terminal bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nIf the traffic rises from %s to %s requests/s within a second:\n\n", amount(s.Before), amount(s.After))
	rows := [][]string{{"settings", "first scale-out", "overload", "at the target", "too many requests", "USD a month"}}
	width := 0
	for _, setting := range s.Settings {
		width = max(width, len(setting.Name))
		rows = append(rows, []string{
			setting.Name, span(setting.Best.FirstScaleOut, setting.Worst.FirstScaleOut), setting.overload(), span(setting.Best.AtTarget, setting.Worst.AtTarget),
			amount(setting.Worst.Excess), setting.prices(),
		})
	}
	b.WriteString(table(rows))
	for _, setting := range s.Settings[1:] {
		var changes []string
		for _, change := range setting.Changes {
			changes = append(changes, change.what())
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", width, setting.Name, strings.Join(changes, ", "))
	}

	fmt.Fprintf(&b, "\nThe worst run, %d seconds a column: %s overloaded, %s above the target, %s at the target or below\n\n",
		secondsOfColumn, mark(Overloaded, terminal), mark(Busy, terminal), mark(Calm, terminal))
	for _, setting := range s.Settings {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, setting.Name, setting.Worst.chart(terminal))
	}
	axis := ""
	for minute := 0; minute*60 < chartColumns*secondsOfColumn; minute += 3 {
		axis += fmt.Sprintf("%-*d", 3*60/secondsOfColumn, minute)
	}
	fmt.Fprintf(&b, "  %-*s  %s\n", width, "minutes", strings.TrimRight(axis, " "))
	for _, note := range s.Notes {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	b.WriteString(`
The times are from the best to the worst, by the second of a minute in which the traffic rises. Too many requests are those that the CPU
cannot serve in time in the worst run: they wait or fail. CPU credits are not in the simulation.
`)
	return b.String()
}

func (s Setting) overload() string {
	if !s.Worst.Ends {
		return "does not end"
	}
	return span(s.Best.Overload, s.Worst.Overload)
}

func (s Setting) prices() string {
	var prices []string
	for _, change := range s.Changes {
		if price := change.price(); !slices.Contains(prices, price) && price != "included" {
			prices = append(prices, price)
		}
	}
	return strings.Join(prices, "; ")
}

// span renders seconds, "3m26s to 4m25s".
func span(best, worst int) string {
	if best == worst {
		return clock(best)
	}
	return clock(best) + " to " + clock(worst)
}

func clock(seconds int) string {
	switch {
	case seconds == never:
		return "never"
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	}
	return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
}

// chart draws the begin of a run: the worst level of each column.
func (r Run) chart(terminal bool) string {
	var b strings.Builder
	for column := range chartColumns {
		worst := Calm
		for _, level := range r.levels[column*secondsOfColumn : (column+1)*secondsOfColumn] {
			if level == Overloaded || level == Busy && worst == Calm {
				worst = level
			}
		}
		b.WriteString(mark(worst, terminal))
	}
	return b.String()
}

func mark(level Level, terminal bool) string {
	if terminal {
		return marks[level][1]
	}
	return marks[level][0]
}

// table renders rows of cells.
func table(rows [][]string) string {
	var b strings.Builder
	writer := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(writer, "  "+strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	writer.Flush()
	return b.String()
}
