package measure

import (
	"fmt"
	"io"
	"strings"
)

// Figure is a number to print. A value above Limit is marked; 0 is no limit.
type Figure struct {
	Name  string
	Value float64
	Unit  string // "s" or "ms", empty for a ratio
	Limit float64
}

// Ratio returns the figure for the time of a program as a fraction of the time of another.
func Ratio(name string, a, b *Program, limit float64) Figure {
	return Figure{Name: name, Value: a.Time().Seconds() / b.Time().Seconds(), Limit: limit}
}

// Print writes the figure as a line.
func (f Figure) Print(out io.Writer) {
	decimals := 2
	if f.Unit == "" {
		decimals = 3
	}
	line := fmt.Sprintf("  %-44s %8.*f %-3s", f.Name, decimals, f.Value, f.Unit)
	if f.Limit > 0 {
		line += fmt.Sprintf("  (limit: %s)", strings.TrimSpace(fmt.Sprintf("%.2f %s", f.Limit, f.Unit)))
	}
	if f.Limit > 0 && f.Value > f.Limit {
		line += "  EXCEEDED"
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

// PrintMedians writes a line for each program: the medians of its time and, if it was measured, of its peak memory.
func PrintMedians(out io.Writer, programs []*Program) {
	for _, p := range programs {
		line := fmt.Sprintf("  %-44s %8.2f s  ", p.Name, p.Time().Seconds())
		if len(p.Peaks) > 0 {
			line += fmt.Sprintf("  %7.0f MiB", float64(Median(p.Peaks))/(1<<20))
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(out)
}
