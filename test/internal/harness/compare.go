package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Equal fails the test if got is not want. An empty list is equal to none.
func Equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// EqualSets is Equal in any order.
func EqualSets(t *testing.T, what string, got, want []string) {
	t.Helper()
	Equal(t, what, slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
}

// Has fails the test unless a text contains all parts.
func Has(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, part := range want {
		if !strings.Contains(got, part) {
			t.Errorf("%s:\n%s\nwant %q in it", what, got, part)
		}
	}
}

// Golden compares a text with a file, whose path is relative to the checkout, or rewrites the file.
func Golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join(Root, file)
	if *Update {
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
		t.Fatalf("%v; the test writes it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s has changed; if that is intended, run the test with -update (-want +got):\n%s", file, diff)
	}
}

// WriteFiles creates a new directory with files. A name that ends in a slash is a directory.
func WriteFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			Must(t, 0, os.MkdirAll(path, 0o755))
			continue
		}
		Must(t, 0, os.MkdirAll(filepath.Dir(path), 0o755))
		Must(t, 0, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}
