package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// figure is a number that is printed, and its bar: the most that it should be. None has the bar 0.
type figure struct {
	name  string
	value float64
	unit  string // "s", "ms", or none for a ratio
	bar   float64
}

func (f figure) print(out io.Writer) {
	decimals := 2
	if f.unit == "" {
		decimals = 3
	}
	line := fmt.Sprintf("  %-44s %8.*f %-3s", f.name, decimals, f.value, f.unit)
	if f.bar > 0 {
		line += fmt.Sprintf("  (bar: %s)", strings.TrimSpace(fmt.Sprintf("%.2f %s", f.bar, f.unit)))
	}
	if f.bar > 0 && f.value > f.bar {
		line += "  MISSED"
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

// print writes the medians, and then what follows from them.
func (all *contenders) print(out io.Writer) error {
	costs, err := all.resources.costs()
	if err != nil {
		return err
	}
	all.printMedians(out)

	ratio := func(a, b *contender) float64 { return a.time().Seconds() / b.time().Seconds() }
	figures := []figure{
		{"every stack, prepared over full", ratio(all.prepared, all.full), "", 0.28},
		{"every stack, prepared over JavaScript", ratio(all.prepared, all.javascript), "", 0.35},
		{"every stack, prepared over needed modules", ratio(all.prepared, all.modules), "", 0},
	}
	if canReadMemory {
		memory := float64(median(all.prepared.peaks)) / float64(median(all.full.peaks))
		figures = append(figures, figure{"every stack, prepared over full, memory", memory, "", 0.20})
	}
	figures = append(
		figures,
		figure{"every stack over one VPC, full bindings", ratio(all.full, all.vpcFull), "", 1.30},
		figure{"10 environments over 1, full bindings", ratio(all.tenFull, all.oneFull), "", 2.00},
		figure{"one environment more, prepared cache", (all.sixteen.time() - all.one.time()).Seconds() / 15, "s", 0.25},
		figure{"the 1st resource, from the process's start", costs.first.Seconds(), "s", 0},
		figure{"the 150th resource", milliseconds(costs.at150), "ms", 0},
		figure{"the 1,500th resource", milliseconds(costs.at1500), "ms", 0},
		figure{"the synthesis of 1,500 resources", costs.synthesis.Seconds(), "s", 0},
	)
	for _, f := range figures {
		f.print(out)
	}
	return nil
}

func (all *contenders) printMedians(out io.Writer) {
	fmt.Fprintf(out, "medians of %d rounds, those with * of %d; alternating\n", rounds, rounds/2)
	if canReadMemory {
		fmt.Fprintf(out, "memory: the peak of a program's processes together, the median of %d rounds more\n", memoryRounds)
	}
	fmt.Fprintln(out)
	for _, c := range all.list() {
		line := fmt.Sprintf("  %-44s %8.2f s", c.name, c.time().Seconds())
		if c.every > 1 {
			line += " *"
		}
		if len(c.peaks) > 0 {
			line += fmt.Sprintf("  %7.0f MiB", float64(median(c.peaks))/(1<<20))
		}
		fmt.Fprintln(out, line)
	}
	if len(all.differing) > 0 {
		fmt.Fprintf(out, "\n  the same resources, but not the same JSON: %s\n", strings.Join(all.differing, "; "))
	}
	fmt.Fprintln(out)
}

// costs is what resources cost, the medians of the contender's runs.
type costs struct{ first, at150, at1500, synthesis time.Duration }

// costs reads what packagecache/bench/resources wrote.
func (c *contender) costs() (costs, error) {
	var first, at150, at1500, synthesis []time.Duration
	for _, r := range c.results {
		var written struct {
			First                    time.Time
			At150, At1500, Synthesis time.Duration
		}
		if err := json.Unmarshal(r.stdout, &written); err != nil {
			return costs{}, fmt.Errorf("%s: %w\n%s", c.name, err, r.stdout)
		}
		first = append(first, written.First.Sub(r.begin))
		at150 = append(at150, written.At150)
		at1500 = append(at1500, written.At1500)
		synthesis = append(synthesis, written.Synthesis)
	}
	return costs{median(first), median(at150), median(at1500), median(synthesis)}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
