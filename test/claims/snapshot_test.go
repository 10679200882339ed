package claims

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

const snapshots = "test/testdata/snapshots"

// The snapshots are the files as they are written: pretty-printed, in the order of their keys.
func TestSnapshotsOfTheReferenceStacks(t *testing.T) {
	stacks := harness.Reference(t).Stacks
	want := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		s := stacks[name]
		want[name+".json"], want[name+".addresses.txt"] = true, true
		t.Run(name, func(t *testing.T) { harness.Golden(t, snapshots+"/"+name+".json", string(s.JSON)) })
		// A changed address replaces a resource. A separate, short file makes it visible.
		t.Run(name+" addresses", func(t *testing.T) {
			harness.Golden(t, snapshots+"/"+name+".addresses.txt", strings.Join(s.Addresses(), "\n")+"\n")
		})
	}
	files, err := os.ReadDir(filepath.Join(harness.Root, snapshots))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		switch path := filepath.Join(harness.Root, snapshots, file.Name()); {
		case want[file.Name()]:
		case !*harness.Update:
			t.Errorf("%s belongs to no stack; make snapshots removes it", file.Name())
		default:
			harness.Must(t, 0, os.Remove(path))
		}
	}
}

func TestSnapshotOfTheOutputsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Outputs\n\nWhat `make outputs` prints, generated from the stacks by make snapshots.\n")
	for _, name := range []string{"production", "bootstrap"} {
		s := harness.Reference(t).Stack(t, name)
		fmt.Fprintf(&page, "\n## %s\n\n| output | description |\n|---|---|\n", name)
		for _, output := range outputNames(s) {
			fmt.Fprintf(&page, "| `%s` | %s |\n", output, s.Output(t, output).Text("description"))
		}
	}
	harness.Golden(t, "docs/outputs.md", page.String())
}
