package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

func (b *bench) printFigures(out io.Writer) error {
	costs, err := readCosts(b.resources)
	if err != nil {
		return err
	}
	figures := []measure.Figure{
		measure.Ratio("prepared cache / complete libraries", b.prepared.Program, b.full.Program, 0.28),
		measure.Ratio("prepared cache / JavaScript", b.prepared.Program, b.javascript.Program, 0.35),
		measure.Ratio("prepared cache / needed modules only", b.prepared.Program, b.modules.Program, 0),
	}
	if measure.CanReadMemory {
		memory := float64(measure.Median(b.prepared.Peaks)) / float64(measure.Median(b.full.Peaks))
		figures = append(figures, measure.Figure{Name: "prepared cache / complete libraries, memory", Value: memory, Limit: 0.20})
	}
	figures = append(
		figures,
		measure.Figure{Name: "1st resource, from the start of the process", Value: costs.first.Seconds(), Unit: "s"},
		measure.Figure{Name: "150th resource", Value: milliseconds(costs.at150), Unit: "ms"},
		measure.Figure{Name: "1,500th resource", Value: milliseconds(costs.at1500), Unit: "ms"},
		measure.Figure{Name: "synthesis of 1,500 resources", Value: costs.synthesis.Seconds(), Unit: "s"},
	)
	for _, f := range figures {
		f.Print(out)
	}
	return nil
}

// costs holds the medians of what bench/resources prints.
type costs struct{ first, at150, at1500, synthesis time.Duration }

func readCosts(resources *measure.Program) (costs, error) {
	var first, at150, at1500, synthesis []time.Duration
	for _, run := range resources.Runs {
		var output struct {
			First                    time.Time
			At150, At1500, Synthesis time.Duration
		}
		if err := json.Unmarshal(run.Stdout, &output); err != nil {
			return costs{}, fmt.Errorf("%s: %w\n%s", resources.Name, err, run.Stdout)
		}
		first = append(first, output.First.Sub(run.Start))
		at150 = append(at150, output.At150)
		at1500 = append(at1500, output.At1500)
		synthesis = append(synthesis, output.Synthesis)
	}
	return costs{measure.Median(first), measure.Median(at150), measure.Median(at1500), measure.Median(synthesis)}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
