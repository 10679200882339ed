package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The table of outputs in docs/ is made from the stacks, so that it cannot say anything else. Its test is a snapshot's.
func TestSnapshotOfTheOutputsTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("# Outputs\n\nWhat `make outputs` prints, made from the stacks by make snapshots.\n")
	for _, name := range []string{"production", "bootstrap"} {
		outputs, _ := shipped.stack(t, name).body["output"].(map[string]any)
		fmt.Fprintf(&table, "\n## %s\n\n| output | is |\n|---|---|\n", name)
		for _, output := range slices.Sorted(maps.Keys(outputs)) {
			fmt.Fprintf(&table, "| `%s` | %s |\n", output, resource(outputs).text(output, "description"))
		}
	}
	golden(t, "../../../docs/outputs.md", table.String())
}
