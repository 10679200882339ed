package capacity

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

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

// columns is the width of the text. Only addresses of sources are longer.
const columns = 80

// Text renders a report. Colours and blocks are for a terminal.
func (r Report) Text(terminal bool) string {
	var b strings.Builder
	title := "Capacity of " + r.Environment
	if r.RPS > 0 {
		title += fmt.Sprintf(" at %s requests/s", amount(r.RPS))
		if r.Load.Users > 0 {
			title += fmt.Sprintf(" (%s users with %s requests a minute)", amount(r.Load.Users), amount(r.Load.RequestsPerUser))
		}
		title += fmt.Sprintf(", with %d instances", r.Instances)
	} else {
		title += fmt.Sprintf(", with backend.maxSize: %d instances", r.Instances)
	}
	b.WriteString(wrap("", title) + "\n" + r.first())

	rows := [][]string{{"saturates at", "what", "limit", "load", "used"}}
	width := 0
	for _, resource := range r.Resources {
		rows = append(rows, resource.row())
		width = max(width, len(resource.Name))
	}
	b.WriteString(table(rows) + "\n")
	b.WriteString(wrap("", "?  the load does not follow from the file and the requests"))
	b.WriteString(wrap("", "~  more load costs money, and is served"))
	unverified := "*  rests on a number or a price that is not verified"
	if assumed := r.Load.assumptions(); assumed != "" {
		unverified += ", such as " + assumed + ": starttech capacity --help has how to measure yours"
	}
	b.WriteString(wrap("", unverified))

	b.WriteString("\nWhat raises the limits, and what that costs:\n\n")
	for _, resource := range r.Resources {
		b.WriteString(wrap(fmt.Sprintf("  %-*s  ", width, resource.Name), resource.Raise.text()))
	}
	b.WriteString(r.Step.text(terminal))

	b.WriteString("\nNotes and sources:\n")
	for _, resource := range r.Resources {
		fmt.Fprintf(&b, "\n  %s\n", resource.Name)
		for _, note := range resource.Notes {
			b.WriteString(wrap("    ", note))
		}
		for _, source := range resource.Sources {
			b.WriteString(wrap("    source: ", strings.TrimSuffix(source.What+": "+source.URL, ": ")))
		}
	}
	b.WriteString("\n  prices\n    source: internal/cost/prices.go and types.go, of " + cost.Region + "\n")
	b.WriteString("\n  delays of the simulation\n    source: internal/capacity/tracking.go; docs/decisions/evidence.md\n")
	return b.String()
}

// assumptions renders the numbers that are assumed: "--request-time 10ms, --vcpu-quota 5".
func (l Load) assumptions() string {
	values := map[string]any{
		requestTime: l.RequestTime, bootTime: l.BootTime, requestsPerUser: l.RequestsPerUser, databaseConnections: l.DatabaseConnections, vcpuQuota: l.VCPUQuota,
	}
	var assumed []string
	for _, flag := range l.Assumed {
		assumed = append(assumed, fmt.Sprintf("--%s %v", flag, values[flag]))
	}
	return strings.Join(assumed, ", ")
}

// first is the resource that saturates first, and what raises it.
func (r Report) first() string {
	for _, resource := range r.Resources {
		if resource.Name == r.First {
			return wrap("First to saturate: ", resource.Name+", at "+resource.saturates()) + wrap("Raise: ", resource.Raise.text()) + "\n"
		}
	}
	return "Nothing saturates.\n\n"
}

func (r Resource) saturates() string {
	switch {
	case r.SaturatesAt == nil && r.used() > 1:
		return "any traffic"
	case r.SaturatesAt == nil:
		return "no traffic"
	case *r.SaturatesAt == 0:
		return "any traffic"
	}
	return amount(*r.SaturatesAt) + " requests/s"
}

func (r Resource) row() []string {
	load, used, at := "?", "", "-"
	if r.Load != nil {
		load, used = amount(*r.Load), fmt.Sprintf("%.0f%%", *r.Load/r.Limit*100)
	}
	if r.SaturatesAt != nil || r.used() > 1 {
		at = strings.Replace(r.saturates(), " requests/s", "/s", 1)
	}
	name := r.Name
	if r.Costs {
		name += " ~"
	}
	if r.Assumed {
		name += " *"
	}
	return []string{at, name, amount(r.Limit) + " " + r.Unit, load, used}
}

// what is the change without its price: "backend.maxSize 5 → 6".
func (c Change) what() string {
	what := c.To
	if c.From != "" {
		what = c.From + " → " + c.To
	}
	return strings.TrimSpace(c.Key + " " + what)
}

// price renders a cost in a month with a note; empty if there is neither.
func price(monthly *cost.Cents, note string) string {
	switch {
	case monthly == nil:
		return note
	case *monthly == 0:
		return "no charge"
	}
	return strings.TrimSuffix("+"+monthly.String()+" USD a month, "+note, ", ")
}

func (c Change) text() string {
	if price := price(c.Monthly, c.Note); price != "" {
		return c.what() + " (" + price + ")"
	}
	return c.what()
}

func (s Step) text(terminal bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nIf the traffic rises from %s to %s requests/s within a second:\n\n", amount(s.Before), amount(s.After))
	rows := [][]string{{"settings", "scale-out", "overload", "at the target", "late requests"}}
	width := 0
	for _, setting := range s.Settings {
		width = max(width, len(setting.Name))
		rows = append(rows, []string{
			setting.Name, span(setting.Best.FirstScaleOut, setting.Worst.FirstScaleOut), setting.overload(), span(setting.Best.AtTarget, setting.Worst.AtTarget),
			amount(setting.Worst.Excess),
		})
	}
	b.WriteString(table(rows) + "\n")
	for _, setting := range s.Settings[1:] {
		b.WriteString(wrap(fmt.Sprintf("  %-*s  ", width, setting.Name), setting.text()))
	}

	fmt.Fprintf(&b, "\nThe worst run, %d seconds a column:\n%s overloaded, %s above the target, %s at the target or below\n\n",
		secondsOfColumn, mark(Overloaded, terminal), mark(Busy, terminal), mark(Calm, terminal))
	for _, setting := range s.Settings {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, setting.Name, setting.Worst.chart(terminal))
	}
	axis := ""
	for minute := 0; minute*60 < chartColumns*secondsOfColumn; minute += 3 {
		axis += fmt.Sprintf("%-*d", 3*60/secondsOfColumn, minute)
	}
	fmt.Fprintf(&b, "  %-*s  %s\n\n", width, "minutes", strings.TrimRight(axis, " "))
	for _, note := range s.Notes {
		b.WriteString(wrap("", "Note: "+note+"."))
	}
	b.WriteString(wrap("", "The times are seconds, from the best to the worst second of a minute in which the traffic rises: until the first instances are launched, how long the load needs more than 100% CPU, and until the CPU is at the target. Late requests are those that the CPU cannot serve in time in the worst run: they wait or fail. CPU credits are not in the simulation, and the delays of AWS in it are not verified *."))
	return b.String()
}

// overload renders how long the load needs more than 100% CPU.
func (s Setting) overload() string {
	if !s.Worst.Ends {
		return "over an hour"
	}
	return span(s.Best.Overload, s.Worst.Overload)
}

// text renders the changes and what they cost.
func (s Setting) text() string {
	var changes []string
	for _, change := range s.Changes {
		changes = append(changes, change.what())
	}
	return strings.Join(changes, ", ") + " (" + price(s.Monthly, s.Note) + ")"
}

// span renders seconds, "206-265 s".
func span(best, worst int) string {
	switch {
	case worst == never:
		return "never"
	case best == worst:
		return fmt.Sprintf("%d s", best)
	}
	return fmt.Sprintf("%d-%d s", best, worst)
}

// wrap renders a text in lines of columns, of which the first begins with a prefix, and the others with spaces. It breaks no word.
func wrap(prefix, text string) string {
	indent := utf8.RuneCountInString(prefix)
	var b strings.Builder
	b.WriteString(prefix)
	at := indent
	for i, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+length > columns:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += length
	}
	return b.String() + "\n"
}

// chart draws the first minutes of a run: the worst level of each column.
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
