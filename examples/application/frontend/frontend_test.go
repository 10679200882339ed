package frontend

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestPageRefersToItsAssets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dist")
	if err := Build(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	referred := map[string]bool{}
	for _, match := range regexp.MustCompile(`"/assets/([^"]+)"`).FindAllSubmatch(page, -1) {
		referred[string(match[1])] = true
	}
	entries, err := os.ReadDir(filepath.Join(dir, "assets"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 || len(referred) != 3 {
		t.Errorf("%d assets, %d referred to, want 3", len(entries), len(referred))
	}
	for _, entry := range entries {
		if !referred[entry.Name()] {
			t.Errorf("index.html does not refer to %s", entry.Name())
		}
		if !regexp.MustCompile(`^[a-z]+-[0-9a-f]{8}\.[a-z]+$`).MatchString(entry.Name()) {
			t.Errorf("%s has no hash in its name", entry.Name())
		}
	}
}
