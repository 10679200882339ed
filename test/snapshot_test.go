package test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const snapshots = "testdata/snapshots"

// The files are kept as they were written: pretty-printed, in the order of their keys.
func TestTheShippedStacksAreTheSnapshots(t *testing.T) {
	want := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(shipped.stacks)) {
		s := shipped.stacks[name]
		want[name+".json"], want[name+".addresses.txt"] = true, true

		t.Run(name, func(t *testing.T) { golden(t, name+".json", string(s.json)) })
		// An address that changes replaces a real resource: its own, short file shows it.
		t.Run(name+" addresses", func(t *testing.T) {
			golden(t, name+".addresses.txt", strings.Join(s.addresses(), "\n")+"\n")
		})
	}

	files, err := os.ReadDir(snapshots)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if want[file.Name()] {
			continue
		}
		if !*update {
			t.Errorf("%s is of no stack; make snapshots removes it", file.Name())
		} else if err := os.Remove(filepath.Join(snapshots, file.Name())); err != nil {
			t.Error(err)
		}
	}
}

// golden compares with a file of the snapshots, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(snapshots, name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make snapshots writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s has changed; if that is meant, run make snapshots (-want +got):\n%s", path, diff)
	}
}
